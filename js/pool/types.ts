/** What a pool is to its user: its calls, and what it has beside them. */
import type { AbortablePromise, CallOptions } from "../call/options";
import type { CallPromise } from "../call/promise";
import type { PoolPermissions } from "../permission/enforce";
import type { WorkerInfo } from "../runtime/worker-info";
import type { TaskStream } from "../stream/task-stream";
import type { Task, TaskFunction } from "../task/definition";
import type { TaskToolkit } from "../task/toolkit";
import type { PoolEvents, PoolListener } from "./events";

/** The tasks of a pool, by the names under which their modules export them. */
export type Tasks = Readonly<Record<string, TaskFunction | Task<never, unknown>>>;

/** The argument of a task, `undefined` where it takes none. */
type ArgumentOf<T> =
  T extends Task<infer Argument, unknown>
    ? Argument
    : T extends (...parameters: infer Parameters) => unknown
      ? Parameters extends []
        ? undefined
        : Parameters[0]
      : never;

/** What a call comes to. */
type ResultOf<T> =
  T extends Task<never, infer Result>
    ? Streamed<Awaited<Result>>
    : T extends (argument: never, toolkit: TaskToolkit<never>) => infer Result
      ? Streamed<Awaited<Result>>
      : never;

/** Where a task returns something to iterate over, what its caller gets. */
type Streamed<Result> = Result extends {
  // biome-ignore lint/suspicious/noExplicitAny: what may be sent to a generator
  [Symbol.asyncIterator](): AsyncIterator<infer Item, infer Return, any>;
}
  ? TaskStream<Item, Return>
  : // biome-ignore lint/suspicious/noExplicitAny: as above
    Result extends Iterator<infer Item, infer Return, any> & { [Symbol.iterator](): unknown }
    ? TaskStream<Item, Return>
    : Result;

/** What a task tells while it runs: as a function declares it, anything where a definition doesn't say. */
type ProgressOf<T> = T extends (argument: never, toolkit: TaskToolkit<infer Progress>) => unknown
  ? Progress
  : // biome-ignore lint/suspicious/noExplicitAny: as it says
    any;

/** What a call returns. */
type PromiseOf<T> = (T extends Task<never, unknown, true>
  ? AbortablePromise<ResultOf<T>, ProgressOf<T>>
  : CallPromise<ResultOf<T>, ProgressOf<T>>) &
  (ResultOf<T> extends TaskStream<infer Item, unknown> ? AsyncIterable<Item> : unknown);

/** How a task is called: with its argument or a promise of it, or without where it takes none; then the call's options. */
export type TaskCall<T> =
  unknown extends ArgumentOf<T>
    ? (argument?: unknown, options?: CallOptions<ResultOf<T>>) => PromiseOf<T>
    : // `task({ f: () => 1 })` is a Task<void, number>, and a Task<never, number> where it stands among the tasks.
      // biome-ignore lint/suspicious/noConfusingVoidType: it is the type parameter of such a task
      [ArgumentOf<T>] extends [void]
      ? (argument?: undefined, options?: CallOptions<ResultOf<T>>) => PromiseOf<T>
      : undefined extends ArgumentOf<T>
        ? (
            argument?: ArgumentOf<T> | Promise<ArgumentOf<T>>,
            options?: CallOptions<ResultOf<T>>,
          ) => PromiseOf<T>
        : (
            argument: ArgumentOf<T> | Promise<ArgumentOf<T>>,
            options?: CallOptions<ResultOf<T>>,
          ) => PromiseOf<T>;

/** A number of workers that run tasks. An idle pool doesn't keep the process alive; a pending call does. */
export interface Pool<T extends Tasks> extends Workers {
  /**
   * The tasks: `pool.call.add([1, 2])` runs `add` in a worker. The argument is copied when you call, the result when it
   * arrives. Options such as `{ timeout, signal }` may follow. Rejects with what the task throws, `WorkerCrashedError`, `PoolClosedError`, `UnsupportedPayloadError` or
   * `PayloadTooLargeError`.
   */
  readonly call: { readonly [Name in keyof T]: TaskCall<T[Name]> };
}

/** A pool of one task, as `task(...).createPool()` makes it. */
export interface TaskPool<T> extends Workers {
  /** Runs the task in a worker: what {@link Pool.call} has by names. */
  readonly call: TaskCall<T>;
}

/** What every pool has beside its calls. */
export interface Workers {
  /** The workers as they are now. */
  readonly workers: readonly WorkerInfo[];
  /** What the workers may do, and who enforces each rule of it. */
  readonly permissions: PoolPermissions;
  /**
   * An array of zeros that lies in the memory of one worker already. Fill it, and give it to a call as the argument or as an
   * `Envelope`'s payload, whole or from its first byte on: the call goes to that worker and copies nothing, and the array is
   * detached. Anywhere else in a value it is copied like any other. If the worker dies before, the array keeps its bytes, and is
   * copied when it is sent. It takes room until it is sent or collected. It needs no `this`.
   *
   * @throws PayloadTooLargeError, InvalidOptionError, PoolClosedError; an error with `code` `"KNITTING_ARENA_FULL"` if no worker has
   * room now.
   */
  readonly alloc: (byteLength: number) => Uint8Array;
  /**
   * Has `listener` called with every event of that name: `"spawn"`, `"ready"`, `"exit"`, `"restart"`, and with
   * `worker.stdio: "pipe"` also `"output"`. Listening keeps no process alive.
   */
  on<Name extends keyof PoolEvents>(name: Name, listener: PoolListener<Name>): this;
  /** Has `listener` called with the next event of that name. */
  once<Name extends keyof PoolEvents>(name: Name, listener: PoolListener<Name>): this;
  /** Has `listener` called no more. */
  off<Name extends keyof PoolEvents>(name: Name, listener: PoolListener<Name>): this;
  /**
   * Ends the workers. Later calls reject with `PoolClosedError` at once. Calls in flight have `delayMs` milliseconds to finish,
   * then the rest of them reject with it too; 0, the default, rejects them now, `Infinity`, the default with
   * `worker.resolveAfterFinishingAll`, waits for all of them. Resolves when every thread and process of the pool is gone. Another call can make the delay shorter. It needs no `this`.
   */
  readonly shutdown: (delayMs?: number) => Promise<void>;
  /** Starts to shut down, at the end of a `using` block. */
  [Symbol.dispose](): void;
  /** Shuts down, at the end of an `await using` block. */
  [Symbol.asyncDispose](): Promise<void>;
}
