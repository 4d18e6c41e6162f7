/**
 * What is sent in the place of a value for which the system has no memory: how many bytes the value has, and what it
 * was. That fits into a slot, so it can be sent in any case. The receiver gets the error that says so.
 */
import { KnittingError } from "../base/errors";
import { FLAG_REJECTED, KIND_NO_MEMORY, ROLE_ITEM, ROLE_MASK, ROLE_PROGRESS } from "../native/layout";
import { EncodedValue } from "./encoded-value";

/** A value for which there was no memory: its size, and the flags of its slot. */
export interface Lack {
  readonly bytes: number;
  readonly flags: number;
}

const lacks = new WeakMap<object, Lack>();

/** The error of a value of so many bytes, whose slot has or would have these flags. */
export function noMemory(bytes: number, flags: number): KnittingError {
  const message = `the system has no memory for ${nameOf(flags)} of ${bytes} bytes`;
  const error = new KnittingError("KNITTING_NO_MEMORY", message);
  lacks.set(error, { bytes, flags });
  return error;
}

/** What there was no memory for. Undefined if that is not what the error of this process says. */
export function lackOf(error: unknown): Lack | undefined {
  return typeof error === "object" && error !== null ? lacks.get(error) : undefined;
}

/** Takes the place of the value. `flags` are those of the slot that is sent. */
export function placeholder(lack: Lack, flags: number): EncodedValue {
  return new EncodedValue(KIND_NO_MEMORY, flags, lack.flags, lack.bytes, undefined);
}

function nameOf(flags: number): string {
  switch (flags & ROLE_MASK) {
    case ROLE_ITEM:
      return "an item of a stream";
    case ROLE_PROGRESS:
      return "a progress value";
    default:
      return (flags & FLAG_REJECTED) === 0 ? "a payload" : "an error";
  }
}
