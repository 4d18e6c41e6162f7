/**
 * One call as its caller sees it, from `pool.call` until it has settled. A call doesn't know where it runs: each engine
 * extends this class with what it has to remember of a call.
 */
import { currentScope } from "../base/async-scope";
import { queueMicrotask } from "../base/clock";
import { PoolClosedError, TaskTimeoutError, WorkerKilledError } from "../base/errors";
import type { Source } from "../stream/protocol";
import type { StreamReceiver } from "../stream/receiver";
import { StreamSender } from "../stream/sender";
import { ReadStream } from "../stream/task-stream";
import type { TimeLimit } from "../task/time-limit";

/** Why the worker of a call is to be ended, and when. */
export interface KillOrder {
  readonly reason: "timeout" | "abort";
  /** The reason as a clause, for messages. */
  readonly why: string;
  /** Milliseconds that the task has to settle before. */
  readonly graceMs: number;
}

/** What a call calls, and how it waits and ends. */
export interface CallPlan {
  /** Index of the task in the pool. */
  readonly task: number;
  /** The task's name in the pool. */
  readonly name: string;
  readonly limit: TimeLimit | undefined;
  /** `undefined`: the defaults. */
  readonly terms: CallTerms | undefined;
}

/** How a call waits, and which worker it gets. */
export interface CallTerms {
  /** Whether the argument is copied when the call is made, also if the call has to wait. */
  readonly copy: boolean;
  /** Calls with the same word go to the same worker while it lives. */
  readonly affinity: string | undefined;
  /** Waiting calls with a lower number go first. */
  readonly priority: number;
}

/** A call whose task keeps a partial result when the call is aborted. */
export interface PartialCall {
  /** Whether the task was asked to stop. The call then settles with what the task returns or throws. */
  isAsked: boolean;
  /** Why, for a task that turns out not to have begun. */
  reason: unknown;
}

/**
 * None of the fields is a `#` field: V8 needs about 12 ns more to make an object of a subclass if its base class has any,
 * and every call is such an object. What few calls have stands on the prototype until it is set.
 */
export class Call {
  /** What was called and how. Calls without options share it. */
  declare readonly plan: CallPlan;
  /** The argument while the engine has not sent it: as the caller gave it, or in the engine's own form. */
  declare argument: unknown;
  /** Nobody waits for the call any more, because its time was over or because it was aborted. */
  declare cancelled: boolean;
  /** Set if an abort leaves the call waiting for what its task then returns. */
  declare partial: PartialCall | undefined;
  /** The argument, if it is a stream. */
  declare argumentStream: StreamSender | undefined;
  /** The result, if it is a stream. */
  declare resultStream: StreamReceiver | undefined;
  /** Resolves the call's promise. Not used any more once the call has a stream as its result. */
  declare fulfil: (value: unknown) => void;
  declare fail: (error: unknown) => void;
  /** What the caller has, as long as it has not settled. */
  declare promise: Promise<unknown> | undefined;
  declare private listeners: ((value: unknown) => void)[] | undefined;
  declare private endings: ((isCutOff: boolean) => void)[] | undefined;

  constructor(plan: CallPlan) {
    this.plan = plan;
    this.argument = undefined;
  }

  /** Index of the task in the pool. */
  get task(): number {
    return this.plan.task;
  }

  /** The task's name in the pool. */
  get name(): string {
    return this.plan.name;
  }

  get limit(): TimeLimit | undefined {
    return this.plan.limit;
  }

  /** Ends the call. `value` is its result, or what its stream returns. */
  resolve(value: unknown): void {
    this.fulfil(value);
    this.end();
  }

  /** Ends the call because of `error`. */
  reject(error: unknown): void {
    this.fail(error);
    this.end();
  }

  /**
   * Ends the call because its pool is shut down. Whoever shuts a pool down knows that, so a rejection that nobody handles
   * is no error.
   */
  cutOff(): void {
    this.promise?.catch(() => {});
    this.fail(new PoolClosedError());
    this.end(true);
  }

