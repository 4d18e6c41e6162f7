/**
 * The interface of tinypool 2, made of knitting-native: a program that uses `Tinypool` runs on with this file in its
 * place, and the file shows what takes the place of what. docs/migrating.md has the same as a table.
 */
import { EventEmitter } from "node:events";
import { availableParallelism } from "node:os";
import { createPool, importTask, isMain, PoolClosedError } from "knitting-native";

/** Options that knitting-native has no counterpart for, unless their value is this one, which asks for nothing. */
const UNSUPPORTED = {
  argv: undefined,
  isolateWorkers: false,
  maxMemoryLimitBeforeRecycle: undefined,
  maxQueue: Infinity,
  taskQueue: undefined,
  teardown: undefined,
};

/** In a worker, `workerData` of its pool. */
let data;

/** Runs in each worker before its task's module, which may ask for `Tinypool.workerData`. */
export function setUp({ workerData }) {
  data = workerData;
}

export class Tinypool extends EventEmitter {
  /** A pool of ours has its tasks from its creation. So each export that is run gets a pool of its own. */
  #pools = new Map();

  constructor(options = {}) {
    super();
    this.options = { filename: null, name: "default", maxQueue: Infinity, ...options, ...limitsOf(options) };
  }

  async run(value, { filename, name, signal, transferList, channel } = {}) {
    const { call } = this.#poolOf(filename ?? this.options.filename, name ?? this.options.name);
    refuse({ transferList, channel }, { transferList: undefined, channel: undefined });
    try {
      return await call.run(isMovable(value) ? value[VALUE] : value, { signal: signal ?? undefined });
    } catch (error) {
      throw asTinypool(error, signal);
    }
  }

  /** The workers of all pools: an array of `WorkerInfo`. */
  get threads() {
    return [...this.#pools.values()].flatMap(({ workers }) => workers);
  }

  async destroy() {
    await Promise.all([...this.#pools.values()].map(({ shutdown }) => shutdown()));
    this.#pools.clear();
  }

  #poolOf(filename, name) {
    if (filename === null) {
      throw new Error("filename must be provided to run() or in options object");
    }
    const key = JSON.stringify([filename, name]);
    let pool = this.#pools.get(key);
    if (pool === undefined) {
      refuse(this.options, UNSUPPORTED);
      const { maxThreads, runtime, env, resourceLimits, execArgv, workerData } = this.options;
      pool = createPool({
        threads: maxThreads,
        balancer: "firstIdle",
        workerExecArgv: execArgv ?? process.execArgv,
        permission: "unsafe",
        worker: {
          ...(runtime === "child_process" && { runtime: "process", processRuntime: "node" }),
          env,
          resourceLimits,
          bootstrap: { href: import.meta.url, name: "setUp", data: { workerData } },
        },
      })({ run: importTask({ href: filename, name }) });
      pool.on("exit", ({ reason, cause }) => this.#onExit(reason, cause));
      this.#pools.set(key, pool);
    }
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
    return data;
  }

  /** Values are copied. The mark stays on the host, where `run` takes it off. */
  static move(value) {
    if (!isMain || value === null || typeof value !== "object") {
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

/** The error that tinypool would have thrown. */
function asTinypool(error, signal) {
  if (signal?.aborted) {
    return Object.assign(new Error("The task has been aborted"), { name: "AbortError" });
  }
  return error instanceof PoolClosedError ? new Error("Terminating worker thread", { cause: error }) : error;
}

/** An option that would be without effect is an error. */
function refuse(options, unsupported) {
  for (const [name, nothing] of Object.entries(unsupported)) {
    if (options[name] !== undefined && options[name] !== nothing) {
      throw new Error(`knitting-native has no counterpart for tinypool's "${name}"`);
    }
  }
}
