/** The time limit of a task, as users give it and as calls use it. */
import { LONGEST_TIMER_MILLIS } from "../base/clock";
import { InvalidOptionError } from "../base/errors";
import { describe, positiveNumber, record, refuse, refuseUnknown } from "../base/validate";

/** What becomes of a task whose time is over. */
interface Halt {
  /**
   * `true`: the task's worker is ended when the call has settled, and replaced. Other calls that it had begun reject
   * with `WorkerKilledError`, and those not begun go to other workers. Without it, the task goes on running.
   */
  readonly kill?: true | undefined;
  /**
   * Milliseconds, from 0 to 2 147 483 647, between the end of the call and that of the worker. The task's `signal` is
   * aborted at once, and the worker lives on if the task settles in this time. Default 0. Only beside `kill`.
   */
  readonly graceMs?: number | undefined;
}

/**
 * How long a task may take from its start, in milliseconds, and how its call ends after that. With a number, or with
 * `kill` alone, the call rejects with `TaskTimeoutError`. The task itself goes on running unless `kill` is set;
 * `worker.hardTimeoutMs` ends any task. The call may end late by up to an eighth of the time, and only while the host's
 * event loop is not blocked.
 *
 * A task with `abortSignal: { hasAborted: true }` is asked to stop when its time is over, and its call then settles with
 * what it returns or throws, whatever the form. With `kill` the call ends at its time, as its form says.
 */
export type Timeout<Result = unknown> =
  | number
  /** The call resolves with `default`. */
  | ({ readonly time: number; readonly default: Result } & Halt)
  /** The call resolves with `undefined`. */
  | ({ readonly time: number; readonly maybe: true } & Halt)
  /** The call rejects with `error`. */
  | ({ readonly time: number; readonly error: unknown } & Halt)
  /** The call rejects with `TaskTimeoutError`. */
  | { readonly time: number; readonly kill: true; readonly graceMs?: number | undefined };

/** A time limit as calls use it. */
export interface TimeLimit {
  readonly millis: number;
  /** How the call ends when its time is over. `undefined`: it rejects with a `TaskTimeoutError`. */
  readonly outcome: { readonly resolve: unknown } | { readonly reject: unknown } | undefined;
  /** Whether the task's worker is ended when the time is over. */
  readonly kill: boolean;
  /** Milliseconds that the task then has to settle, in which case its worker lives on. */
  readonly graceMs: number;
}

const FORMS =
  "a number of milliseconds, or { time } with one of default, maybe: true and error, or with kill: true";

/** @internal Validates a time limit. `undefined`: no limit. */
export function timeLimitOf(caller: string, option: string, value: unknown): TimeLimit | undefined {
  if (value === undefined) {
    return undefined;
  }
  if (typeof value === "number") {
    const millis = positiveNumber(caller, option, value, "a number of milliseconds", LONGEST_TIMER_MILLIS);
    return { millis, outcome: undefined, kill: false, graceMs: 0 };
  }
  const said = record(caller, option, value, FORMS);
  refuseUnknown(caller, said, ["time", "default", "maybe", "error", "kill", "graceMs"], `${option}.`);
  const millis = positiveNumber(
    caller,
    `${option}.time`,
    said.time,
    "a number of milliseconds",
    LONGEST_TIMER_MILLIS,
  );
  const kill = said.kill !== undefined;
  if (kill && said.kill !== true) {
    refuse(caller, `${option}.kill`, said.kill, "true, or left out");
  }
  const forms = ["default", "maybe", "error"].filter((form) => form in said);
  const isAlone = forms.length === 0 && kill;
  if ((forms.length !== 1 && !isAlone) || (forms[0] === "maybe" && said.maybe !== true)) {
    const given = forms.map((form) => `${form}: ${describe(said[form])}`).join(", ") || "none of them";
    throw new InvalidOptionError(`${caller}: "${option}" has ${given}, it must be ${FORMS}`);
  }
  const settled = "error" in said ? { reject: said.error } : { resolve: said.default };
  const graceMs = graceOf(caller, option, said, kill);
  return { millis, outcome: isAlone ? undefined : settled, kill, graceMs };
}

function graceOf(
  caller: string,
  option: string,
  { graceMs }: Record<string, unknown>,
  kill: boolean,
): number {
  if (graceMs === undefined) {
    return 0;
  }
  if (!kill) {
    throw new InvalidOptionError(
      `${caller}: "${option}.graceMs" is ${describe(graceMs)} and "${option}.kill" is not set: without kill the ` +
        "task may take any time to settle. Say kill: true, or leave it out",
    );
  }
  if (typeof graceMs !== "number" || !(graceMs >= 0 && graceMs <= LONGEST_TIMER_MILLIS)) {
    refuse(
      caller,
      `${option}.graceMs`,
      graceMs,
      `a number of milliseconds from 0 to ${LONGEST_TIMER_MILLIS}`,
    );
  }
  return graceMs;
}
