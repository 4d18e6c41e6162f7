/** `createPool`: tasks in, calls out, over a number of workers. */
import { basename } from "node:path";
import { types } from "node:util";
import { callerFile, mayBeBundled } from "../caller";
import { isOn, say } from "../debug";
import { type Definition, defined, definitionOf, type Task, type TaskFunction } from "../definition";
import { InvalidOptionError, KnittingError, PoolClosedError, TaskNotFoundError } from "../errors";
import { Call, type TimeLimit } from "../lane/call";
import { laneOf } from "../lane/room";
import { isStream } from "../lane/stream";
import type { TaskStream } from "../lane/task-stream";
import type { TaskToolkit } from "../lane/toolkit";
import { isMain } from "../main";
import { assertImportable } from "../module-href";
import { native } from "../native";
import { type PoolOptions, resolveOptions } from "../options";
import { enforce, type PoolPermissions } from "../permission/enforce";
import { describe, record, wholeNumber } from "../validate";
import type { TaskSource } from "../worker/program";
import { balancer, type Strategy } from "./balancer";
import { type AbortablePromise, Abortables, type CallOptions, checkCallOptions, obey } from "./call-options";
import { type CallPromise, promiseOf } from "./call-promise";
import { Listeners, type PoolEvents, type PoolListener } from "./events";
import { assertExists, assertExported, TASK_ADVICE } from "./exports";
import type { WorkerInfo } from "./info";
import { speakerOf, tellLifecycle, tellSetup, traced } from "./narration";
import { findRuntime } from "./runtime";
import { Shutdown } from "./shutdown";
import { Slot, type SlotOwner } from "./slot";
import type { Plan } from "./worker";

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

/**
 * Creates a pool: options first, then its tasks.
 *
 * It returns at once; the workers boot behind it, and calls wait for them. A task is an exported function: its worker
 * imports the module that called `createPool` and takes the export with the task's name, or what `task` and `importTask`
 * say instead.
 *
 * @throws InvalidOptionError, TaskNotFoundError if a task can't be found for sure, PermissionUnsupportedError,
 * UnsupportedPlatformError.
 * @example
 * export const add = ([a, b]) => a + b;
 *
 * if (isMain) {
 *   const pool = createPool({ threads: 2 })({ add });
 *   console.log(await pool.call.add([1, 2])); // 3
 *   await pool.shutdown();
 * }
 */
export function createPool(options: PoolOptions = {}): <T extends Tasks>(tasks: T) => Pool<T> {
  if (!isMain) {
    // What the options ask for, a worker may not even be able to look up.
    return refuseInWorker;
  }
  const make = prepare(options);
  return (tasks) => {
    const sources = locateAll(tasks, callerFile());
    const limits = Object.values(tasks).map((task) => definitionOf(task)?.limit);
    return make(sources, limits, (calls) => Object.freeze(calls)) as unknown as Pool<typeof tasks>;
  };
}

/** @internal A pool of one task. */
export function createTaskPool<T extends Task<never, unknown>>(task: T, options?: PoolOptions): TaskPool<T> {
  if (!isMain) {
    refuseInWorker();
  }
  const make = prepare(options);
  const definition = definitionOf(task) as Definition;
  const source = locate(nameOf(definition), definition, undefined);
  return make([source], [definition.limit], (calls) => calls[source.task]) as unknown as TaskPool<T>;
}

/** What to call a task that has no key. */
function nameOf({ origin }: Definition): string {
  return origin.kind === "imported" ? origin.name : `${basename(origin.href ?? "")}#${origin.nth + 1}`;
}

type Caller = (argument?: unknown, options?: CallOptions) => Promise<unknown>;
/** What a pool has for its calls, made of one for each task. */
type Calls = (calls: Record<string, Caller>) => unknown;

/** Checks the options, and returns what makes a pool with them. */
function prepare(
  options: PoolOptions = {},
): (tasks: readonly TaskSource[], limits: PoolPlan["limits"], calls: Calls) => WorkerPool {
  const resolved = resolveOptions(options);
  const { threads, balancer, worker, abortSignalCapacity, payload, permission } = resolved;
  checkBootstrap(worker);
  const executable = worker.runtime === "thread" ? "" : findRuntime(worker);
  native().sweepNames();
  return (tasks, limits, calls) => {
    for (const { task, href } of tasks) {
      assertImportable(`task "${task}"`, href, worker.runtime);
    }
    const program = {
      tasks,
      bootstrap: worker.bootstrap,
      spinNanos: worker.spinMicroseconds * 1_000,
      maxPayloadBytes: payload.maxPayloadBytes,
      debug: undefined,
    };
    const debug = speakerOf(resolved);
    if (debug !== undefined) {
      tellSetup(debug, resolved, program);
    }
    const enforcement = enforce(permission, worker, executable, program);
    return new WorkerPool(
      threads,
      balancer,
      { program, limits, worker, executable, enforcement, payload, abortSignalCapacity, debug },
      calls,
    );
  };
}

