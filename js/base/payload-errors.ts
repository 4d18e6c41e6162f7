/** What is wrong with a value: why it can't be sent, and where in it that stands; or that its bytes are no encoding. */
import { types } from "node:util";
import { UnsupportedPayloadError } from "./errors";

/** Thrown on the way out of a value: the path grows as it passes each level. */
export class Unsupported extends Error {
  path = "";

  constructor(
    readonly reason: string,
    options?: ErrorOptions,
  ) {
    super(reason, options);
  }
}

/** An error on its way through the level that `step` leads from. `failure` is what else has failed there, in words. */
export function located(error: unknown, step: string, failure: string): Unsupported {
  const found = asUnsupported(error, failure);
  found.path = step + found.path;
  return found;
}

/** What a getter or the engine has thrown becomes the cause of an error that can tell the place. */
export function asUnsupported(error: unknown, failure: string): Unsupported {
  return error instanceof Unsupported
    ? error
    : new Unsupported(`${failure}: ${messageOf(error)}`, { cause: error });
}

/** What the user hears. */
export function refused({ path, reason, cause }: Unsupported): UnsupportedPayloadError {
  return new UnsupportedPayloadError(`$${path}`, reason, cause === undefined ? undefined : { cause });
}

/** From an object to its property. */
export function property(key: string): string {
  return /^[A-Za-z_$][\w$]*$/.test(key) ? `.${key}` : `[${JSON.stringify(key)}]`;
}

/** From a Map to what is stored under a key: `.get("key")`, or its place in the order of keys where that says nothing. */
export function entry(key: unknown, index: number): string {
  switch (typeof key) {
    case "string":
      return `.get(${JSON.stringify(key.length > 60 ? `${key.slice(0, 60)}…` : key)})`;
    case "bigint":
      return `.get(${key}n)`;
    case "object":
      return key === null ? ".get(null)" : `.values()[${index}]`;
    default:
      return `.get(${String(key)})`;
  }
}

/** What an object is that can't be sent, in words that follow "is". */
export function whatIs(value: object): string {
  if (types.isBoxedPrimitive(value)) {
    return "a boxed primitive, only what is in it can be sent";
  }
  const { constructor: made } = value as { constructor?: unknown };
  const name = typeof made === "function" ? made.name : "";
  if (typeof name !== "string" || name === "" || name === "Object") {
    return "an object with a prototype of its own";
  }
  const article = /^[AEIOU]/.test(name) ? "an" : "a";
  return isNative(made as object) ? `${article} ${name}` : `an instance of ${name}`;
}

/** Whether a class is one of the runtime's: only what is built in has no source. */
function isNative(made: object): boolean {
  return /\{\s*\[native code\]\s*\}$/.test(Function.prototype.toString.call(made));
}

function messageOf(thrown: unknown): string {
  try {
    return thrown instanceof Error ? `${thrown.message}` : String(thrown);
  } catch {
    return "something was thrown";
  }
}

/** The bytes of a value are no encoding: an honest peer never sends such. */
export class MalformedPayload extends Error {}
