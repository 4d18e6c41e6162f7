/**
 * What is wrong with a value: why a part of it can't be sent, and the path of that part; or that bytes are not a valid
 * encoding.
 */
import { types } from "node:util";
import { PayloadTooLargeError, UnsupportedPayloadError } from "./errors";

/** Thrown while a value is encoded. The path grows as the error passes each level of the value. */
export class Unsupported extends Error {
  path = "";

  constructor(
    readonly reason: string,
    options?: ErrorOptions,
  ) {
    super(reason, options);
  }
}

/**
 * Adds a level to the path of an error. `step` leads from that level to the part. `failure` describes what failed
 * there, in case the error is another one.
 */
export function located(error: unknown, step: string, failure: string): Unsupported {
  const found = asUnsupported(error, failure);
  found.path = step + found.path;
  return found;
}

/** Turns an error that a getter or the engine has thrown into the cause of an error that has a path. */
export function asUnsupported(error: unknown, failure: string): Unsupported {
  return error instanceof Unsupported
    ? error
    : new Unsupported(`${failure}: ${messageOf(error)}`, { cause: error });
}

/** The error that the user gets. */
export function refused({ path, reason, cause }: Unsupported): UnsupportedPayloadError {
  return new UnsupportedPayloadError(`$${path}`, reason, cause === undefined ? undefined : { cause });
}

/** What of a call a value is. */
export type Part =
  | "argument"
  | "item of the argument"
  | "result"
  | "item of the result"
  | "progress"
  | "error";

/** The error of a value that is this part of a call of this task. An error that is not about values stays as it is. */
export function errorOfPart(error: unknown, part: Part, task: string): unknown {
  const named = `${part} of task ${JSON.stringify(task)}`;
  if (error instanceof UnsupportedPayloadError) {
    const { path, message, cause } = error;
    const reason = `${message.slice(path.length + 1)} (${named})`;
    return new UnsupportedPayloadError(path, reason, cause === undefined ? undefined : { cause });
  }
  if (error instanceof PayloadTooLargeError) {
    const { byteLength, maxByteLength, message } = error;
    return new PayloadTooLargeError(
      byteLength,
      maxByteLength,
      message.replace("value", () => named),
    );
  }
  return error;
}

/** Step from an object to its property. */
export function property(key: string): string {
  return /^[A-Za-z_$][\w$]*$/.test(key) ? `.${key}` : `[${JSON.stringify(key)}]`;
}

/**
 * Step from a Map to the value of a key: `.get("key")`, or the key's position if the key can't be written in a message.
 */
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

/** Describes an object that can't be sent, in words that follow "is". */
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

/** Whether a class is built into the runtime: only built-in classes have no source. */
export function isNative(made: object): boolean {
  return /\{\s*\[native code\]\s*\}$/.test(Function.prototype.toString.call(made));
}

function messageOf(thrown: unknown): string {
  try {
    return thrown instanceof Error ? `${thrown.message}` : String(thrown);
  } catch {
    return "something was thrown";
  }
}

/** The bytes of a value are not a valid encoding. A correct peer never sends such bytes. */
export class MalformedPayload extends Error {}
