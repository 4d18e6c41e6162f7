/**
 * The tasks of every contender's worker. They do as little as possible, so that the benchmark measures the way to the
 * worker and back.
 */
import { now } from "./arrival-tasks.mjs";

export { serve } from "./arrival-tasks.mjs";
export { totals } from "./json-task.mjs";

/** Bytes by their length, so that a call makes none. */
const made = new Map();

export const inc = (x) => x + 1;

export const echo = (value) => value;

/** Takes a string or bytes to the worker alone. */
export const take = (value) => value.length;

/** Brings bytes to the host alone. */
export function make(length) {
  let bytes = made.get(length);
  if (bytes === undefined) {
    bytes = new Uint8Array(length);
    for (let index = 0; index < length; index++) {
      bytes[index] = index * 31;
    }
    made.set(length, bytes);
  }
  return bytes;
}

export function fail(message) {
  throw new RangeError(message);
}

/** Spins for so many microseconds. */
export function work(micros) {
  const end = now() + micros / 1e3;
  while (now() < end) {}
  return micros;
}

/** The process id that the worker sees. In a sandbox it may be another one than outside. */
export const self = () => ({ pid: process.pid });
