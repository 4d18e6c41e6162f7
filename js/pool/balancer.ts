/** Which worker gets the next call. */

/** The ways to choose, as the option `balancer` names them. */
export type Strategy = "roundRobin" | "firstIdle" | "randomLane" | "firstIdleOrRandom";

export const STRATEGIES: readonly Strategy[] = ["roundRobin", "firstIdle", "randomLane", "firstIdleOrRandom"];

/** What is chosen from: a slot of the pool. */
export interface Candidate {
  /** Whether there is a worker, or one on its way. */
  readonly available: boolean;
  /** Whether it was given up: there will be no worker any more. */
  readonly broken: boolean;
  /** Whether calls are answered now. */
  readonly ready: boolean;
  /** Calls that it has and has not answered. */
  readonly load: number;
}

/**
 * Returns what chooses the next of `candidates`, of which there is at least one. One that is still booting is chosen only where none is
 * ready, or where those have something to do and the strategy is to spare them. One that is not available is chosen only where
 * none is, and one that is broken only where all are: it knows best what to answer then.
 */
export function balancer<T extends Candidate>(strategy: Strategy, candidates: readonly T[]): () => T {
  if (candidates.length === 1) {
    return () => candidates[0];
  }
  switch (strategy) {
    case "roundRobin":
      return roundRobin(candidates);
    case "firstIdle":
      return () => firstIdle(candidates) ?? leastLoaded(candidates) ?? lastResort(candidates);
    case "randomLane":
      return () => anyOf(candidates);
    case "firstIdleOrRandom":
      return () => firstIdle(candidates) ?? anyOf(candidates);
  }
}

function roundRobin<T extends Candidate>(candidates: readonly T[]): () => T {
  let next = 0;
  const turn = (): T => {
    const candidate = candidates[next];
    next = (next + 1) % candidates.length;
    return candidate;
  };
  const search = (state: "ready" | "available"): T | undefined => {
    for (let tries = 0; tries < candidates.length; tries++) {
      const candidate = turn();
      if (candidate[state]) {
        return candidate;
      }
    }
    return undefined;
  };
  return () => {
    const found = search("ready") ?? search("available");
    if (found === undefined) {
      turn();
    }
    return found ?? lastResort(candidates, next);
  };
}

/** The first with nothing to do, one that answers now before one that is still on its way. */
function firstIdle<T extends Candidate>(candidates: readonly T[]): T | undefined {
  let onItsWay: T | undefined;
  for (const candidate of candidates) {
    if (candidate.available && candidate.load === 0) {
      if (candidate.ready) {
        return candidate;
      }
      onItsWay ??= candidate;
    }
  }
  return onItsWay;
}

/** The first of those with the fewest calls. */
function leastLoaded<T extends Candidate>(candidates: readonly T[]): T | undefined {
  let least: T | undefined;
  for (const candidate of candidates) {
    if (candidate.available && (least === undefined || candidate.load < least.load)) {
      least = candidate;
    }
  }
  return least;
}

function anyOf<T extends Candidate>(candidates: readonly T[]): T {
  const candidate = oneOf(candidates);
  if (candidate.ready) {
    return candidate;
  }
  const ready = candidates.filter(({ ready }) => ready);
  const others = ready.length > 0 ? ready : candidates.filter(({ available }) => available);
  return others.length === 0 ? lastResort(candidates) : oneOf(others);
}

function oneOf<T>(candidates: readonly T[]): T {
  return candidates[Math.floor(Math.random() * candidates.length)];
}

/** Where none is available: from `first` on, the first that will have a worker; else that which says why there is none. */
function lastResort<T extends Candidate>(candidates: readonly T[], first = 0): T {
  const turned = [...candidates.slice(first), ...candidates.slice(0, first)];
  return turned.find(({ broken }) => !broken) ?? turned[0];
}
