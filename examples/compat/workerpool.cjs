/**
 * The interface of workerpool 10, made of knitting-native: a program that uses `workerpool.pool()` runs on with this
 * file in its place, and the file shows what takes the place of what. docs/migrating.md has the same as a table.
 */
const { AsyncLocalStorage } = require("node:async_hooks");
const { cpus } = require("node:os");
const { createPool, importTask, isMain, PoolClosedError, WorkerCrashedError } = require("knitting-native");

const LONGEST_TIMER = 2 ** 31 - 1;
/** As many calls of tasks with `abortSignal` as can be. */
const MOST_ABORTABLE = 65_536;

class Pool {
  /** Made by the first `exec`, or at once if there are workers to keep. */
  #pool;
  /** The calls that have not settled, in their order. */
  #pending = new Set();
  /** Those of them that a worker has begun. */
  #begun = new Set();
  #calls = 0;

  constructor(script, options = {}) {
    [this.script, this.options] = typeof script === "string" ? [script, options] : [undefined, script ?? {}];
    const {
      maxWorkers = Math.max(1, cpus().length - 1),
      minWorkers = 0,
      queueStrategy = "fifo",
    } = this.options;
    this.maxWorkers = checkCount("maxWorkers", maxWorkers, 1);
    this.minWorkers = minWorkers === "max" ? maxWorkers : checkCount("minWorkers", minWorkers, 0);
    this.maxWorkers = Math.max(this.minWorkers, this.maxWorkers);
    if (queueStrategy !== "fifo" && queueStrategy !== "lifo") {
      throw new Error(
        'knitting-native has no counterpart for a queue of your own as workerpool\'s "queueStrategy"',
      );
    }
    if (this.minWorkers > 0) {
      this.#started();
    }
  }

  /** A function goes as its source, so it sees nothing of the module that it was written in. */
  exec(method, params = [], { on, transfer } = {}) {
    if (!Array.isArray(params ?? [])) {
      throw new TypeError('Array expected as argument "params"');
    }
    if (typeof method === "function") {
      return this.exec("run", [String(method), params], { on, transfer });
    }
    if (typeof method !== "string") {
      throw new TypeError('Function or string expected as argument "method"');
    }
    const { call } = this.#started();
    const { maxQueueSize = Infinity, queueStrategy, workerTerminateTimeout = 1000 } = this.options;
    if (this.#pending.size >= this.maxWorkers + maxQueueSize) {
      throw new Error(`Max queue size of ${maxQueueSize} reached`);
    }
    const answer = call.execute([method, params ?? []], {
      transfer,
      // Of the calls that wait, the one with the lowest number goes first.
      priority: queueStrategy === "lifo" ? -this.#calls++ : undefined,
    });
    this.#pending.add(answer);
    const settle = () => {
      this.#pending.delete(answer);
      this.#begun.delete(answer);
    };
    answer.then(settle, settle);
    const hasStarted = new Promise((resolve) => {
      const begin = () => {
        this.#begun.add(answer);
        resolve();
      };
      answer.on("progress", ({ event }) => (event === undefined ? begin() : on?.(event[0])));
    });
    return new CancelablePromise((resolve, reject, signal) => {
      answer.catch((error) => Promise.reject(asWorkerpool(error, this.script))).then(resolve, reject);
      signal.addEventListener("abort", () => this.#stop(answer, signal.reason, workerTerminateTimeout));
    }, hasStarted);
  }

  /** Asks a task to stop, and ends its worker if it doesn't in time. */
  #stop(answer, reason, graceMs) {
    answer.reject(reason);
    const timer = setTimeout(() => answer.kill(), graceMs);
    const clear = () => clearTimeout(timer);
    answer.then(clear, clear);
  }

  async proxy() {
    const methods = await this.exec("methods");
    return Object.fromEntries(methods.map((name) => [name, (...params) => this.exec(name, params)]));
  }

  /** Gives up the calls that wait, and lets those finish that have a worker, unless `force` is set. */
  terminate(force = false, timeout = Infinity) {
    for (const answer of this.#waiting) {
      answer.reject(new Error("Pool terminated"));
    }
    const pool = this.#pool;
    return CancelablePromise.resolve(pool?.shutdown(force ? 0 : timeout));
  }

