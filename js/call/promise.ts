/** What a call returns: a promise that also tells of the task's progress, and can be read as a stream. */
import { InvalidOptionError } from "../base/errors";
import { describe } from "../base/validate";
import { ReadStream } from "../stream/task-stream";
import type { Call } from "./call";

/** The promise of a call. */
export interface CallPromise<Result, Progress = unknown> extends Promise<Result> {
  /**
   * Has `listener` called with each value that the task passes to `progress(value)` while it runs, in order and before the
   * promise settles. What was told before there was a listener is gone. Returns the promise.
   *
   * @example
   * const total = await pool.call.resize(files).on("progress", (done) => console.log(`${done} files`));
   */
  on(event: "progress", listener: (value: Progress) => void): this;
}

/** A constructor that makes nothing of its own, so that private members are added to what there is. */
class Given {
  constructor(value: object) {
    // biome-ignore lint/correctness/noConstructorReturn: that is its purpose
    return value;
  }
}

/** The call behind a promise, where no inspection shows it. */
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

/** A plain promise with two properties more. A class of promises of our own would make each call measurably slower. */
interface Equipped extends Promise<unknown> {
  on?: (event: unknown, listener: unknown) => Promise<unknown>;
  [Symbol.asyncIterator]?: () => AsyncIterator<unknown, unknown>;
}

/** The promise of a call. */
export function promiseOf(call: Call): Promise<unknown> {
  const promise: Equipped = new Promise((fulfil, fail) => {
    call.fulfil = fulfil;
    call.fail = fail;
  });
  new CallOf(promise, call);
  promise.on = on;
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

/** Iterates over the call's stream, which is not open yet. */
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
