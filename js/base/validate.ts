/** Validation of user input. Each error names the caller, the option, its value and the allowed values. */
import { InvalidOptionError } from "./errors";

/** Describes a value briefly, for a message. */
export function describe(value: unknown): string {
  switch (typeof value) {
    case "string":
      return JSON.stringify(value.length > 60 ? `${value.slice(0, 60)}…` : value);
    case "function":
      return "a function";
    case "object":
      return value === null ? "null" : Array.isArray(value) ? arrayName(value) : "an object";
    case "bigint":
      return `${value}n`;
    default:
      return String(value);
  }
}

function arrayName(array: readonly unknown[]): string {
  return array.length === 0 ? "an empty array" : "an array";
}

/** Throws an `InvalidOptionError` for a value that an option can't have. */
export function refuse(caller: string, option: string, value: unknown, allowed: string): never {
  throw new InvalidOptionError(`${caller}: "${option}" is ${describe(value)}, it must be ${allowed}`);
}

/** The result of `check` for a value that was given; `undefined` for `undefined`. */
export function optional<T>(value: unknown, check: (value: unknown) => T): T | undefined {
  return value === undefined ? undefined : check(value);
}

/** Checks that a value is one of a set of strings. */
export function choice<T extends string>(
  caller: string,
  option: string,
  value: unknown,
  allowed: readonly T[],
): T {
  if (!allowed.includes(value as T)) {
    const words = allowed.map((word) => JSON.stringify(word));
    refuse(caller, option, value, `${words.slice(0, -1).join(", ")} or ${words.at(-1)}`);
  }
  return value as T;
}

export function flag(caller: string, option: string, value: unknown): boolean {
  if (typeof value !== "boolean") {
    refuse(caller, option, value, "true or false");
  }
  return value;
}

export function wholeNumber(
  caller: string,
  option: string,
  value: unknown,
  least: number,
  most = Number.MAX_SAFE_INTEGER,
): number {
  if (!Number.isSafeInteger(value) || (value as number) < least || (value as number) > most) {
    const range = most === Number.MAX_SAFE_INTEGER ? `, at least ${least}` : ` from ${least} to ${most}`;
    refuse(caller, option, value, `a whole number${range}`);
  }
  return value as number;
}

/** Checks that a value is a number above 0; fractions are allowed. */
export function positiveNumber(
  caller: string,
  option: string,
  value: unknown,
  what: string,
  most = Number.MAX_VALUE,
): number {
  if (typeof value !== "number" || !(value > 0 && value <= most)) {
    const limit = most === Number.MAX_VALUE ? "" : `, at most ${most}`;
    refuse(caller, option, value, `${what} above 0${limit}`);
  }
  return value;
}

/** Checks that a value is a string that is not empty and can stand on a command line. */
export function text(caller: string, option: string, value: unknown): string {
  if (typeof value !== "string" || value === "" || value.includes("\0")) {
    refuse(caller, option, value, "a string, not empty and without NUL");
  }
  return value;
}

/** Checks that a value is an array of such strings, and copies it. */
export function texts(caller: string, option: string, value: unknown, least: 0 | 1): readonly string[] {
  if (!Array.isArray(value) || value.length < least) {
    refuse(caller, option, value, `an array of ${least === 0 ? "strings" : "at least one string"}`);
  }
  // Array.from, because map skips holes.
  return Array.from(value, (element, index) => text(caller, `${option}[${index}]`, element));
}

/**
 * Checks that a value is an object, and returns its own properties without a prototype. What some library has put on
 * `Object.prototype` is no option that anybody has chosen.
 */
export function record(
  caller: string,
  option: string,
  value: unknown,
  allowed = "an object",
): Record<string, unknown> {
  if (!isRecord(value)) {
    refuse(caller, option, value, allowed);
  }
  return own(value);
}

/** The own properties of an object, in an object without a prototype. */
export function own<T extends object>(value: T): T {
  return Object.assign(Object.create(null), value);
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/**
 * Throws for keys that are not in `known`. The message names the nearest known key, or for a key in `leftOut` the
 * reason why the option doesn't exist.
 */
export function refuseUnknown(
  caller: string,
  given: object,
  known: readonly string[],
  prefix = "",
  leftOut: Readonly<Record<string, string>> = {},
): void {
  for (const key of Object.keys(given)) {
    if (known.includes(key) || (given as Record<string, unknown>)[key] === undefined) {
      continue;
    }
    const reason = Object.hasOwn(leftOut, key) ? leftOut[key] : undefined;
    if (reason !== undefined) {
      throw new InvalidOptionError(`${caller}: option "${prefix}${key}" does not exist here: ${reason}`);
    }
    const nearest = nearestName(key, known);
    const advice =
      nearest === undefined ? `known are ${known.join(", ")}` : `did you mean "${prefix}${nearest}"?`;
    throw new InvalidOptionError(`${caller}: unknown option "${prefix}${key}", ${advice}`);
  }
}

/** The most similar name, if at most a third of its letters differ. */
export function nearestName(name: string, names: readonly string[]): string | undefined {
  let best: string | undefined;
  let least = Math.max(2, Math.floor(name.length / 3)) + 1;
  for (const candidate of names) {
    const distance = editDistance(name.toLowerCase(), candidate.toLowerCase());
    if (distance < least) {
      [best, least] = [candidate, distance];
    }
  }
  return best;
}

/** The Levenshtein distance. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const change = row[j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(row[j] + 1, next[j - 1] + 1, change));
    }
    row = next;
  }
  return row[b.length];
}
