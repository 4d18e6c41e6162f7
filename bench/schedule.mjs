/** Calls that arrive as chance has it: the same for each contender, and in each run. */

/** Draws after which a generator with a small seed is mixed. */
const MIXING = 20;
const SHORT_MILLIS = 5;
const LONG = { millis: 2000, every: 200 };
const MIXED = { shortest: 1, longest: 50 };

/** A schedule is a list of calls `{ at, millis }`, in the order of their arrival; both are in milliseconds. */

/** Calls whose durations are distributed exponentially. */
export function short(seed, options) {
  return schedule(seed, exponential, options);
}

/** The same, where one call in each 200 takes 2 s. */
export function withLong(seed, options) {
  return schedule(seed, exponential, options, (millis, index) =>
    index % LONG.every === LONG.every / 2 ? LONG.millis : millis,
  );
}

/** Calls of 1 to 50 ms: as many between 1 and 2 ms as between 2 and 4, and so on. */
export function mixed(seed, options) {
  const { shortest, longest } = MIXED;
  return schedule(seed, (random) => shortest * (longest / shortest) ** random(), options);
}

/**
 * The gaps between calls are distributed exponentially. All calls together take `load` of the time of `workers` until
 * the last one arrives.
 */
function schedule(seed, draw, { calls, workers, load }, change = (millis) => millis) {
  const random = generator(seed);
  const gaps = Array.from({ length: calls }, () => exponential(random));
  const durations = gaps.map(() => draw(random)).map(change);
  const scale = sum(durations) / (workers * load) / sum(gaps);
  let at = 0;
  return gaps.map((gap, index) => {
    at += gap * scale;
    return { at, millis: durations[index] };
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
  return -SHORT_MILLIS * Math.log(1 - random());
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
