/** How long a task may take, as users say it. */
import { LONGEST_TIMER_MILLIS } from "./clock";
import { InvalidOptionError, TaskTimeoutError } from "./errors";
import type { TimeLimit } from "./lane/call";
import { describe, isRecord, positiveNumber, refuse, refuseUnknown } from "./validate";

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

const FORMS = "a number of milliseconds, or { time } with one of default, maybe: true and error";

/** @internal Checks a time limit; `undefined` is none. */
export function timeLimitOf(caller: string, option: string, value: unknown): TimeLimit | undefined {
  if (value === undefined) {
    return undefined;
  }
  if (typeof value === "number") {
    const millis = positiveNumber(caller, option, value, "a number of milliseconds", LONGEST_TIMER_MILLIS);
    return { millis, end: (call) => call.reject(new TaskTimeoutError()) };
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
  return {
    millis,
    end: (call) => ("error" in value ? call.reject(value.error) : call.resolve(value.default)),
  };
}
