/** The work of calls that arrive one by one, and the clock of both sides. See rows/waiting.mjs. */

/** A thread that waits for a time may sleep longer by some tenths of a millisecond. It spins for the last of it. */
const SPIN_MILLIS = 0.3;

const asleep = new Int32Array(new SharedArrayBuffer(4));

/** The system's monotonic clock in milliseconds. Deno and Bun count from their start, Node from that of the system. */
export function now() {
  return Number(process.hrtime.bigint()) / 1e6;
}

/** Blocks its thread until a time of that clock, without taking its processor meanwhile. */
export function blockUntil(time) {
  const rest = time - now() - SPIN_MILLIS;
  if (rest > 0) {
    Atomics.wait(asleep, 0, 0, rest);
  }
  while (now() < time) {}
}

/** Tells this worker from others, also from other threads of its process. */
const worker = Math.random();

/** Keeps its worker for `millis` and tells which one it is, and when it began and ended. */
export function serve({ index, millis }) {
  const begun = now();
  blockUntil(begun + millis);
  return { index, worker, begun, ended: now() };
}