  /** Calls `ending` when the call is over. `isCutOff`: because its pool was shut down. */
  whenOver(ending: (isCutOff: boolean) => void): void {
    this.endings ??= [];
    this.endings.push(ending);
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

  /** Calls `listener` with each progress value that the task emits while it runs, in the stores that hold now. */
  onProgress(listener: (value: unknown) => void): void {
    const scope = currentScope();
    this.listeners ??= [];
    this.listeners.push((value) => scope(listener, value));
  }

  /**
   * Passes a progress value of the task to the listeners, soon: a call can be answered while it is made, before anybody
   * can listen to it. An error that a listener throws affects neither the lane nor other listeners.
   */
  emitProgress(value: unknown): void {
    if (!this.cancelled) {
      queueMicrotask(() => {
        for (const listener of this.listeners ?? []) {
          try {
            listener(value);
          } catch (error) {
            queueMicrotask(() => {
              throw error;
            });
          }
        }
      });
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
    this.promise = undefined;
    this.fulfil = stream.finish;
    this.fail = stream.fail;
  }

  /** Whether the time limit can still end the call. */
  get isLimited(): boolean {
    const { limit, partial } = this;
    return limit !== undefined && !this.cancelled && (limit.kill || partial?.isAsked !== true);
  }

  /** Ends the call as its time limit says, because its time is over. */
  expire(): void {
    const { limit } = this;
    const outcome = limit?.outcome;
    if (limit?.kill !== true && this.askToStop(new TaskTimeoutError())) {
      return;
    }
    this.cancel(() => {
      if (outcome === undefined) {
        this.reject(new TaskTimeoutError());
      } else if ("resolve" in outcome) {
        this.resolve(outcome.resolve);
      } else {
        this.reject(outcome.reject);
      }
    });
    if (limit?.kill === true) {
      const why = `task "${this.name}" ran longer than its timeout of ${limit.millis} ms, which has kill: true`;
      this.onKill({ reason: "timeout", why, graceMs: limit.graceMs });
    }
  }

  /** Gives the call up because of `reason`, and ends the worker that runs it. */
  abortByKill(reason: unknown): void {
    this.kill(reason, `a call of task "${this.name}" was aborted by its signal, with kill: true`);
  }

  /** Ends the worker that runs the call. The call rejects with `reason`, by default with an error that says so. */
  kill(reason?: unknown, why = `kill() was called for a call of task "${this.name}"`): void {
    if (!this.cancelled) {
      const message = `the worker of task "${this.name}" was killed: ${why}`;
      this.cancel(() => this.reject(reason ?? new WorkerKilledError(message, "abort", this.name)));
      this.onKill({ reason: "abort", why, graceMs: 0 });
    }
  }

  /** Gives the call up because of `reason`. It rejects now, unless its task has begun and keeps a partial result. */
  abort(reason: unknown): void {
    if (!this.askToStop(reason)) {
      this.cancel(() => this.reject(reason));
    }
  }

  /** Asks the task to stop. Returns false if it has not begun, or if its call does not wait for a partial result. */
  private askToStop(reason: unknown): boolean {
    const { partial } = this;
    if (partial === undefined || this.cancelled) {
      return false;
    }
    if (!partial.isAsked && this.onStopAsked()) {
      partial.isAsked = true;
      partial.reason = reason;
    }
    return partial.isAsked;
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

  /** Overridden by the engine, which ends the worker that runs the call. The call has been given up before. */
  protected onKill(_order: KillOrder): void {}

  /** Overridden by the engine, which asks the task to stop. Returns false if the task has not begun. */
  protected onStopAsked(): boolean {
    return false;
  }

  private end(isCutOff = false): void {
    if (this.endings !== undefined) {
      const endings = this.endings;
      this.endings = undefined;
      for (const ending of endings) {
        ending(isCutOff);
      }
    }
  }
}

Object.assign(Call.prototype, {
  cancelled: false,
  partial: undefined,
  argumentStream: undefined,
  resultStream: undefined,
  listeners: undefined,
  endings: undefined,
});
