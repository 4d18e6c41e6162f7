/** How contenders fail, and what is reported of that. */
import { setTimeout as sleep } from "node:timers/promises";

/**
 * Starts a contender's workers, lets them work and stops them. Returns what the work returns, or the contender's
 * `failure`, so that the others still have their turns.
 */
export async function attempt(contender, workers, work) {
  try {
    try {
      await contender.start(workers);
      return await work();
    } finally {
      await contender.stop();
    }
  } catch (error) {
    return { failure: sentenceOf(error) };
  }
}

/** The first failure in a contender's turns. */
export function failureOf(turns) {
  return turns.find(({ failure }) => failure !== undefined)?.failure;
}

/** The first line of an error's message. */
export function sentenceOf(error) {
  return String(error?.message ?? error).split("\n", 1)[0];
}

/** Resolves with what the promise does, and rejects if that takes longer. */
export async function within(millis, promise) {
  const timer = new AbortController();
  const late = sleep(millis, undefined, { signal: timer.signal }).then(() => {
    throw new Error(`no answer within ${millis / 1e3} s`);
  });
  late.catch(() => {});
  try {
    return await Promise.race([promise, late]);
  } finally {
    timer.abort();
  }
}