  /** The workers. */
  get workers() {
    const workers = this.#pool?.workers.filter(({ state }) => state !== "closed") ?? [];
    return workers.map((info) => ({
      worker: {
        isWorkerThread: info.runtime === "thread",
        isChildProcess: info.runtime !== "thread",
        pid: info.pid,
        kill: () => this.#pool.kill(info),
      },
    }));
  }

  /** The calls for which there is no worker. `pool.stats().queueDepth` counts those too whose worker boots. */
  get #waiting() {
    const others = [...this.#pending].filter((answer) => !this.#begun.has(answer));
    return others.slice(Math.max(0, this.workers.length - this.#begun.size));
  }

  get taskQueue() {
    return { size: () => this.#waiting.length };
  }

  stats() {
    const totalWorkers = this.workers.length;
    const busyWorkers = Math.min(totalWorkers, this.#pending.size);
    return {
      totalWorkers,
      busyWorkers,
      idleWorkers: totalWorkers - busyWorkers,
      pendingTasks: this.#pending.size - busyWorkers,
      activeTasks: busyWorkers,
    };
  }

  #started() {
    this.#pool ??= this.#start();
    return this.#pool;
  }

  #start() {
    const { workerType, emitStdStreams, workerTerminateTimeout = 1000 } = this.options;
    const inProcess = workerType === "process";
    const { env, execArgv, resourceLimits, cwd } = inProcess
      ? known("forkOpts", this.options.forkOpts, ["env", "execArgv", "cwd"])
      : known("workerThreadOpts", this.options.workerThreadOpts, ["env", "execArgv", "resourceLimits"]);
    const pool = createPool({
      concurrency: 1,
      balancer: "firstIdle",
      // workerpool keeps each worker that it has started.
      workerPoolConfig: {
        minWorkers: this.minWorkers,
        maxWorkers: this.maxWorkers,
        idleTimeout: LONGEST_TIMER,
        gracefulShutdownTimeout: workerTerminateTimeout,
      },
      abortSignalCapacity: MOST_ABORTABLE,
      workerExecArgv: execArgv,
      permission: "unsafe",
      worker: {
        ...(inProcess && { runtime: "process", processRuntime: "node", cwd }),
        env,
        resourceLimits,
        // The script says by `workerpool.worker({ ... })` which methods it has.
        bootstrap: { href: __filename, name: "load", data: { script: this.script, emitStdStreams } },
        teardown: { href: __filename, name: "end" },
      },
    })({
      execute: importTask({ href: __filename, name: "execute", abortSignal: { hasAborted: true } }),
    });
    const { onCreateWorker, onTerminateWorker } = this.options;
    if (onCreateWorker !== undefined) {
      pool.on("spawn", () => refuseChoice(onCreateWorker({ script: this.script })));
    }
    if (onTerminateWorker !== undefined) {
      pool.on("exit", () => onTerminateWorker({ script: this.script }));
    }
    return pool;
  }
}

/** `cancel` and `timeout` reject the promise that `exec` has returned, and have its task stop. */
class CancelablePromise extends Promise {
  #parent;
  #since;
  #abort;

  /** Time limits count from the moment in which `since` resolves. */
  constructor(executor, since = Promise.resolve()) {
    const controller = new AbortController();
    super((resolve, reject) => {
      executor(resolve, reject, controller.signal);
      controller.signal.addEventListener("abort", () => reject(controller.signal.reason));
    });
    this.#since = since;
    this.#abort = (error) => controller.abort(error);
  }

  // biome-ignore lint/suspicious/noThenProperty: it is a promise
  then(onResolved, onRejected) {
    const next = super.then(onResolved, onRejected);
    next.#parent = this;
    return next;
  }

  always(listener) {
    return this.then(listener, listener);
  }

  cancel() {
    this.#first().#abort(new CancellationError("promise cancelled"));
    return this;
  }

  timeout(delay) {
    const first = this.#first();
    const error = new TimeoutError(`Promise timed out after ${delay} ms`);
    let isSettled = false;
    let timer;
    const settle = () => {
      isSettled = true;
      clearTimeout(timer);
    };
    first.then(settle, settle);
    first.#since.then(() => {
      if (!isSettled) {
        timer = setTimeout(() => first.#abort(error), delay);
      }
    });
    return this;
  }

  /** The promise at the start of the chain. */
  #first() {
    return this.#parent?.#first() ?? this;
  }
}