/** What a pool is made of. */
interface PoolPlan extends Plan {
  /** Each task's own time limit. */
  readonly limits: readonly (TimeLimit | undefined)[];
  readonly abortSignalCapacity: number;
}

const NO_OPTIONS = { limit: undefined, signal: undefined };

class WorkerPool implements SlotOwner {
  readonly call: unknown;
  readonly listeners = new Listeners();
  readonly #tasks: readonly TaskSource[];
  readonly #slots: Slot[] = [];
  readonly #abortables: Abortables;
  readonly #pick: () => Slot;
  /** Calls whose argument is a promise that has not settled. */
  readonly #expecting = new Set<Call>();
  readonly #shutdown: Shutdown;

  constructor(
    threads: number,
    strategy: Strategy,
    readonly plan: PoolPlan,
    calls: Calls,
  ) {
    this.#tasks = plan.program.tasks;
    this.#abortables = new Abortables(plan.abortSignalCapacity);
    const callers: Record<string, Caller> = Object.create(null);
    for (const [index, { task }] of this.#tasks.entries()) {
      const caller: Caller = (argument, options) => this.#call(index, argument, options);
      callers[task] = isOn(plan.debug, "signals") ? traced(plan.debug, task, caller) : caller;
    }
    this.call = calls(callers);
    if (plan.debug !== undefined) {
      tellLifecycle(plan.debug, this.listeners);
    }
    this.#shutdown = new Shutdown(
      () => this.#calls(),
      () => this.#close(),
      plan.worker.resolveAfterFinishingAll ? Number.POSITIVE_INFINITY : 0,
    );
    try {
      while (this.#slots.length < threads) {
        this.#slots.push(new Slot(this, this.#slots.length));
      }
    } catch (error) {
      void this.shutdown(0);
      throw error;
    }
    this.#pick = balancer(strategy, this.#slots);
  }

  /** Every call under way. */
  #calls(): Call[] {
    return [...this.#expecting, ...this.#slots.flatMap((slot) => slot.calls)];
  }

  #close(): Promise<unknown> {
    for (const call of this.#expecting) {
      call.reject(new PoolClosedError());
    }
    return Promise.all(this.#slots.map((slot) => slot.close()));
  }

  #call(task: number, argument: unknown, options: CallOptions | undefined): Promise<unknown> {
    const { task: name, abortable } = this.#tasks[task];
    const { limit, signal } = options === undefined ? NO_OPTIONS : checkCallOptions(name, options);
    const call = new Call(task, limit ?? this.plan.limits[task]);
    const promise = promiseOf(call);
    if (abortable && !this.#abortables.add(call, promise)) {
      return promise;
    }
    if (signal !== undefined && !obey(signal, call)) {
      return promise;
    }
    if (this.#shutdown.begun) {
      call.reject(new PoolClosedError());
    } else if (typeof argument !== "object" || argument === null) {
      this.#pick().submit(call, argument);
    } else if (types.isPromise(argument)) {
      this.#expect(argument, call);
    } else {
      this.#submit(call, argument);
    }
    return promise;
  }

  /** Where a call with this argument goes: to the lane in which it lies already, or wherever the balancer says. */
  #slotFor(argument: unknown): Slot {
    const lane = laneOf(argument);
    return (lane === undefined ? undefined : this.#slots.find((slot) => slot.has(lane))) ?? this.#pick();
  }

  readonly alloc = (byteLength: number): Uint8Array => {
    wholeNumber("pool.alloc", "byteLength", byteLength, 1);
    if (this.#shutdown.begun) {
      throw new PoolClosedError();
    }
    const picked = this.#pick();
    const slots = [picked, ...this.#slots.filter((slot) => slot !== picked)].filter((slot) => slot.available);
    for (const slot of slots) {
      const array = slot.alloc(byteLength);
      if (array !== undefined) {
        return array;
      }
    }
    if (slots.length > 0) {
      throw new KnittingError(
        "KNITTING_ARENA_FULL",
        `pool.alloc: no worker's memory has room for ${byteLength} more bytes now. Arrays that were allocated and not sent take room until they are collected`,
      );
    }
    // Between two workers there is no arena: it will be copied.
    return new Uint8Array(byteLength);
  };

  #expect(argument: Promise<unknown>, call: Call): void {
    this.#expecting.add(call);
    argument.then(
      (value) => {
        this.#expecting.delete(call);
        this.#submit(call, value);
      },
      (error) => {
        this.#expecting.delete(call);
        call.reject(error);
      },
    );
  }

  #submit(call: Call, argument: unknown): void {
    try {
      if (isStream(argument)) {
        call.send(argument);
      }
    } catch (error) {
      call.reject(error);
      return;
    }
    this.#slotFor(argument).submit(call, argument);
  }

  reroute(call: Call, from: Slot): void {
    const others = this.#slots.filter((slot) => slot !== from && !slot.broken);
    const available = others.filter((slot) => slot.available);
    const ready = available.filter((slot) => slot.ready);
    const candidates = [ready, from.available ? [from] : available, from.broken ? others : []];
    const places = candidates.find(({ length }) => length > 0) ?? [from];
    places[call.sequence % places.length].submit(call, undefined);
  }

  hasReady(except: Slot): boolean {
    return this.#slots.some((slot) => slot !== except && slot.ready);
  }

  get workers(): readonly WorkerInfo[] {
    return this.#slots.map((slot) => slot.info());
  }

  get permissions(): PoolPermissions {
    return this.plan.enforcement.permissions;
  }

  on<Name extends keyof PoolEvents>(name: Name, listener: PoolListener<Name>): this {
    this.listeners.on(name, listener);
    return this;
  }

  once<Name extends keyof PoolEvents>(name: Name, listener: PoolListener<Name>): this {
    this.listeners.once(name, listener);
    return this;
  }

  off<Name extends keyof PoolEvents>(name: Name, listener: PoolListener<Name>): this {
    this.listeners.off(name, listener);
    return this;
  }

  readonly shutdown = (delayMs?: number): Promise<void> => {
    const { debug } = this.plan;
    if (debug === undefined) {
      return this.#shutdown.within(delayMs);
    }
    const underWay = this.#calls().length;
    const ended = this.#shutdown.within(delayMs);
    say(debug, "host", `shutdown(${delayMs ?? ""}): ${underWay} calls are under way`);
    void ended.then(() => say(debug, "host", "closed"));
    return ended;
  };

  [Symbol.dispose](): void {
    void this.shutdown();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.shutdown();
  }
}

