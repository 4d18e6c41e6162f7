/** A stream as its reader sees it, in the host and in a task. */
import type { StreamReceiver } from "./receiver";

/**
 * The items that a task yields, in order: an async iterator with back-pressure. The worker runs ahead by a bounded
 * number of items. A stream can be read once.
 */
export interface TaskStream<Item = unknown, Return = unknown> extends AsyncIterator<Item, Return, undefined> {
  /**
   * Resolves with the next item, or with the generator's return value as `{ done: true, value }`. Rejects with the
   * error that the generator throws, or with an error that a call rejects with: `WorkerCrashedError`,
   * `PoolClosedError`, `TaskTimeoutError`, the reason of an abort. Items that arrived before the worker's end are
   * delivered first.
   */
  next(): Promise<IteratorResult<Item, Return>>;
  /**
   * Ends the stream early, as `break` in a `for await` loop does: the task's generator returns, and its `finally`
   * blocks run. Resolves after that. Rejects with the error that a `finally` block throws, or if the worker dies in
   * it.
   */
  return(value?: Return): Promise<IteratorResult<Item, Return>>;
  /**
   * Ends the stream early, as `return` does, and then rejects with `error`. The generator doesn't receive the error.
   */
  throw(error?: unknown): Promise<IteratorResult<Item, Return>>;
  /** Returns the stream itself. */
  [Symbol.asyncIterator](): this;
  /** Ends the stream early, at the end of an `await using` block. */
  [Symbol.asyncDispose](): Promise<void>;
}

/** Abandons streams whose reader was garbage-collected. */
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
