/**
 * Streams: arguments and results that are not one value but many, one after the other.
 *
 * ```text
 *   sender                                   receiver
 *   pulls its iterator      --- item --->    keeps it until somebody asks for the next
 *   while there is credit   <-- credit ---   and gives credit for what was taken
 *   iterator.return(value)  <-- cancel ---   nobody wants more
 *   is over                 --- end ----->   the last: what the iterator returned, or threw
 * ```
 *
 * The sender of an argument is the host; its receiver gives the first credit when the task asks for the first item. The
 * sender of a result is the worker, which has its first credit from the start; the end of the stream is the result of
 * the call. Credit is counted in units: each item takes one unit, and a long item takes more. A sender goes on while it
 * has any credit, so that an item of any length can pass.
 */
import { FLAG_ARENA, STREAM_UNIT_BYTES } from "../native/layout";

/** Any object with an async iterator, and a generator. No payload is either of these. */
export type Source = AsyncIterable<unknown> | IterableIterator<unknown>;

/** Whether a value is a stream. Throws what a getter of the value throws. */
export function isStream(value: unknown): value is Source {
  if (typeof value !== "object" || value === null) {
    return false;
  }
  const { [Symbol.asyncIterator]: iterate, next } = value as {
    [Symbol.asyncIterator]?: unknown;
    next?: unknown;
  };
  return (
    typeof iterate === "function" ||
    (typeof next === "function" && typeof (value as Iterable<unknown>)[Symbol.iterator] === "function")
  );
}

/** The iterator of a stream. */
export function iteratorOf(source: Source): AsyncIterator<unknown, unknown> {
  return Symbol.asyncIterator in source ? source[Symbol.asyncIterator]() : delegate(source);
}

async function* delegate(source: Iterable<unknown>): AsyncGenerator<unknown, unknown> {
  return yield* source;
}

/** The units of its stream's credit that a slot takes. The native side counts the same. */
export function unitsOf(flags: number, length: number): number {
  return (flags & FLAG_ARENA) === 0 ? 1 : Math.max(Math.ceil(length / STREAM_UNIT_BYTES), 1);
}
