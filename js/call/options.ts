/** The options of one call: a time limit, and the ways to abort it. */
import { AbortCapacityError, InvalidOptionError } from "../base/errors";
import { describe, record, refuseUnknown } from "../base/validate";
import { type TimeLimit, type Timeout, timeLimitOf } from "../task/time-limit";
import type { Call } from "./call";
import type { CallPromise } from "./promise";

/** The second argument of `pool.call.f(argument, options)`. */
export interface CallOptions<Result = unknown> {
  /**
   * Aborts the call: the promise rejects with the signal's reason. The task learns of it if it has
   * `abortSignal: true`.
   */
  signal?: AbortSignal | undefined;
  /** Time limit of this call, instead of the one in the task's definition. */
  timeout?: Timeout<Result> | undefined;
}

/** The promise of a call whose task has `abortSignal: true`. */
export interface AbortablePromise<Result, Progress = unknown> extends CallPromise<Result, Progress> {
  /** Aborts the call: the promise rejects with `reason`, by default an `AbortError`, and the task learns of it. */
  reject(reason?: unknown): void;
}

/** The options of a call as the pool uses them. */
export interface CheckedCallOptions {
  readonly limit: TimeLimit | undefined;
  readonly signal: AbortSignal | undefined;
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

/** Validates the time limit and the signal of a call. Throws `InvalidOptionError`, or what a getter throws. */
export function checkCallOptions(task: string, options: unknown): CheckedCallOptions {
  const caller = `pool.call.${task}`;
  const { signal, timeout, copy, affinity, priority, ...rest } = record(caller, "options", options);
  refuseUnknown(caller, rest, ["signal", "timeout"]);
  if (signal !== undefined && !isSignal(signal)) {
    throw new InvalidOptionError(`${caller}: "signal" is ${describe(signal)}, it must be an AbortSignal`);
  }
  const terms =
    copy === undefined && affinity === undefined && priority === undefined
      ? undefined
      : {
          copy: copy !== false,
          affinity: affinity as string | undefined,
          priority: (priority as number) ?? 0,
        };
  return { limit: timeLimitOf(caller, "timeout", timeout), signal, terms };
}

/** Accepts signals of any realm. */
function isSignal(value: unknown): value is AbortSignal {
  const signal = value as Partial<AbortSignal> | null;
  return (
    typeof signal?.aborted === "boolean" &&
    typeof signal.addEventListener === "function" &&
    typeof signal.removeEventListener === "function"
  );
}

/**
 * Cancels a call when the signal is aborted. Returns false if the signal is aborted already, or can't be listened to;
 * the call has then rejected.
 */
export function cancelOnAbort(signal: AbortSignal, call: Call): boolean {
  const giveUp = () => call.cancel(() => call.reject(signal.reason));
  if (signal.aborted) {
    giveUp();
    return false;
  }
  try {
    signal.addEventListener("abort", giveUp, { once: true });
  } catch (error) {
    // A signal that is not the runtime's own.
    call.reject(error);
    return false;
  }
  call.whenOver(() => signal.removeEventListener("abort", giveUp));
  return true;
}

/** Counts the pending abortable calls, and makes their promises abortable. */
export class Abortables {
  readonly #capacity: number;
  #underWay = 0;

  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  /**
   * Gives the promise its method `reject`. Returns false if too many calls are pending already; the call has then
   * rejected.
   */
  add(call: Call, promise: Promise<unknown>): boolean {
    const reject = (reason: unknown = new DOMException("This operation was aborted", "AbortError")) =>
      call.cancel(() => call.reject(reason));
    Object.defineProperty(promise, "reject", { value: reject });
    if (this.#underWay === this.#capacity) {
      call.reject(new AbortCapacityError(this.#capacity));
      return false;
    }
    this.#underWay++;
    call.whenOver(() => {
      this.#underWay--;
    });
    return true;
  }
}
