/** The time limit of a task, as users give it and as calls use it. */
import { LONGEST_TIMER_MILLIS } from "../base/clock";
import { InvalidOptionError } from "../base/errors";
import { describe, positiveNumber, record, refuseUnknown } from "../base/validate";

/**
 * How long a task may take from its start, in milliseconds, and how its call ends after that. With a number, the call
 * rejects with `TaskTimeoutError`. The task itself goes on running; `worker.hardTimeoutMs` ends a task. The call may
 * end late by up to an eighth of the time, and only while the host's event loop is not blocked.
 */
export type Timeout<Result = unknown> =
  | number
  /** The call resolves with `default`. */
  | { readonly time: number; readonly default: Result }
  /** The call resolves with `undefined`. */
  | { readonly time: number; readonly maybe: true }
  /** The call rejects with `error`. */
  | { readonly time: number; readonly error: unknown };

/** A time limit as calls use it. */
export interface TimeLimit {
  readonly millis: number;
  /** How the call ends when its time is over. `undefined`: it rejects with a `TaskTimeoutError`. */
  readonly outcome: { readonly resolve: unknown } | { readonly reject: unknown } | undefined;
}

const FORMS = "a number of milliseconds, or { time } with one of default, maybe: true and error";

/** @internal Validates a time limit. `undefined`: no limit. */
export function timeLimitOf(caller: string, option: string, value: unknown): TimeLimit | undefined {
  if (value === undefined) {
    return undefined;
  }
  if (typeof value === "number") {
    const millis = positiveNumber(caller, option, value, "a number of milliseconds", LONGEST_TIMER_MILLIS);
    return { millis, outcome: undefined };
  }
  const said = record(caller, option, value, FORMS);
  refuseUnknown(caller, said, ["time", "default", "maybe", "error"], `${option}.`);
  const millis = positiveNumber(
    caller,
    `${option}.time`,
    said.time,
    "a number of milliseconds",
    LONGEST_TIMER_MILLIS,
  );
  const forms = ["default", "maybe", "error"].filter((form) => form in said);
  if (forms.length !== 1 || (forms[0] === "maybe" && said.maybe !== true)) {
    const given = forms.map((form) => `${form}: ${describe(said[form])}`).join(", ") || "none of them";
    throw new InvalidOptionError(`${caller}: "${option}" has ${given}, it must be ${FORMS}`);
  }
  return { millis, outcome: "error" in said ? { reject: said.error } : { resolve: said.default } };
}
