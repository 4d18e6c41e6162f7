/** The judge of guard.mjs: how many times faster a worker was than its counterpart, and whether that is enough. */

/** Fewer rounds show nothing. */
const LEAST_ROUNDS = 3;

/**
 * `turns` are the rounds of the worker, `others` those of its counterpart. Returns the `ratio`, and the `problem` if
 * there is one: the ratio is below the bound, or something was not measured.
 *
 * Load beside them adds to times and never takes away. So each side counts by its best round, and in it by the median
 * of the calls.
 */
export function judge(turns, others, bound) {
  const problem = problemOf(turns) ?? problemOf(others);
  if (problem !== undefined) {
    return { problem };
  }
  const ratio = best(others) / best(turns);
  // Also if the bound is no number.
  return ratio >= bound ? { ratio } : { ratio, problem: `the ratio is ${ratio.toFixed(2)}, below ${bound}` };
}

/** The time of the best round, in microseconds. */
export function best(turns) {
  return Math.min(...turns.map(({ p50 }) => p50));
}

function problemOf(turns = []) {
  const failed = turns.find(({ failure }) => failure !== undefined);
  if (failed !== undefined) {
    return failed.failure;
  }
  if (turns.length < LEAST_ROUNDS) {
    return `${turns.length} rounds were measured, fewer than ${LEAST_ROUNDS}`;
  }
  if (turns.some(({ calls }) => !(calls > 0))) {
    return "a round made no call";
  }
  const wrong = turns.find(({ p50 }) => !(p50 > 0 && p50 < Number.POSITIVE_INFINITY));
  return wrong && `a round took ${wrong.p50} us`;
}
