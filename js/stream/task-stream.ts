/** A stream as it is read, on the host and in a task. */
import type { StreamReceiver } from "./receiver";

/**
 * What a task yields, one after the other: an async iterator with back-pressure. The worker is a bounded number of items
 * ahead. A stream is read once.
 */
export interface TaskStream<Item = unknown, Return = unknown> extends AsyncIterator<Item, Return, undefined> {
  /**
   * The next item, or the generator's return value as `{ done: true, value }`. Rejects with what the generator throws, and with
   * what a call rejects with: `WorkerCrashedError`, `PoolClosedError`, `TaskTimeoutError`, the reason of an abort. What has
   * arrived before a worker's end is handed out first.
   */
  next(): Promise<IteratorResult<Item, Return>>;
  /**
   * Ends the stream early, as `break` in a `for await` does: the task's generator returns, and its `finally` runs. Resolves
   * after that; rejects with what the `finally` throws, or if the worker dies of it.
   */
  return(value?: Return): Promise<IteratorResult<Item, Return>>;
  /** Ends the stream early, as `return` does, and rejects with `error` after that. The generator does not get to see it. */
  throw(error?: unknown): Promise<IteratorResult<Item, Return>>;
  /** Itself. */
  [Symbol.asyncIterator](): this;
  /** Ends the stream early, at the end of an `await using` block. */
  [Symbol.asyncDispose](): Promise<void>;
}

/** Streams that nobody can read any more. */
const abandoned = new FinalizationRegistry<StreamReceiver>((receiver) => receiver.abandon());

/** @internal */
export class ReadStream implements TaskStream {
  readonly #receiver: StreamReceiver;

  constructor(receiver: StreamReceiver) {
    this.#receiver = receiver;
    abandoned.register(this, receiver);
  }

  next(): Promise<IteratorResult<unknown, unknown>> {
    return this.#receiver.next(this);
  }

  return(value?: unknown): Promise<IteratorResult<unknown, unknown>> {
    return this.#receiver.return(this, value);
  }

  async throw(error?: unknown): Promise<IteratorResult<unknown, unknown>> {
    await this.#receiver.return(this, undefined);
    throw error;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#receiver.return(this, undefined);
  }
}
