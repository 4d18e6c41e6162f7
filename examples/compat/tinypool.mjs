/**
 * The interface of tinypool 2, made of knitting-native: a program that uses `Tinypool` runs on with this file in its
 * place, and the file shows what takes the place of what. docs/migrating.md has the same as a table.
 */
import { EventEmitter } from "node:events";
import { availableParallelism } from "node:os";
import { fileURLToPath, pathToFileURL } from "node:url";
import { createPool, importTask, isMain, PoolClosedError, workerInfo } from "knitting-native";

/** Options that knitting-native has no counterpart for, unless their value is this one, which asks for nothing. */
const UNSUPPORTED = { maxMemoryLimitBeforeRecycle: undefined, taskQueue: undefined };

export class Tinypool extends EventEmitter {
  /** Undefined after `destroy()`, until the next `run()`. */
  #pool;
  /** For each call that has not settled, in their order, what gives it up. */
  #pending = new Set();

  constructor(options = {}) {
    super();
    refuse(options, UNSUPPORTED);
    this.options = {
      filename: null,
      name: "default",
      runtime: "worker_threads",
      maxQueue: Infinity,
      concurrentTasksPerWorker: 1,
      ...options,
      ...limitsOf(options),
    };
    this.#pool = this.#start();
  }

  async run(value, { filename, name, signal, transferList, channel } = {}) {
    refuse({ channel }, { channel: undefined });
    const href = hrefOf(filename ?? this.options.filename);
    const { maxThreads, maxQueue, concurrentTasksPerWorker } = this.options;
    if (signal?.aborted) {
      throw new AbortError();
    }
    if (this.#pending.size >= maxThreads * concurrentTasksPerWorker + maxQueue) {
      throw new Error(
        maxQueue === 0 ? "No task queue available and all Workers are busy" : "Task queue is at limit",
      );
    }
    const controller = new AbortController();
    const release = listenTo(signal, () => controller.abort(new AbortError()));
    this.#pending.add(controller);
    const [argument, moved] = isMovable(value) ? [value[VALUE], [value[TRANSFERABLE]].flat()] : [value, []];
    try {
      this.#pool ??= this.#start();
      return await this.#pool.call.runTask([href, name ?? this.options.name, argument], {
        signal: controller.signal,
        // A worker that has other calls is not ended for one of them.
        kill: concurrentTasksPerWorker === 1 ? true : undefined,
        transfer: [...(transferList ?? []), ...moved],
      });
    } catch (error) {
      throw error instanceof PoolClosedError
        ? new Error("Terminating worker thread", { cause: error })
        : error;
    } finally {
      release();
      this.#pending.delete(controller);
      if (this.queueSize === 0) {
        this.emit("drain");
      }
    }
  }

  /** The workers: an array of `WorkerInfo`. A process has no `threadId`, and a `pid` as soon as it has been started. */
  get threads() {
    return this.#pool?.workers ?? [];
  }

  /** Number of calls for which there is no worker. `pool.stats().queueDepth` counts those too whose worker boots. */
  get queueSize() {
    return this.#waiting.length;
  }

  /** Number of calls that have ended. */
  get completed() {
    const { finished = 0, failed = 0 } = this.#pool?.stats() ?? {};
    return finished + failed;
  }

  get #waiting() {
    return [...this.#pending].slice(this.threads.length * this.options.concurrentTasksPerWorker);
  }

  cancelPendingTasks() {
    for (const controller of this.#waiting) {
      controller.abort(new CancelError());
      this.#pending.delete(controller);
    }
  }

  /** Idle workers are replaced before the promise resolves, the others when their calls are over. */
  async recycleWorkers({ runtime = this.options.runtime } = {}) {
    const pool = this.#pool;
    if (runtime !== this.options.runtime) {
      // A pool of ours has workers of one kind. Another one takes over.
      this.options.runtime = runtime;
      this.#pool = this.#start();
      await pool?.shutdown(Infinity);
    } else if (pool !== undefined) {
      const recycled = pool.stats().perWorker.map(({ worker, running }) => {
        // To `recycle`, a worker that boots is new.
        const gone = worker.state === "booting" ? pool.kill(worker) : pool.recycle(worker);
        return running === 0 ? gone : undefined;
      });
      await Promise.all(recycled);
    }
  }

  async destroy() {
    const pool = this.#pool;
    this.#pool = undefined;
    await pool?.shutdown(0);
  }

  #start() {
    const { minThreads, maxThreads, idleTimeout, isolateWorkers, concurrentTasksPerWorker } = this.options;
    const { filename, teardown, runtime, env, resourceLimits, argv, execArgv, workerData } = this.options;
    const pool = createPool({
      concurrency: concurrentTasksPerWorker,
      balancer: "firstIdle",
      workerPoolConfig: {
        minWorkers: minThreads,
        maxWorkers: maxThreads,
        // Their default is 0. Ours is 30 seconds, because a worker that is ended has to be started again.
        idleTimeout: idleTimeout === undefined ? undefined : Math.max(idleTimeout, 1),
        maxExecutionsPerWorker: isolateWorkers ? 1 : undefined,
      },
      spareWorkers: 0,
      workerExecArgv: execArgv ?? process.execArgv,
      permission: "unsafe",
      worker: {
        ...(runtime === "child_process" && { runtime: "process", processRuntime: "node" }),
        env,
        argv,
        resourceLimits,
        bootstrap: { href: import.meta.url, name: "setUp", data: { workerData } },
        teardown: teardown === undefined ? undefined : { href: hrefOf(filename), name: teardown },
      },
    })({ runTask: importTask({ href: import.meta.url, name: "runTask" }) });
    pool.on("exit", ({ reason, cause }) => this.#onExit(reason, cause));
    return pool;
  }

  /** An error outside of any call has ended a worker, which is replaced. */
  #onExit(reason, cause) {
    if (reason === "fatalError") {
      const isHeard = this.listenerCount("error") > 0;
      isHeard ? this.emit("error", cause) : process.emitWarning(cause);
    }
  }

  static get isWorkerThread() {
    return !isMain;
  }

  static get workerData() {
    return process.__tinypool_state__?.workerData;
  }

  /** Marks a value that `run`, or the worker that returns it, is to move. */
  static move(value) {
    if (value === null || typeof value !== "object") {
      return value;
    }
    const moved = isTransferable(value)
      ? value
      : { [TRANSFERABLE]: ArrayBuffer.isView(value) ? value.buffer : value, [VALUE]: value };
    markMovable(moved);
    return moved;
  }

  static transferableSymbol = Symbol.for("Tinypool.transferable");
  static valueSymbol = Symbol.for("Tinypool.valueOf");
  static queueOptionsSymbol = Symbol.for("Tinypool.queueOptions");
}

