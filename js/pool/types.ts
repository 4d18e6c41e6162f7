/** The type of a pool as its user sees it: its calls and its other members. */
import type { AbortablePromise, CallOptions } from "../call/options";
import type { CallPromise } from "../call/promise";
import type { PoolPermissions } from "../permission/enforce";
import type { WorkerInfo } from "../runtime/worker-info";
import type { TaskStream } from "../stream/task-stream";
import type { Task, TaskFunction } from "../task/definition";
import type { TaskToolkit } from "../task/toolkit";
import type { PoolEvents, PoolListener } from "./events";
import type { PoolStats } from "./stats";

/** The tasks of a pool. Each key is the name under which the task's module exports it. */
export type Tasks = Readonly<Record<string, TaskFunction | Task<never, unknown>>>;

/** The argument of a task; `undefined` if the task takes none. */
type ArgumentOf<T> =
  T extends Task<infer Argument, unknown>
    ? Argument
    : T extends (...parameters: infer Parameters) => unknown
      ? Parameters extends []
        ? undefined
        : Parameters[0]
      : never;

/** What a call resolves with. */
type ResultOf<T> =
  T extends Task<never, infer Result>
    ? Streamed<Awaited<Result>>
    : T extends (argument: never, toolkit: TaskToolkit<never>) => infer Result
      ? Streamed<Awaited<Result>>
      : never;

/** What the caller gets if a task returns something that can be iterated. */
type Streamed<Result> = Result extends {
  // biome-ignore lint/suspicious/noExplicitAny: what may be sent to a generator
  [Symbol.asyncIterator](): AsyncIterator<infer Item, infer Return, any>;
}
  ? TaskStream<Item, Return>
  : // biome-ignore lint/suspicious/noExplicitAny: as above
    Result extends Iterator<infer Item, infer Return, any> & { [Symbol.iterator](): unknown }
    ? TaskStream<Item, Return>
    : Result;

/**
 * Type of the progress values that a task emits: the type that its function declares, or `any` if the definition
 * doesn't declare one.
 */
type ProgressOf<T> = T extends (argument: never, toolkit: TaskToolkit<infer Progress>) => unknown
  ? Progress
  : // biome-ignore lint/suspicious/noExplicitAny: as above
    any;

/** What a call returns. */
type PromiseOf<T> = (T extends Task<never, unknown, true>
  ? AbortablePromise<ResultOf<T>, ProgressOf<T>>
  : CallPromise<ResultOf<T>, ProgressOf<T>>) &
  (ResultOf<T> extends TaskStream<infer Item, unknown> ? AsyncIterable<Item> : unknown);

/**
 * The signature of a task's call. It takes the argument or a promise of it (nothing if the task takes no argument),
 * then the options of the call.
 */
export type TaskCall<T> =
  unknown extends ArgumentOf<T>
    ? (argument?: unknown, options?: CallOptions<ResultOf<T>>) => PromiseOf<T>
    : // `task({ f: () => 1 })` has the type Task<void, number>, but Task<never, number> among the tasks of a pool.
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

/** Workers that run tasks. An idle pool doesn't keep the process alive; a pending call does. */
export interface Pool<T extends Tasks> extends Workers {
  /**
   * The tasks by name: `pool.call.add([1, 2])` runs `add` in a worker. The argument is copied when you call, the
   * result when it arrives. Options such as `{ timeout, signal }` may follow the argument.
   *
   * A call never throws. The promise rejects with the error that the task throws, or with `InvalidOptionError`,
   * `WorkerCrashedError`, `WorkerKilledError`, `WorkerBootError`, `PoolClosedError`, `TaskTimeoutError`,
   * `UnsupportedPayloadError` or `PayloadTooLargeError`. What the host can tell rejects at once.
   */
  readonly call: { readonly [Name in keyof T]: TaskCall<T[Name]> };
}

/** A pool of one task, which `task(...).createPool()` creates. */
export interface TaskPool<T> extends Workers {
  /** Runs the task in a worker, with the arguments and errors of {@link Pool.call}. */
  readonly call: TaskCall<T>;
}

