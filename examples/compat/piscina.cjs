/**
 * The interface of piscina 4, made of knitting-native: a program that uses `Piscina` runs on with this file in its
 * place, and the file shows what takes the place of what. docs/migrating.md has the same as a table.
 */
const { EventEmitter } = require("node:events");
const { availableParallelism } = require("node:os");
const { createHistogram, performance } = require("node:perf_hooks");
const { pathToFileURL } = require("node:url");
const { createPool, importTask, isMain, PoolClosedError } = require("knitting-native");

/** Options that knitting-native has no counterpart for, unless their value is this one, which asks for nothing. */
const UNSUPPORTED = { niceIncrement: 0, taskQueue: undefined };

/** In a worker, `workerData` of its pool. */
let data;

class Piscina extends EventEmitter {
  /** Undefined after `destroy()` or `close()`, until the next `run()`. */
  #pool;
  /** For each call that has not settled, in their order, what gives it up. */
  #pending = new Set();
  #isClosing = false;
  #needsDrain = false;
  #completed = 0;
  #runTime;
  #waitTime;
  #startedAt = performance.now();

  constructor(options = {}) {
    super();
    check(options);
    refuse(options, UNSUPPORTED);
    this.options = { ...defaultsOf(options), ...options };
    if (options.maxQueue === "auto") {
      this.options.maxQueue = this.options.maxThreads ** 2;
    }
    if (this.options.recordTiming) {
      [this.#runTime, this.#waitTime] = [createHistogram(), createHistogram()];
    }
    this.#pool = this.#start();
  }

  async run(value, options = {}) {
    checkRun(options);
    const { filename, name, signal, transferList = [] } = options;
    const { concurrentTasksPerWorker } = this.options;
    const href = hrefOf(filename ?? this.options.filename);
    if (this.#isClosing) {
      throw new AbortError("queue is closing up");
    }
    if (signal?.aborted) {
      throw new AbortError(signal.reason);
    }
    this.#checkQueue();
    const controller = new AbortController();
    const release = listenTo(signal, () => controller.abort(new AbortError(signal.reason)));
    this.#pending.add(controller);
    const [argument, moved] = isMovable(value) ? [value[VALUE], [value[TRANSFERABLE]].flat()] : [value, []];
    try {
      this.#pool ??= this.#start();
      const call = this.#pool.call.runTask([href, name ?? this.options.name, argument], {
        signal: controller.signal,
        // A worker that has other calls is not ended for one of them.
        kill: concurrentTasksPerWorker === 1 ? true : undefined,
        transfer: [...transferList, ...moved],
      });
      this.#time(call);
      this.#watchCapacity();
      return await call;
    } catch (error) {
      throw error instanceof PoolClosedError
        ? new Error("Terminating worker thread", { cause: error })
        : error;
    } finally {
      release();
      this.#completed++;
      this.#pending.delete(controller);
      this.#watchCapacity();
    }
  }

  /** Throws if a call would have to wait, and too many do. */
  #checkQueue() {
    const { maxQueue } = this.options;
    if (this.#pending.size >= this.#capacity + maxQueue) {
      throw new Error(
        maxQueue === 0 ? "No task queue available and all Workers are busy" : "Task queue is at limit",
      );
    }
  }

  /** The number of calls that all workers together can run. */
  get #capacity() {
    return Math.floor(this.options.maxThreads) * this.options.concurrentTasksPerWorker;
  }

  #watchCapacity() {
    const isFull = this.#pending.size >= this.#capacity;
    if (isFull !== this.#needsDrain) {
      this.#needsDrain = isFull;
      this.emit(isFull ? "needsDrain" : "drain");
    }
  }

  /** The task tells when it starts. */
  #time(call) {
    if (this.options.recordTiming) {
      const created = performance.now();
      let started;
      call.on("progress", () => {
        started = performance.now();
        record(this.#waitTime, started - created);
      });
      const end = () => started !== undefined && record(this.#runTime, performance.now() - started);
      call.then(end, end);
    }
  }

  /** Lets the calls in flight finish, for `closeTimeout` milliseconds; with `force` only those that have a worker. */
  async close({ force = false } = {}) {
    this.#isClosing = true;
    if (force) {
      for (const controller of this.#waiting) {
        controller.abort(new AbortError("pool is closed"));
      }
    }
    const { cut } = await this.#shutDown(this.options.closeTimeout);
    if (cut > 0) {
      this.emit("error", new Error("Close operation timed out"));
    }
    this.#isClosing = false;
    this.emit("close");
  }

  /** Ends the workers, whatever they do. */
  async destroy() {
    await this.#shutDown(0);
  }

  async #shutDown(delayMs) {
    const pool = this.#pool;
    this.#pool = undefined;
    return (await pool?.shutdown(delayMs)) ?? { cut: 0 };
  }

  /** The workers: an array of `WorkerInfo`. */
  get threads() {
    return this.#pool?.workers ?? [];
  }

  get minThreads() {
    return this.options.minThreads;
  }

  get maxThreads() {
    return this.options.maxThreads;
  }

  /** Number of calls for which there is no worker. `pool.stats().queueDepth` counts those too whose worker boots. */
  get queueSize() {
    return this.#waiting.length;
  }

  get #waiting() {
    return [...this.#pending].slice(this.threads.length * this.options.concurrentTasksPerWorker);
  }

  get needsDrain() {
    return this.#needsDrain;
  }

  get completed() {
    return this.#completed;
  }

  /** Milliseconds since the pool was made. */
  get duration() {
    return performance.now() - this.#startedAt;
  }

  /** How much of the time that all threads had was used by tasks, from 0 to 1. */
  get utilization() {
    const { mean = 0, count = 0 } = this.#runTime ?? {};
    return count === 0 ? 0 : (mean * count) / MICROS / (this.duration * this.maxThreads);
  }

  get runTime() {
    return summaryOf(this.#runTime);
  }

  get waitTime() {
    return summaryOf(this.#waitTime);
  }

  #start() {
    const { minThreads, maxThreads, idleTimeout, concurrentTasksPerWorker } = this.options;
    const { env, resourceLimits, argv, execArgv, workerData } = this.options;
    const pool = createPool({
      concurrency: concurrentTasksPerWorker,
      balancer: "firstIdle",
      workerPoolConfig: {
        minWorkers: minThreads,
        maxWorkers: Math.floor(maxThreads),
        // Their default is 0. Ours is 30 seconds, because a worker that is ended has to be started again.
        idleTimeout:
          idleTimeout === undefined ? undefined : Math.min(Math.max(idleTimeout, 1), LONGEST_TIMER),
      },
      workerExecArgv: execArgv ?? process.execArgv,
      permission: "unsafe",
      worker: {
        env,
        argv,
        resourceLimits,
        bootstrap: { href: __filename, name: "setUp", data: { workerData } },
      },
    })({ runTask: importTask({ href: __filename, name: "runTask" }) });
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
    return data;
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

  static transferableSymbol = Symbol.for("Piscina.transferable");
  static valueSymbol = Symbol.for("Piscina.valueOf");
  static queueOptionsSymbol = Symbol.for("Piscina.queueOptions");
}

const { transferableSymbol: TRANSFERABLE, valueSymbol: VALUE } = Piscina;
const MOVABLE = Symbol("Piscina.movable");
const PERCENTILES = [0.001, 0.01, 0.1, 1, 2.5, 10, 25, 50, 75, 90, 97.5, 99, 99.9, 99.99, 99.999];
const LONGEST_TIMER = 2 ** 31 - 1;
/** The unit of the histograms: microseconds in a millisecond. */
const MICROS = 1000;

module.exports = Object.assign(Piscina, { Piscina, isTransferable, isMovable, markMovable });

/** Runs in each worker before its first task. */
module.exports.setUp = ({ workerData }) => {
  data = workerData;
};

/** The one task of the pool: tells that it starts, and runs an export of a module. */
module.exports.runTask = async ([href, name, value], { progress }) => {
  progress();
  const module = await import(href);
  // What a CommonJS module exports is in its default export.
  const [direct, nested] = await Promise.all([module[name], module.default?.[name]]);
  const run = typeof direct === "function" ? direct : nested;
  if (typeof run !== "function") {
    throw new Error(`No handler function exported from ${href}`);
  }
  const result = await run(value);
  return isMovable(result)
    ? structuredClone(result[VALUE], { transfer: [result[TRANSFERABLE]].flat() })
    : result;
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

function record(histogram, millis) {
  histogram.record(Math.max(1, Math.round(millis * MICROS)));
}

/** A histogram in milliseconds. */
function summaryOf(histogram) {
  if (histogram === undefined) {
    return null;
  }
  const { mean, stddev, min, max } = histogram;
  const inMillis = Object.entries({ average: mean, mean, stddev, min, max }).map(([name, micros]) => [
    name,
    micros / MICROS,
  ]);
  const percentiles = PERCENTILES.map((percent) => [
    `p${percent}`.replace(".", "_"),
    histogram.percentile(percent) / MICROS,
  ]);
  return Object.fromEntries([...inMillis, ...percentiles]);
}

function defaultsOf({ minThreads, maxThreads }) {
  const cores = availableParallelism();
  return {
    filename: null,
    name: "default",
    minThreads: Math.min(Math.max(1, Math.floor(cores / 2)), maxThreads ?? Infinity),
    maxThreads: Math.max(cores * 1.5, minThreads ?? 0),
    maxQueue: Infinity,
    concurrentTasksPerWorker: 1,
    recordTiming: true,
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