export default Tinypool;

/** From 1. In a worker only. */
export const workerId = workerInfo && workerInfo.index + 1;

/** Runs in each worker before its first task. */
export function setUp({ workerData }) {
  process.__tinypool_state__ = {
    isTinypoolWorker: true,
    [workerInfo.runtime === "thread" ? "isWorkerThread" : "isChildProcess"]: true,
    workerData,
    workerId,
  };
}

/** The one task of the pool: runs an export of a module. */
export async function runTask([href, name, value]) {
  const module = await import(href);
  // What a CommonJS module exports is in its default export.
  const [direct, nested] = await Promise.all([module[name], module.default?.[name]]);
  const run = typeof direct === "function" ? direct : nested;
  if (typeof run !== "function") {
    throw new Error(`No handler function "${name}" exported from "${fileURLToPath(href)}"`);
  }
  const result = await run(value);
  return isMovable(result)
    ? structuredClone(result[VALUE], { transfer: [result[TRANSFERABLE]].flat() })
    : result;
}

const { transferableSymbol: TRANSFERABLE, valueSymbol: VALUE } = Tinypool;
const MOVABLE = Symbol("Tinypool.movable");

export function isTransferable(value) {
  return value !== null && typeof value === "object" && TRANSFERABLE in value && VALUE in value;
}

export function isMovable(value) {
  return isTransferable(value) && value[MOVABLE] === true;
}

export function markMovable(value) {
  Object.defineProperty(value, MOVABLE, { value: true, configurable: true, writable: true });
}

/** The numbers of threads, which may be fractions of the number of processors. */
function limitsOf({ minThreads, maxThreads }) {
  const cores = availableParallelism();
  const count = (threads) =>
    threads > 0 && threads < 1 ? Math.max(1, Math.floor(threads * cores)) : threads;
  const [least, most] = [count(minThreads), count(maxThreads)];
  if (least > most) {
    throw new RangeError("options.minThreads and options.maxThreads must not conflict");
  }
  return {
    minThreads: least ?? Math.min(Math.max(1, Math.floor(cores / 2)), most ?? Infinity),
    maxThreads: most ?? Math.max(cores, least ?? 0),
  };
}

class AbortError extends Error {
  name = "AbortError";

  constructor() {
    super("The task has been aborted");
  }
}

class CancelError extends Error {
  name = "CancelError";

  constructor() {
    super("The task has been cancelled");
  }
}

/** Listens to a signal, which may also be an emitter of "abort". Returns a function that ends that. */
function listenTo(signal, listener) {
  if (signal instanceof EventEmitter) {
    signal.once("abort", listener);
    return () => signal.off("abort", listener);
  }
  signal?.addEventListener("abort", listener);
  return () => signal?.removeEventListener("abort", listener);
}

function hrefOf(filename) {
  if (filename === null) {
    throw new Error("filename must be provided to run() or in options object");
  }
  return filename.startsWith("file:") ? filename : pathToFileURL(filename).href;
}

/** An option that would be without effect is an error. */
function refuse(options, unsupported) {
  for (const [name, nothing] of Object.entries(unsupported)) {
    if (options[name] !== undefined && options[name] !== nothing) {
      throw new Error(`knitting-native has no counterpart for tinypool's "${name}"`);
    }
  }
}
