/**
 * The loops that time calls. Each contender gets a copy of this module (`loops.mjs?name`), so that V8 compiles a loop
 * for the calls of one contender alone, as it does in a user's program.
 *
 * A loop returns `calls` and the `micros` that they took together, with the garbage that was collected meanwhile, and
 * `p50` and `p99` of single calls, or of batches divided by their size. `weigh` turns an answer into a number; the sum
 * over all answers must be `expected(calls)`.
 */
import { strictEqual } from "node:assert/strict";
import { quantile } from "../statistics.mjs";

/** More single calls than any contender makes in a turn. */
const MAX_CALLS = 500_000;
/** The clock is read at least each so many microseconds, and not for each call, which would cost as much as some calls. */
const CHUNK_MICROS = 100;
const MAX_CHUNK = 64;

/** Latencies of a turn. It is allocated once, because its garbage would be collected in another contender's turn. */
const latencies = new Float64Array(MAX_CALLS);

/**
 * Quick calls: for half of the time without a look at single ones, whose clock readings would cost as much as some calls,
 * then for the other half with one. All calls of others are timed singly, and all count in the total.
 */
export async function sequential(call, argument, { millis, weigh, expected }) {
  let sum = 0;
  let chunk = 1;
  let calls = 0;
  let now = performance.now();
  const start = now;
  const middle = start + millis / 2;
  let single = 0;
  while (now < middle || calls === 0) {
    const before = now;
    for (let count = 0; count < chunk; count++) {
      sum += weigh(await call(argument));
    }
    calls += chunk;
    now = performance.now();
    if (chunk === 1) {
      latencies[single++] = (now - before) * 1e3;
    }
    chunk = chunkFor(((now - start) * 1e3) / calls);
  }
  let micros = (now - start) * 1e3;
  const isSlow = single === calls;
  const end = start + millis;
  single = isSlow ? single : 0;
  while ((now < end && single < MAX_CALLS) || single === 0) {
    const before = now;
    sum += weigh(await call(argument));
    now = performance.now();
    latencies[single++] = (now - before) * 1e3;
  }
  const all = isSlow ? single : calls + single;
  strictEqual(sum, expected(all));
  if (isSlow) {
    calls = all;
    micros = (now - start) * 1e3;
  }
  return { calls, micros, ...percentiles(single) };
}

/** The same for a task that fails: each call must reject, with `message`. */
export async function sequentialFailures(call, argument, { millis, message }) {
  const fail = async () => {
    try {
      await call(argument);
    } catch (error) {
      return error.message === message ? 1 : 0;
    }
    return 0;
  };
  return sequential(fail, undefined, { millis, weigh: (one) => one, expected: (calls) => calls });
}

/** All calls of a batch are made before the first answer is awaited. */
export async function inBatches(call, argument, { millis, size, weigh, expected }) {
  const pending = new Array(size);
  let sum = 0;
  let batches = 0;
  let now = performance.now();
  const start = now;
  const end = start + millis;
  while ((now < end && batches < MAX_CALLS) || batches === 0) {
    const before = now;
    for (let index = 0; index < size; index++) {
      pending[index] = call(argument);
    }
    for (const answer of await Promise.all(pending)) {
      sum += weigh(answer);
    }
    now = performance.now();
    latencies[batches++] = ((now - before) * 1e3) / size;
  }
  const calls = batches * size;
  strictEqual(sum, expected(calls));
  return { calls, micros: (now - start) * 1e3, ...percentiles(batches) };
}

/** Batches of calls that must all reject, with `message`. */
export async function failuresInBatches(call, argument, { millis, size, message }) {
  const fail = (each) =>
    call(each).then(
      () => 0,
      (error) => (error.message === message ? 1 : 0),
    );
  return inBatches(fail, argument, { millis, size, weigh: (one) => one, expected: (calls) => calls });
}

/** `calls` single calls, before each of which both sides have been left alone: `silence()` resolves after a while. */
export async function afterSilence(call, argument, { calls, silence, weigh, expected }) {
  let sum = 0;
  let micros = 0;
  for (let index = 0; index < calls; index++) {
    await silence();
    const before = performance.now();
    const answer = await call(argument);
    latencies[index] = (performance.now() - before) * 1e3;
    micros += latencies[index];
    sum += weigh(answer);
  }
  strictEqual(sum, expected(calls));
  return { calls, micros, ...percentiles(calls) };
}

function chunkFor(micros) {
  return Math.max(1, Math.min(MAX_CHUNK, Math.floor(CHUNK_MICROS / micros)));
}

function percentiles(count) {
  const sorted = latencies.subarray(0, count).sort();
  return { p50: quantile(sorted, 0.5), p99: quantile(sorted, 0.99) };
}
