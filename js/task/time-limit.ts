/** How long a task may take, as users say it. */
import { LONGEST_TIMER_MILLIS } from "../base/clock";
import { InvalidOptionError } from "../base/errors";
import { describe, isRecord, positiveNumber, refuse, refuseUnknown } from "../base/validate";

/**
 * How long a task may take from its start, in milliseconds, and what its call comes to then. A number: it rejects with
 * `TaskTimeoutError`. The task itself goes on; see `worker.hardTimeoutMs` for one that must be ended. The end may come
 * late by an eighth of the time, and is noticed by a host whose event loop is not busy.
 */
export type Timeout<Result = unknown> =
  | number
  /** It resolves with `default`. */
  | { readonly time: number; readonly default: Result }
  /** It resolves with `undefined`. */
  | { readonly time: number; readonly maybe: true }
  /** It rejects with `error`. */
  | { readonly time: number; readonly error: unknown };

/** A time limit as calls have it. */
export interface TimeLimit {
  readonly millis: number;
  /** What the call comes to when its time is over; `undefined`: it rejects with a `TaskTimeoutError`. */
  readonly outcome: { readonly resolve: unknown } | { readonly reject: unknown } | undefined;
}

const FORMS = "a number of milliseconds, or { time } with one of default, maybe: true and error";

/** @internal Checks a time limit; `undefined` is none. */
export function timeLimitOf(caller: string, option: string, value: unknown): TimeLimit | undefined {
  if (value === undefined) {
    return undefined;
  }
  if (typeof value === "number") {
    const millis = positiveNumber(caller, option, value, "a number of milliseconds", LONGEST_TIMER_MILLIS);
    return { millis, outcome: undefined };
  }
  if (!isRecord(value)) {
    refuse(caller, option, value, FORMS);
  }
  refuseUnknown(caller, value, ["time", "default", "maybe", "error"], `${option}.`);
  const millis = positiveNumber(
    caller,
    `${option}.time`,
    value.time,
    "a number of milliseconds",
    LONGEST_TIMER_MILLIS,
  );
  const forms = ["default", "maybe", "error"].filter((form) => form in value);
  if (forms.length !== 1 || (forms[0] === "maybe" && value.maybe !== true)) {
    const given = forms.map((form) => `${form}: ${describe(value[form])}`).join(", ") || "none of them";
    throw new InvalidOptionError(`${caller}: "${option}" has ${given}, it must be ${FORMS}`);
  }
  return { millis, outcome: "error" in value ? { reject: value.error } : { resolve: value.default } };
}
