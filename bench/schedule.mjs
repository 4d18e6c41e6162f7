/** Calls that arrive as chance has it, the same in every run. */

/** A seed with which the median call waits for a worker in each schedule of the benchmark. */
const SEED = 7;
/** Draws after which a generator with a small seed is mixed. */
const MIXING = 20;

/**
 * A list of calls `{ at, millis }`, in the order of their arrival. The gaps between them and the times that they take
 * are distributed exponentially. `long` makes one call in each `every` take `millis` instead. All calls together take
 * `load` of the time of `workers` until the last one arrives.
 */
export function schedule({ calls, workers, load, millis, long }) {
  const random = generator(SEED);
  const gaps = Array.from({ length: calls }, () => exponential(random));
  const taken = scaled(
    gaps.map(() => exponential(random)),
    millis * calls,
  ).map((each, index) => (long && index % long.every === long.every / 2 ? long.millis : each));
  let at = 0;
  return scaled(gaps, sum(taken) / (workers * load)).map((gap, index) => {
    at += gap;
    return { at, millis: taken[index] };
  });
}

/** How long each call waits if `workers` share one queue and handing over a call takes no time. */
export function leastWaits(calls, workers) {
  const free = new Array(workers).fill(0);
  return calls.map(({ at, millis }) => {
    const first = free.indexOf(Math.min(...free));
    const begun = Math.max(at, free[first]);
    free[first] = begun + millis;
    return begun - at;
  });
}

function exponential(random) {
  return -Math.log(1 - random());
}

function scaled(values, total) {
  const factor = total / sum(values);
  return values.map((value) => value * factor);
}

function sum(values) {
  return values.reduce((total, value) => total + value, 0);
}

/** Numbers from 0 to 1 that only depend on the seed (Marsaglia, 2003). */
export function generator(seed) {
  let state = seed;
  const next = () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
  for (let draw = 0; draw < MIXING; draw++) {
    next();
  }
  return next;
}
