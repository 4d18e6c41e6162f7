/** Chooses the worker that gets the next call. */

/** The strategies, as the option `balancer` names them. */
export type Strategy = "roundRobin" | "firstIdle" | "randomLane" | "firstIdleOrRandom";

export const STRATEGIES: readonly Strategy[] = ["roundRobin", "firstIdle", "randomLane", "firstIdleOrRandom"];

/** What a strategy chooses from: a supervised worker of the pool. */
export interface Candidate {
  /** Whether a worker runs or is being started. */
  readonly available: boolean;
  /** Whether the worker was given up, so that no worker will be started any more. */
  readonly broken: boolean;
  /** Whether calls are answered now. */
  readonly ready: boolean;
  /** Number of calls that the worker has and has not answered. */
  readonly load: number;
}

/**
 * Returns a function that chooses the next of `candidates`, a list of at least one. A candidate that is still booting
 * is chosen only if none is ready, or if all ready ones are busy and the strategy prefers idle ones. A candidate that
 * is not available is chosen only if none is available, and a broken one only if all are broken: it knows the error to
 * reject with.
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

/** The first idle candidate. A ready one comes before one that is still booting. */
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

/** The first of the candidates with the fewest calls. */
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

/**
 * If none is available: the first, counted from `first`, that will have a worker; otherwise a broken one, which knows
 * why.
 */
function lastResort<T extends Candidate>(candidates: readonly T[], first = 0): T {
  const turned = [...candidates.slice(first), ...candidates.slice(0, first)];
  return turned.find(({ broken }) => !broken) ?? turned[0];
}
