/**
 * One call as its caller sees it, from `pool.call` until it has settled. A call doesn't know where it runs: each engine
 * extends this class with what it has to remember of a call.
 */
import { queueMicrotask } from "../base/clock";
import { TaskTimeoutError } from "../base/errors";
import type { Source } from "../stream/protocol";
import type { StreamReceiver } from "../stream/receiver";
import { StreamSender } from "../stream/sender";
import { ReadStream } from "../stream/task-stream";
import type { TimeLimit } from "../task/time-limit";

export class Call {
  /** The argument while the engine has not sent it: as the caller gave it, or in the engine's own form. */
  argument: unknown = undefined;
  /** Nobody waits for the call any more, because its time was over or because it was aborted. */
  cancelled = false;
  /** The argument, if it is a stream. */
  argumentStream: StreamSender | undefined = undefined;
  /** The result, if it is a stream. */
  resultStream: StreamReceiver | undefined = undefined;
  /** Resolves the call's promise. Not used any more once the call has a stream as its result. */
  fulfil!: (value: unknown) => void;
  fail!: (error: unknown) => void;
  #listeners: ((value: unknown) => void)[] | undefined = undefined;
  #endings: (() => void)[] | undefined = undefined;

  constructor(
    readonly task: number,
    readonly limit: TimeLimit | undefined,
  ) {}

  /** Ends the call. `value` is its result, or what its stream returns. */
  resolve(value: unknown): void {
    this.fulfil(value);
    this.#end();
  }

  /** Ends the call because of `error`. */
  reject(error: unknown): void {
    this.fail(error);
    this.#end();
  }

  /** Calls `ending` when the call is over. */
  whenOver(ending: () => void): void {
    this.#endings ??= [];
    this.#endings.push(ending);
  }

  /** Records that the argument is a stream. From now on the stream belongs to the call, which ends it in any case. */
  streamArgument(source: Source): void {
    const sender = new StreamSender(source);
    this.argumentStream = sender;
    this.whenOver(() => sender.stop());
  }

  /** Whether a stream of the call has begun. If so, the call can't be started again, whatever its worker reports. */
  get hasStreamed(): boolean {
    return this.resultStream !== undefined || this.argumentStream?.hasBegun === true;
  }

  /**
   * Whether the worker has work to do for the call. It has none while nobody waits for an item of the result, or
   * while the worker itself waits for an item of the argument.
   */
  get isOwed(): boolean {
    return this.resultStream?.isAwaited !== false && this.argumentStream?.isPulling !== true;
  }

  /** Calls `listener` with each progress value that the task emits while it runs. */
  onProgress(listener: (value: unknown) => void): void {
    this.#listeners ??= [];
    this.#listeners.push(listener);
  }

  /**
   * Passes a progress value of the task to the listeners. An error that a listener throws doesn't affect the lane.
   */
  emitProgress(value: unknown): void {
    if (this.#listeners !== undefined && !this.cancelled) {
      for (const listener of this.#listeners) {
        queueMicrotask(() => listener(value));
      }
    }
  }

  /**
   * Records that the result is a stream. From now on nothing refers to the promise, so that promise and stream can be
   * collected.
   */
  openResultStream(stream: StreamReceiver): void {
    this.resultStream = stream;
    if (this.cancelled) {
      stream.abandon();
      return;
    }
    this.fulfil(new ReadStream(stream));
    this.fulfil = stream.finish;
    this.fail = stream.fail;
  }

  /** Ends the call as its time limit says, because its time is over. */
  expire(): void {
    const outcome = this.limit?.outcome;
    this.cancel(() => {
      if (outcome === undefined) {
        this.reject(new TaskTimeoutError());
      } else if ("resolve" in outcome) {
        this.resolve(outcome.resolve);
      } else {
        this.reject(outcome.reject);
      }
    });
  }

  /** Settles the call now, whatever its task does. */
  cancel(settle: () => void): void {
    if (!this.cancelled) {
      this.cancelled = true;
      this.resultStream?.discard();
      settle();
      this.onCancelled();
    }
  }

  /** Overridden by the engine, which tells the worker that nobody waits for the call any more. */
  protected onCancelled(): void {}

  #end(): void {
    if (this.#endings !== undefined) {
      const endings = this.#endings;
      this.#endings = undefined;
      for (const ending of endings) {
        ending();
      }
    }
  }
}
