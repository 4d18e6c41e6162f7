/**
 * What is sent of a thrown value that can't be sent as it is. Its name, message and stack always arrive. What is left
 * out is listed in the property `unsent` of the error that arrives: an array of strings such as `$.retry is a function`.
 */
import { asUnsupported, type Unsupported } from "../base/payload-errors";

/** The property that lists what is left out. */
export const UNSENT = "unsent";

/** Entries of that list, and code units of each. */
const MOST_ENTRIES = 16;
const MOST_ENTRY_UNITS = 300;
/** Code units that are kept of a name, a message and a stack if the error is too large. */
const MOST_NAME_UNITS = 256;
const MOST_TEXT_UNITS = 8192;

const TEXTS = ["name", "message", "stack"] as const;

/** The list of what is left out of one error. */
export class Unsent {
  readonly entries: string[] = [];

  /** Adds a part. `step` leads to it, and `failure` is why it is left out. */
  add(step: string, failure: unknown): void {
    const { path, reason } = asUnsupported(failure, "can't be read");
    if (this.entries.length < MOST_ENTRIES) {
      this.entries.push(shortened(`$${step}${path} ${reason}`, MOST_ENTRY_UNITS));
    }
  }

  /** The result of `read` if that is a string. */
  text(step: string, read: () => unknown): string | undefined {
    try {
      const value = read();
      return typeof value === "string" ? value : undefined;
    } catch (error) {
      this.add(step, error);
      return undefined;
    }
  }
}

/**
 * An error in place of a thrown object that can't be sent because of `failure`. It has the properties of the object, of
 * which the encoder may leave out some more. `undefined` for a function or a symbol, which have nothing to keep.
 */
export function standInFor(thrown: unknown, failure: Unsupported, unsent: Unsent): Error | undefined {
  if (typeof thrown !== "object" || thrown === null) {
    return undefined;
  }
  if (failure.path === "") {
    unsent.add("", failure);
  }
  const error = namedAfter(thrown, `$${failure.path} ${failure.reason}`, unsent);
  const given = thrown as Record<string, unknown>;
  for (const key of keysOf(given)) {
    if (!(TEXTS as readonly string[]).includes(key)) {
      try {
        define(error, key, given[key]);
      } catch (reason) {
        unsent.add(`.${key}`, reason);
      }
    }
  }
  return error;
}

/** The shortest form of a thrown error that is too large to be sent. `failure` says how large it may be. */
export function essenceOf(thrown: unknown, failure: Error): Error {
  if (typeof thrown !== "object" || thrown === null) {
    return failure;
  }
  const unsent = new Unsent();
  const error = namedAfter(thrown, failure.message, unsent);
  define(error, "name", shortened(error.name, MOST_NAME_UNITS), false);
  define(error, "message", shortened(error.message, MOST_TEXT_UNITS), false);
  define(error, "stack", shortened(error.stack ?? "", MOST_TEXT_UNITS), false);
  define(error, UNSENT, [failure.message, ...unsent.entries]);
  return error;
}

/** An error with the name, the message and the stack of a thrown object. */
function namedAfter(thrown: object, why: string, unsent: Unsent): Error {
  const [name, message, stack] = TEXTS.map((key) =>
    unsent.text(`.${key}`, () => (thrown as Record<string, unknown>)[key]),
  );
  const error = new Error(message ?? `what was thrown can't be sent: ${why}`);
  if (thrown instanceof Error) {
    // The encoder finds its class by that.
    Object.setPrototypeOf(error, Object.getPrototypeOf(thrown));
  }
  if (name !== undefined) {
    define(error, "name", name, false);
  }
  define(error, "stack", stack ?? `${error.name}: ${error.message}`, false);
  return error;
}

function keysOf(object: object): string[] {
  try {
    return Object.keys(object);
  } catch {
    // A proxy may throw.
    return [];
  }
}

function define(error: Error, key: string, value: unknown, enumerable = true): void {
  Object.defineProperty(error, key, { value, enumerable, configurable: true, writable: true });
}

function shortened(text: string, units: number): string {
  return text.length > units ? `${text.slice(0, units)}…` : text;
}