/**
 * Workers have no pools of their own: a module that creates one as it is imported would have each worker import it again,
 * without end. From here a running task looks no different.
 */
function refuseInWorker(): never {
  throw new KnittingError(
    "KNITTING_POOL_IN_WORKER",
    "createPool was called in a worker of a pool, and workers have no pools of their own. A worker imports the module of its tasks: put what is meant for the host behind `if (isMain)`",
  );
}

/** Throws what can be told at once of the function that the workers are to begin with. */
function checkBootstrap({ bootstrap, runtime }: PoolPlan["worker"]): void {
  if (bootstrap !== undefined) {
    assertImportable("worker.bootstrap", bootstrap.href, runtime);
    assertExported("worker.bootstrap", bootstrap.href, bootstrap.name);
  }
}

/** Where the workers will find each task. Throws what can be told at once. */
function locateAll(tasks: unknown, caller: string | undefined): TaskSource[] {
  const entries = Object.entries(record("createPool", "tasks", tasks, "an object such as { add }"));
  if (entries.length === 0) {
    throw new InvalidOptionError("createPool: there are no tasks, there must be at least one");
  }
  return entries.map(([task, value]) => {
    const definition = definitionOf(value);
    if (definition !== undefined) {
      return locate(task, definition, task);
    }
    if (typeof value !== "function") {
      throw new InvalidOptionError(
        `createPool: task "${task}" is ${describe(value)}, it must be an exported function, or what task() or importTask() returns`,
      );
    }
    const href = fileOf(task, caller);
    assertExported(`task "${task}"`, href, task, TASK_ADVICE);
    return { task, href, at: task, abortable: false };
  });
}

/** Where the workers will find a task that is exported as `key`, if it has one. */
function locate(task: string, { origin, abortable }: Definition, key: string | undefined): TaskSource {
  const what = `task "${task}"`;
  if (origin.kind === "imported") {
    const { href, name } = origin;
    assertExported(what, href, name, TASK_ADVICE);
    return { task, href, at: name, abortable };
  }
  const href = fileOf(task, origin.href);
  if (key !== undefined && !mayBeBundled(href)) {
    assertExported(what, href, key, TASK_ADVICE);
    return { task, href, at: key, abortable };
  }
  assertExists(what, href);
  return { task, href, at: { nth: origin.nth, of: defined(href) }, abortable };
}

function fileOf(task: string, href: string | undefined): string {
  if (href === undefined) {
    throw new TaskNotFoundError(
      `task "${task}": the code that defines it has no file for a worker to import. Put it in a module, or name one by importTask`,
    );
  }
  return href;
}
