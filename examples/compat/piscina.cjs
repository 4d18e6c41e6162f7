/**
 * The interface of piscina 4, made of knitting-native: a program that uses `Piscina` runs on with this file in its
 * place, and the file shows what takes the place of what. docs/migrating.md has the same as a table.
 */
const { EventEmitter } = require("node:events");
const { availableParallelism } = require("node:os");
const { createPool, importTask, isMain, PoolClosedError } = require("knitting-native");

/** Options that knitting-native has no counterpart for, unless their value is this one, which asks for nothing. */
const UNSUPPORTED = { argv: undefined, maxQueue: Infinity, niceIncrement: 0, taskQueue: undefined };

/** In a worker, `workerData` of its pool. */
let data;

class Piscina extends EventEmitter {
  /** A pool of ours has its tasks from its creation. So each export that is run gets a pool of its own. */
  #pools = new Map();
  #isClosing = false;

  constructor(options = {}) {
    super();
    check(options);
    this.options = { ...defaultsOf(options), ...options };
    if (options.maxQueue === "auto") {
      this.options.maxQueue = this.options.maxThreads ** 2;
    }
  }

  async run(value, options = {}) {
    checkRun(options);
    const { filename, name, signal, transferList } = options;
    if (this.#isClosing) {
      throw new AbortError("queue is closing up");
    }
    const { call } = this.#poolOf(filename ?? this.options.filename, name ?? this.options.name);
    const { abort, release } = listenTo(signal);
    try {
      abort?.throwIfAborted();
      refuse({ transferList }, { transferList: undefined });
      return await call.run(isMovable(value) ? value[VALUE] : value, { signal: abort });
    } catch (error) {
      throw asPiscina(error, abort);
    } finally {
      release();
    }
  }

  /** Lets the calls in flight finish, for `closeTimeout` milliseconds. */
  async close({ force = false } = {}) {
    refuse({ force }, { force: false });
    this.#isClosing = true;
    await this.#shutDown(this.options.closeTimeout);
    this.emit("close");
  }

  /** Ends the workers, whatever they do. */
  async destroy() {
    await this.#shutDown(0);
  }

  /** The workers of all pools: an array of `WorkerInfo`. */
  get threads() {
    return [...this.#pools.values()].flatMap(({ workers }) => workers);
  }

  get minThreads() {
    return this.options.minThreads;
  }

  get maxThreads() {
    return this.options.maxThreads;
  }

  async #shutDown(delayMs) {
    await Promise.all([...this.#pools.values()].map(({ shutdown }) => shutdown(delayMs)));
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
      const { maxThreads, env, resourceLimits, execArgv, workerData } = this.options;
      pool = createPool({
        threads: maxThreads,
        balancer: "firstIdle",
        workerExecArgv: execArgv ?? process.execArgv,
        permission: "unsafe",
        worker: {
          env,
          resourceLimits,
          bootstrap: { href: __filename, name: "setUp", data: { workerData } },
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

  static transferableSymbol = Symbol.for("Piscina.transferable");
  static valueSymbol = Symbol.for("Piscina.valueOf");
  static queueOptionsSymbol = Symbol.for("Piscina.queueOptions");
}

const { transferableSymbol: TRANSFERABLE, valueSymbol: VALUE } = Piscina;
const MOVABLE = Symbol("Piscina.movable");

module.exports = Object.assign(Piscina, { Piscina, isTransferable, isMovable, markMovable });

/** Runs in each worker before its task's module, which may ask for `Piscina.workerData`. */
module.exports.setUp = ({ workerData }) => {
  data = workerData;
};

function isTransferable(value) {
  return value !== null && typeof value === "object" && TRANSFERABLE in value && VALUE in value;
}

function isMovable(value) {
  return isTransferable(value) && value[MOVABLE] === true;
}

function markMovable(value) {
  Object.defineProperty(value, MOVABLE, { value: true, configurable: true, writable: true });
}

class AbortError extends Error {
  name = "AbortError";

  constructor(reason) {
    super("The task has been aborted", { cause: reason });
  }
}

/** The error that piscina would have thrown. */
function asPiscina(error, signal) {
  if (signal?.aborted) {
    return new AbortError(signal.reason);
  }
  return error instanceof PoolClosedError ? new Error("Terminating worker thread", { cause: error }) : error;
}

/** A signal of piscina may also be an emitter of "abort". */
function listenTo(signal) {
  if (!(signal instanceof EventEmitter)) {
    return { abort: signal ?? undefined, release: () => {} };
  }
  const controller = new AbortController();
  const abort = () => controller.abort();
  signal.once("abort", abort);
  return { abort: controller.signal, release: () => signal.off("abort", abort) };
}

function defaultsOf({ minThreads, maxThreads }) {
  const cores = availableParallelism();
  return {
    filename: null,
    name: "default",
    minThreads: Math.min(Math.max(1, Math.floor(cores / 2)), maxThreads ?? Infinity),
    maxThreads: Math.max(cores * 1.5, minThreads ?? 0),
    maxQueue: Infinity,
    closeTimeout: 30_000,
  };
}

/** An option that would be without effect is an error. */
function refuse(options, unsupported) {
  for (const [name, nothing] of Object.entries(unsupported)) {
    if (options[name] !== undefined && options[name] !== nothing) {
      throw new Error(`knitting-native has no counterpart for piscina's "${name}"`);
    }
  }
}

/** What piscina says about wrong options. */
function check(options) {
  const isText = (value) => value === null || typeof value === "string";
  const atLeast = (least) => (value) => typeof value === "number" && value >= least;
  const isFlag = (value) => typeof value === "boolean";
  const isQueue = (value) => typeof value?.shift === "function" && typeof value?.push === "function";
  const rules = {
    filename: [isText, "a string or null"],
    name: [isText, "a string or null"],
    minThreads: [atLeast(0), "a non-negative integer"],
    maxThreads: [atLeast(1), "a positive integer"],
    idleTimeout: [atLeast(0), "a non-negative integer"],
    maxQueue: [(value) => value === "auto" || atLeast(0)(value), "a non-negative integer"],
    concurrentTasksPerWorker: [atLeast(1), "a positive integer"],
    useAtomics: [isFlag, "a boolean value"],
    resourceLimits: [(value) => value !== null && typeof value === "object", "an object"],
    taskQueue: [isQueue, "a TaskQueue object"],
    niceIncrement: [atLeast(0), "a non-negative integer on Unix systems"],
    trackUnmanagedFds: [isFlag, "a boolean value"],
    closeTimeout: [atLeast(0), "a non-negative integer"],
  };
  for (const [name, [isRight, what]] of Object.entries(rules)) {
    if (options[name] !== undefined && !isRight(options[name])) {
      throw new TypeError(`options.${name} must be ${what}`);
    }
  }
  if (options.minThreads > options.maxThreads) {
    throw new RangeError("options.minThreads and options.maxThreads must not conflict");
  }
}

/** What piscina says about wrong options of `run`. */
function checkRun(options) {
  if (options === null || typeof options !== "object") {
    throw new TypeError("options must be an object");
  }
  const { filename, name, signal, transferList } = options;
  if (transferList !== undefined && !Array.isArray(transferList)) {
    throw new TypeError("transferList argument must be an Array");
  }
  for (const [key, value] of Object.entries({ filename, name })) {
    if (typeof (value ?? "") !== "string") {
      throw new TypeError(`${key} argument must be a string`);
    }
  }
  if (typeof (signal ?? {}) !== "object") {
    throw new TypeError("signal argument must be an object");
  }
}
