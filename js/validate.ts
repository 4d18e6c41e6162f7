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
      return value === null ? "null" : Array.isArray(value) ? "an array" : "an object";
    case "bigint":
      return `${value}n`;
    default:
      return String(value);
  }
}

/** A value that must be an object, to have its keys read. */
export function record(
  caller: string,
  option: string,
  value: unknown,
  allowed = "an object",
): Record<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new InvalidOptionError(`${caller}: "${option}" is ${describe(value)}, it must be ${allowed}`);
  }
  return value as Record<string, unknown>;
}

/** Throws for keys that are not in `known`, naming the nearest one. */
export function refuseUnknown(
  caller: string,
  given: object,
  known: readonly string[],
  unsupported: readonly string[],
  leftOut: Readonly<Record<string, string>> = {},
  prefix = "",
): void {
  for (const key of Object.keys(given)) {
    if (known.includes(key) || (given as Record<string, unknown>)[key] === undefined) {
      continue;
    }
    if (unsupported.includes(key)) {
      throw notYet(caller, prefix + key);
    }
    const reason = Object.hasOwn(leftOut, key) ? leftOut[key] : undefined;
    if (reason !== undefined) {
      throw new InvalidOptionError(`${caller}: option "${prefix}${key}" does not exist here: ${reason}`);
    }
    const nearest = nearestName(key, [...known, ...unsupported]);
    const advice =
      nearest === undefined ? `known are ${known.join(", ")}` : `did you mean "${prefix}${nearest}"?`;
    throw new InvalidOptionError(`${caller}: unknown option "${prefix}${key}", ${advice}`);
  }
}

/** An option that will come. */
function notYet(caller: string, option: string): InvalidOptionError {
  return new InvalidOptionError(`${caller}: option "${option}" is not supported yet`);
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
