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
    return { failure: error instanceof Error ? error.message.split("\n", 1)[0] : String(error) };
  }
}

/** The first failure in a contender's turns. */
export function failureOf(turns) {
  return turns.find(({ failure }) => failure !== undefined)?.failure;
}
