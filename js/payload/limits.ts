/** The largest number of bytes that an encoded value may have. */
import { FLAG_REJECTED } from "../native/layout";

/** The unit of an arena's size. */
export const ARENA_STEP_BYTES = 64 * 1024;
/** The largest arena. Offsets in it are u32. */
export const MAX_ARENA_BYTES = 2 * 1024 * 1024 * 1024;
/** A value that fits into a slot is never too large. */
export const SMALLEST_PAYLOAD_LIMIT = 64;
/**
 * A thrown error may take this many bytes in any case, because a worker must be able to report that a value was too
 * large.
 */
const THROWN_BYTES = 64 * 1024;

/** The most bytes that the value of a slot with these flags may have. */
export function limitFor(flags: number, maxPayloadBytes: number): number {
  return (flags & FLAG_REJECTED) === 0 ? maxPayloadBytes : Math.max(maxPayloadBytes, THROWN_BYTES);
}
