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

/**
 * Its fields are declared and assigned by the constructor, none is private: V8 takes longer to make an object of a class whose base
 * has fields of the other kinds (12 ns, as measured for the codec), and each call is one.
 */
export class Call {
  declare readonly task: number;
  declare readonly limit: TimeLimit | undefined;
  /** Its argument while its engine has not sent it: as the caller gave it, or as the engine keeps it. */
  declare argument: unknown;
  /** Nobody waits for it any more: its time was over, or it was aborted. */
  declare cancelled: boolean;
  /** Its argument, if that is a stream. */
  declare argumentStream: StreamSender | undefined;
  /** Its result, if that is a stream. */
  declare resultStream: StreamReceiver | undefined;
  /** What settles its promise, until that has a stream. */
  declare fulfil: (value: unknown) => void;
  declare fail: (error: unknown) => void;
  declare private listeners: ((value: unknown) => void)[] | undefined;
  declare private endings: (() => void)[] | undefined;

  constructor(task: number, limit: TimeLimit | undefined) {
    this.task = task;
    this.limit = limit;
    this.argument = undefined;
    this.cancelled = false;
    this.argumentStream = undefined;
    this.resultStream = undefined;
    this.listeners = undefined;
    this.endings = undefined;
  }

  /** It is over: `value` is its result, or what its stream returns. */
  resolve(value: unknown): void {
    this.fulfil(value);
    this.end();
  }

  /** It is over, because of `error`. */
  reject(error: unknown): void {
    this.fail(error);
    this.end();
  }

  /** Calls `ending` when it is over. */
  whenOver(ending: () => void): void {
    this.endings ??= [];
    this.endings.push(ending);
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
    this.listeners ??= [];
    this.listeners.push(listener);
  }

  /** Its task has emitted progress. An error that a listener throws does no harm to the lane. */
  emitProgress(value: unknown): void {
    if (this.listeners !== undefined && !this.cancelled) {
      for (const listener of this.listeners) {
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

  private end(): void {
    if (this.endings !== undefined) {
      const endings = this.endings;
      this.endings = undefined;
      for (const ending of endings) {
        ending();
      }
    }
  }
}
