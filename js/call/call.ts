/**
 * One call as its caller sees it, from `pool.call` until it is over. It knows nothing of where it runs: an engine extends it by
 * what it has to remember of each call.
 */
import { queueMicrotask } from "../base/clock";
import { TaskTimeoutError } from "../base/errors";
import type { Source } from "../stream/protocol";
import type { StreamReceiver } from "../stream/receiver";
import { StreamSender } from "../stream/sender";
import { ReadStream } from "../stream/task-stream";
import type { TimeLimit } from "../task/time-limit";

export class Call {
  /** Its argument while its engine has not sent it: as the caller gave it, or as the engine keeps it. */
  argument: unknown = undefined;
  /** Nobody waits for it any more: its time was over, or it was aborted. */
  cancelled = false;
  /** Its argument, if that is a stream. */
  argumentStream: StreamSender | undefined = undefined;
  /** Its result, if that is a stream. */
  resultStream: StreamReceiver | undefined = undefined;
  /** What settles its promise, until that has a stream. */
  fulfil!: (value: unknown) => void;
  fail!: (error: unknown) => void;
  #listeners: ((value: unknown) => void)[] | undefined = undefined;
  #endings: (() => void)[] | undefined = undefined;

  constructor(
    readonly task: number,
    readonly limit: TimeLimit | undefined,
  ) {}

  /** It is over: `value` is its result, or what its stream returns. */
  resolve(value: unknown): void {
    this.fulfil(value);
    this.#end();
  }

  /** It is over, because of `error`. */
  reject(error: unknown): void {
    this.fail(error);
    this.#end();
  }

  /** Calls `ending` when it is over. */
  whenOver(ending: () => void): void {
    this.#endings ??= [];
    this.#endings.push(ending);
  }

  /** Its argument is a stream. From here on that belongs to the call, which ends it in any case. */
  streamArgument(source: Source): void {
    const sender = new StreamSender(source);
    this.argumentStream = sender;
    this.whenOver(() => sender.stop());
  }

  /** Whether its streams have begun, whatever its worker says: it can't be begun again. */
  get hasStreamed(): boolean {
    return this.resultStream !== undefined || this.argumentStream?.hasBegun === true;
  }

  /**
   * Whether its worker has something to do for it. It has not while nobody waits for an item of its result, nor while it waits
   * itself for an item of the argument.
   */
  get isOwed(): boolean {
    return this.resultStream?.isAwaited !== false && this.argumentStream?.isPulling !== true;
  }

  /** Calls `listener` with each value of progress that the task emits while it runs. */
  onProgress(listener: (value: unknown) => void): void {
    this.#listeners ??= [];
    this.#listeners.push(listener);
  }

  /** Its task has emitted progress. An error that a listener throws does no harm to the lane. */
  emitProgress(value: unknown): void {
    if (this.#listeners !== undefined && !this.cancelled) {
      for (const listener of this.#listeners) {
        queueMicrotask(() => listener(value));
      }
    }
  }

  /** Its result turns out to be a stream. From here on nothing leads back to the promise, so that both can be collected. */
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

  /** Its time is over: it ends as its limit says. */
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

  /** Settles it now, whatever its task does. */
  cancel(settle: () => void): void {
    if (!this.cancelled) {
      this.cancelled = true;
      this.resultStream?.discard();
      settle();
      this.onCancelled();
    }
  }

  /** For its engine, which tells what runs the task that nobody waits for it any more. */
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