class CancellationError extends Error {
  name = "CancellationError";
}

class TimeoutError extends Error {
  name = "TimeoutError";
}

class TerminateError extends Error {
  name = "TerminateError";
}

/** A result or event, and the buffers that are moved with it. */
class Transfer {
  constructor(message, transfer) {
    Object.assign(this, { message, transfer });
  }
}

/** In a worker, the toolkit of the call that runs. */
const current = new AsyncLocalStorage();

/** What a worker can do, by name. */
const methods = {
  run(source, params) {
    return new Function(`return (${source}).apply(this, arguments);`).apply(this, params ?? []);
  },
  methods: () => Object.keys(methods),
};

/** What a worker does before it ends. */
let onTerminate;

/** Runs in each worker before its first call. */
async function load({ script, emitStdStreams }) {
  if (emitStdStreams) {
    for (const name of ["stdout", "stderr"]) {
      process[name].write = (chunk) => emit({ [name]: String(chunk) }) ?? true;
    }
  }
  if (script !== undefined) {
    await import(script);
  }
}

/** Runs in each worker that ends in order. */
async function end() {
  await onTerminate?.(0);
}

/** The one task. It tells when it starts, and then each event. */
async function execute([name, params], toolkit) {
  toolkit.progress({});
  const method = Object.hasOwn(methods, name) ? methods[name] : undefined;
  if (method === undefined) {
    throw new Error(`Unknown method "${name}"`);
  }
  const listeners = [];
  const worker = { addAbortListener: (listener) => listeners.push(listener), emit };
  const run = async () => withoutMoved(await method.apply({ worker }, params));
  const stopped = new Promise((resolve, reject) => {
    const stop = () => {
      // Without a listener the task goes on, and its worker is ended.
      if (listeners.length > 0) {
        Promise.all(listeners.map((listener) => listener())).then(resolve, reject);
      }
    };
    toolkit.signal.addEventListener("abort", () => current.run(toolkit, stop));
  });
  return await current.run(toolkit, () => Promise.race([run(), stopped]));
}

/** Sends an event of the call that runs. */
function emit(payload) {
  current.getStore()?.progress({ event: [withoutMoved(payload)] });
}

/** What is sent of a value. The buffers that are moved with it are detached. */
function withoutMoved(value) {
  return value instanceof Transfer ? structuredClone(value.message, { transfer: value.transfer }) : value;
}

/** The error that workerpool would have thrown. */
function asWorkerpool(error, script) {
  if (error instanceof PoolClosedError) {
    return new TerminateError("Worker terminated", { cause: error });
  }
  if (error instanceof WorkerCrashedError) {
    const { exitCode, signal } = error;
    const details = `exitCode: \`${exitCode}\`\n signalCode: \`${signal}\`\n workerpool.script: \`${script}\``;
    return new TerminateError(`Workerpool Worker terminated Unexpectedly\n ${details}`, { cause: error });
  }
  return error;
}

function checkCount(name, count, least) {
  if (!Number.isInteger(count) || count < least) {
    throw new TypeError(`Option ${name} must be an integer number >= ${least}`);
  }
  return count;
}

/** Options of a thread or process. Neither unknown ones nor those of a polluted prototype go unnoticed. */
function known(name, options = {}, names) {
  for (const key of new Set([...Object.keys(options), ...names])) {
    if (!names.includes(key)) {
      throw new Error(`Object "${name}" contains an unknown option "${key}"`);
    }
    if (key in options && !Object.hasOwn(options, key)) {
      throw new Error(`Object "${name}" contains an inherited option "${key}"`);
    }
  }
  return options;
}

/** All workers of a pool have the same options. */
function refuseChoice(options) {
  if (options !== undefined && options !== null) {
    throw new Error(
      'knitting-native has no counterpart for options that workerpool\'s "onCreateWorker" returns',
    );
  }
}

module.exports = {
  pool: (script, options) => new Pool(script, options),
  worker: (own, options = {}) => {
    Object.assign(methods, own);
    onTerminate = options.onTerminate;
  },
  workerEmit: emit,
  Promise: Object.assign(CancelablePromise, { CancellationError, TimeoutError }),
  Pool,
  Transfer,
  TerminateError,
  platform: "node",
  isMainThread: isMain,
  cpus: cpus().length,
  load,
  end,
  execute,
};