/** How a shutdown went. */
export interface ShutdownResult {
  /** Number of calls that had not finished in time and were rejected with `PoolClosedError`. */
  readonly cut: number;
}

/** The members that every pool has besides its calls. */
export interface Workers {
  /** A snapshot of the workers' current state. */
  readonly workers: readonly WorkerInfo[];
  /** A snapshot of what the workers do, what waits, and what has happened so far. The function works without `this`. */
  readonly stats: () => PoolStats;
  /**
   * Kills a worker, one of `pool.workers` or of an event. Calls that it has begun reject with `WorkerKilledError`, others
   * go to other workers, and another worker takes its place. Resolves when the worker is gone; at once if it was replaced
   * already. The function works without `this`.
   *
   * @throws InvalidOptionError as a rejection, if this is no worker
   */
  readonly kill: (worker: WorkerInfo) => Promise<void>;
  /**
   * Replaces a worker, or all workers, in order: it gets no more calls, and ends when those that it has begun are over.
   * Resolves when it is gone. A worker that boots is new and stays. The function works without `this`.
   *
   * @throws InvalidOptionError as a rejection, if this is no worker
   */
  readonly recycle: (worker?: WorkerInfo) => Promise<void>;
  /**
   * Resolves when no call waits or runs, those included that are made meanwhile. Calls that were given up don't count.
   * The function works without `this`.
   */
  readonly drain: () => Promise<void>;
  /** The rules that restrict the workers, and the enforcers of each rule. */
  readonly permissions: PoolPermissions;
  /**
   * Returns a `Uint8Array` of `byteLength` zeros that already lies in the shared memory of one worker. Fill it and
   * pass it to a call as the argument, or as the payload of an `Envelope`; a part of it that starts at its first byte
   * will do. The call then goes to that worker, copies nothing and detaches the array.
   *
   * Anywhere else inside a value the array is copied like any other. If the worker dies before the array is sent, the
   * array keeps its bytes and is copied when it is sent. It occupies the worker's memory until it is sent or
   * garbage-collected. The function works without `this`.
   *
   * @throws PayloadTooLargeError
   * @throws InvalidOptionError
   * @throws PoolClosedError
   * @throws KnittingError with `code` `"KNITTING_ARENA_FULL"` if no worker has free memory now
   */
  readonly alloc: (byteLength: number) => Uint8Array;
  /**
   * Calls `listener` for every event of that name: `"spawn"`, `"ready"`, `"exit"`, `"restart"`, and with
   * `worker.stdio: "pipe"` also `"output"`. A listener doesn't keep the process alive.
   */
  on<Name extends keyof PoolEvents>(name: Name, listener: PoolListener<Name>): this;
  /** Calls `listener` for the next event of that name only. */
  once<Name extends keyof PoolEvents>(name: Name, listener: PoolListener<Name>): this;
  /** Removes a listener. */
  off<Name extends keyof PoolEvents>(name: Name, listener: PoolListener<Name>): this;
  /**
   * Ends the workers. Later calls reject with `PoolClosedError` at once. Pending calls have `delayMs` milliseconds to
   * finish; the rest is then cut off: it rejects with `PoolClosedError` too. With 0 that happens now. With `Infinity` the
   * pool waits for all of them. Default: `workerPoolConfig.gracefulShutdownTimeout`, or `Infinity` if
   * `worker.resolveAfterFinishingAll` is set, or 0.
   *
   * The promise resolves when every thread and process of the pool is gone, with the number of calls that were cut off.
   * Their rejections count as handled. Another call can shorten the delay. The function works without `this`.
   */
  readonly shutdown: (delayMs?: number) => Promise<ShutdownResult>;
  /** Starts a shutdown at the end of a `using` block. */
  [Symbol.dispose](): void;
  /** Shuts the pool down at the end of an `await using` block. */
  [Symbol.asyncDispose](): Promise<void>;
}
