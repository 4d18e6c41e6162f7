/**
 * The interface of workerpool 10, made of knitting-native: a program that uses `workerpool.pool()` runs on with this
 * file in its place, and the file shows what takes the place of what. docs/migrating.md has the same as a table.
 */
const { AsyncLocalStorage } = require("node:async_hooks");
const { cpus } = require("node:os");
const { createPool, isMain, PoolClosedError, WorkerCrashedError } = require("knitting-native");

/** Options that knitting-native has no counterpart for, unless their value is this one, which asks for nothing. */
const UNSUPPORTED = {
  emitStdStreams: false,
  maxQueueSize: Infinity,
  onCreateWorker: undefined,
  onTerminateWorker: undefined,
  queueStrategy: "fifo",
};

class Pool {
  /** Made by the first `exec`. */
  #pool;
  /** Resolves when there is a worker that serves. */
  #isReady;

  constructor(script, options = {}) {
    [this.script, this.options] = typeof script === "string" ? [script, options] : [undefined, script ?? {}];
    const { maxWorkers = Math.max(1, cpus().length - 1), minWorkers = 0 } = this.options;
    this.maxWorkers = checkCount("maxWorkers", maxWorkers, 1);
    this.minWorkers = minWorkers === "max" ? maxWorkers : checkCount("minWorkers", minWorkers, 0);
    this.maxWorkers = Math.max(this.minWorkers, this.maxWorkers);
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
    refuse({ transfer }, { transfer: undefined });
    const { call } = this.#started();
    return new CancelablePromise((resolve, reject, signal) => {
      const answer = call.execute([method, params ?? []], { signal });
      if (on !== undefined) {
        answer.on("progress", on);
      }
      answer.catch((error) => Promise.reject(asWorkerpool(error, this.script))).then(resolve, reject);
    }, this.#isReady);
  }

  async proxy() {
    const methods = await this.exec("methods");
    return Object.fromEntries(methods.map((name) => [name, (...params) => this.exec(name, params)]));
  }

  /** Lets the calls in flight finish, unless `force` is set. */
  terminate(force = false, timeout = Infinity) {
    const pool = this.#pool;
    return CancelablePromise.resolve(pool?.shutdown(force ? 0 : timeout));
  }

  /** The workers: an array of `WorkerInfo`. */
  get workers() {
    return this.#pool?.workers.filter(({ state }) => state !== "closed") ?? [];
  }

  #started() {
    if (this.#pool === undefined) {
      refuse(this.options, UNSUPPORTED);
      const inProcess = this.options.workerType === "process";
      const { env, execArgv, resourceLimits, cwd } = inProcess
        ? known("forkOpts", this.options.forkOpts, ["env", "execArgv", "cwd"])
        : known("workerThreadOpts", this.options.workerThreadOpts, ["env", "execArgv", "resourceLimits"]);
      this.#pool = createPool({
        threads: this.maxWorkers,
        balancer: "firstIdle",
        workerExecArgv: execArgv,
        permission: "unsafe",
        worker: {
          ...(inProcess && { runtime: "process", processRuntime: "node", cwd }),
          env,
          resourceLimits,
          // The script says by `workerpool.worker({ ... })` which methods it has.
          bootstrap: { href: __filename, name: "load", data: { script: this.script } },
        },
      })({ execute });
      this.#isReady = new Promise((resolve) => this.#pool.once("ready", resolve));
    }
    return this.#pool;
  }
}

/** `cancel` and `timeout` reject the promise that `exec` has returned. The task itself runs on. */
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

/** A result or argument and what would be moved with it. Values are copied. */
class Transfer {
  constructor(message, transfer) {
    Object.assign(this, { message, transfer });
  }
}

/** In a worker, the toolkit of the call that runs. */
const current = new AsyncLocalStorage();

/** What a worker can do, by name. */
const methods = {
  run: (source, params) => new Function(`return (${source}).apply(this, arguments);`)(...(params ?? [])),
  methods: () => Object.keys(methods),
};

/** Runs in each worker before its first call. */
async function load({ script }) {
  if (script !== undefined) {
    await import(script);
  }
}

/** The one task. */
async function execute([name, params], toolkit) {
  const method = Object.hasOwn(methods, name) ? methods[name] : undefined;
  if (method === undefined) {
    throw new Error(`Unknown method "${name}"`);
  }
  const result = await current.run(toolkit, () => method(...params));
  return result instanceof Transfer ? result.message : result;
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

/** An option that would be without effect is an error. */
function refuse(options, unsupported) {
  for (const [name, nothing] of Object.entries(unsupported)) {
    if (options[name] !== undefined && options[name] !== nothing) {
      throw new Error(`knitting-native has no counterpart for workerpool's "${name}"`);
    }
  }
}

module.exports = {
  pool: (script, options) => new Pool(script, options),
  worker: (own, { onTerminate } = {}) => {
    refuse({ onTerminate }, { onTerminate: undefined });
    Object.assign(methods, own);
  },
  workerEmit: (payload) =>
    current.getStore()?.progress(payload instanceof Transfer ? payload.message : payload),
  Promise: Object.assign(CancelablePromise, { CancellationError, TimeoutError }),
  Pool,
  Transfer,
  TerminateError,
  platform: "node",
  isMainThread: isMain,
  cpus: cpus().length,
  load,
  execute,
};
