/** What a call returns: a promise with progress events, which can also be read as a stream. */
import { InvalidOptionError } from "../base/errors";
import { describe } from "../base/validate";
import { ReadStream } from "../stream/task-stream";
import type { Call } from "./call";

/** The promise of a call. */
export interface CallPromise<Result, Progress = unknown> extends Promise<Result> {
  /**
   * Calls `listener` with each value that the task passes to `progress(value)` while it runs, in order, and before
   * the promise settles. Values that were emitted before the first listener was added are lost. Returns the promise.
   *
   * @example
   * const total = await pool.call.resize(files).on("progress", (done) => console.log(`${done} files`));
   */
  on(event: "progress", listener: (value: Progress) => void): this;
  /**
   * Ends the call's worker, whatever it runs. The call rejects with `WorkerKilledError`, `reason` `"abort"`, and so do
   * other calls that the worker had begun. A call that was not begun is never sent, and no worker ends.
   */
  kill(): void;
}

/** A constructor that returns an existing object, so that a subclass adds its private members to that object. */
class Given {
  constructor(value: object) {
    // biome-ignore lint/correctness/noConstructorReturn: that is its purpose
    return value;
  }
}

/** Stores the call of a promise in a private member, which no inspection shows. */
class CallOf extends Given {
  readonly #call: Call;

  constructor(promise: Promise<unknown>, call: Call) {
    super(promise);
    this.#call = call;
  }

  static get(promise: object): Call {
    return (promise as CallOf).#call;
  }
}

/** A plain promise with two additional properties. A subclass of Promise would make each call measurably slower. */
interface Equipped extends Promise<unknown> {
  on?: (event: unknown, listener: unknown) => Promise<unknown>;
  kill?: () => void;
  [Symbol.asyncIterator]?: () => AsyncIterator<unknown, unknown>;
}

/** Creates the promise of a call. */
export function promiseOf(call: Call): Promise<unknown> {
  const promise: Equipped = new Promise((fulfil, fail) => {
    call.fulfil = fulfil;
    call.fail = fail;
  });
  call.promise = promise;
  new CallOf(promise, call);
  promise.on = on;
  promise.kill = kill;
  promise[Symbol.asyncIterator] = iterate;
  return promise;
}

function on(this: Promise<unknown>, event: unknown, listener: unknown): Promise<unknown> {
  if (event !== "progress") {
    throw new InvalidOptionError(`call.on: "event" is ${describe(event)}, it must be "progress"`);
  }
  if (typeof listener !== "function") {
    throw new InvalidOptionError(`call.on: "listener" is ${describe(listener)}, it must be a function`);
  }
  CallOf.get(this).onProgress(listener as (value: unknown) => void);
  return this;
}

function kill(this: Promise<unknown>): void {
  CallOf.get(this).kill();
}

/** Iterates over the call's stream, which need not be open yet. */
function iterate(this: Promise<unknown>): AsyncIterator<unknown, unknown> {
  let stream: ReadStream | undefined;
  const opened = async () => {
    const result = await this;
    if (!(result instanceof ReadStream)) {
      throw new TypeError(
        `the call has no stream to iterate over: its task has returned ${describe(result)}, not an async iterable`,
      );
    }
    stream = result;
    return result;
  };
  return {
    next: async () => (stream ?? (await opened())).next(),
    return: async (value) => (stream ?? (await opened())).return(value),
    throw: async (error) => (stream ?? (await opened())).throw(error),
  };
}
