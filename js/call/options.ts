/** What a call is made with beside its argument: a time limit, and ways to give it up. */
import { AbortCapacityError, InvalidOptionError } from "../base/errors";
import { describe, record, refuseUnknown } from "../base/validate";
import { type TimeLimit, type Timeout, timeLimitOf } from "../task/time-limit";
import type { Call } from "./call";
import type { CallPromise } from "./promise";

/** The second argument of `pool.call.f(argument, options)`. */
export interface CallOptions<Result = unknown> {
  /** Gives the call up when it is aborted: the promise rejects with the signal's reason. The task is told if it has `abortSignal`. */
  signal?: AbortSignal | undefined;
  /** How long the task may take this time, instead of what its definition says. */
  timeout?: Timeout<Result> | undefined;
}

/** The promise of a call whose task has `abortSignal: true`. */
export interface AbortablePromise<Result, Progress = unknown> extends CallPromise<Result, Progress> {
  /** Gives the call up: the promise rejects with `reason`, an `AbortError` where there is none, and the task is told. */
  reject(reason?: unknown): void;
}

/** The time limit and the signal of a call. */
export function checkCallOptions(
  task: string,
  options: unknown,
): { limit: TimeLimit | undefined; signal: AbortSignal | undefined } {
  const caller = `pool.call.${task}`;
  const { signal, timeout, ...rest } = record(caller, "options", options);
  refuseUnknown(caller, rest, ["signal", "timeout"]);
  if (signal !== undefined && !isSignal(signal)) {
    throw new InvalidOptionError(`${caller}: "signal" is ${describe(signal)}, it must be an AbortSignal`);
  }
  return { limit: timeLimitOf(caller, "timeout", timeout), signal };
}

/** Of whatever realm. */
function isSignal(value: unknown): value is AbortSignal {
  const signal = value as Partial<AbortSignal> | null;
  return typeof signal?.aborted === "boolean" && typeof signal.addEventListener === "function";
}

/** Cancels a call when the signal is aborted. False if the signal is aborted already: then the call has rejected. */
export function cancelOnAbort(signal: AbortSignal, call: Call): boolean {
  const giveUp = () => call.cancel(() => call.reject(signal.reason));
  if (signal.aborted) {
    giveUp();
    return false;
  }
  signal.addEventListener("abort", giveUp, { once: true });
  call.whenOver(() => signal.removeEventListener("abort", giveUp));
  return true;
}

/** Counts the calls that can be aborted, and lets them be. */
export class Abortables {
  readonly #capacity: number;
  #underWay = 0;

  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  /** Gives the promise its `reject`. False if there are too many already, and the call has rejected. */
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
