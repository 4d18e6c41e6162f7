/** Chooses the worker that gets a call, among those that are free for it. */

/** The strategies, as the option `balancer` names them. */
export type Strategy = "roundRobin" | "firstIdle" | "randomLane" | "firstIdleOrRandom";

export const STRATEGIES: readonly Strategy[] = ["roundRobin", "firstIdle", "randomLane", "firstIdleOrRandom"];

/** What a strategy chooses from: a supervised worker of the pool. */
export interface Candidate {
  /** Whether the worker can have a call of this task now. */
  isFree(task: number): boolean;
  /** Number of calls that the worker has and has not answered. */
  readonly load: number;
}

/**
 * Returns a function that chooses one of `candidates` for a call of a task. It returns undefined if none is free for it:
 * the call then waits. The list may change between two calls.
 */
export function balancer<T extends Candidate>(
  strategy: Strategy,
  candidates: readonly T[],
): (task: number) => T | undefined {
  switch (strategy) {
    case "roundRobin":
      return roundRobin(candidates);
    case "firstIdle":
      return (task) => firstIdle(candidates, task) ?? leastLoaded(candidates, task);
    case "randomLane":
      return (task) => anyOf(candidates, task);
    case "firstIdleOrRandom":
      return (task) => firstIdle(candidates, task) ?? anyOf(candidates, task);
  }
}

function roundRobin<T extends Candidate>(candidates: readonly T[]): (task: number) => T | undefined {
  let next = 0;
  return (task) => {
    for (let tries = candidates.length; tries > 0; tries--) {
      next = next < candidates.length ? next : 0;
      const candidate = candidates[next++];
      if (candidate.isFree(task)) {
        return candidate;
      }
    }
    return undefined;
  };
}

function firstIdle<T extends Candidate>(candidates: readonly T[], task: number): T | undefined {
  return candidates.find((candidate) => candidate.load === 0 && candidate.isFree(task));
}

/** The first of the free candidates with the fewest calls. */
function leastLoaded<T extends Candidate>(candidates: readonly T[], task: number): T | undefined {
  let least: T | undefined;
  for (const candidate of candidates) {
    if ((least === undefined || candidate.load < least.load) && candidate.isFree(task)) {
      least = candidate;
    }
  }
  return least;
}

function anyOf<T extends Candidate>(candidates: readonly T[], task: number): T | undefined {
  const candidate = oneOf(candidates);
  return candidate?.isFree(task) === true
    ? candidate
    : oneOf(candidates.filter((candidate) => candidate.isFree(task)));
}

function oneOf<T>(candidates: readonly T[]): T | undefined {
  return candidates[Math.floor(Math.random() * candidates.length)];
}
