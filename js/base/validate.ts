/** Refusing bad input: the caller's words, the value given, and what is allowed. */
import { InvalidOptionError } from "./errors";

/** A value, shortly, for a message. */
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

/** Throws that an option has a value it can't have. */
export function refuse(caller: string, option: string, value: unknown, allowed: string): never {
  throw new InvalidOptionError(`${caller}: "${option}" is ${describe(value)}, it must be ${allowed}`);
}

/** What `check` makes of a value that was given. */
export function optional<T>(value: unknown, check: (value: unknown) => T): T | undefined {
  return value === undefined ? undefined : check(value);
}

/** One of some words. */
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

/** A number above 0, fractions included. */
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

/** A string that can stand on a command line and says something there. */
export function text(caller: string, option: string, value: unknown): string {
  if (typeof value !== "string" || value === "" || value.includes("\0")) {
    refuse(caller, option, value, "a string, not empty and without NUL");
  }
  return value;
}

/** An array of such strings, a copy. */
export function texts(caller: string, option: string, value: unknown, least: 0 | 1): readonly string[] {
  if (!Array.isArray(value) || value.length < least) {
    refuse(caller, option, value, `an array of ${least === 0 ? "strings" : "at least one string"}`);
  }
  // Not map, which skips holes.
  return Array.from(value, (element, index) => text(caller, `${option}[${index}]`, element));
}

/** A value that must be an object, to have its keys read. */
export function record(
  caller: string,
  option: string,
  value: unknown,
  allowed = "an object",
): Record<string, unknown> {
  if (!isRecord(value)) {
    refuse(caller, option, value, allowed);
  }
  return value;
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Throws for keys that are not in `known`, naming the nearest one, or why there is none such as those in `leftOut`. */
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

/** The name that differs least, if it differs by no more than a third. */
function nearestName(name: string, names: readonly string[]): string | undefined {
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

/** Levenshtein's distance. */
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
