/**
 * How much of the suite runs, and how often repeated tests repeat.
 *
 * ```text
 *   npm test -- --fast     fast    for work: a thread and Node, no container
 *   npm test               gate    before each push: every behaviour, on each kind of worker that it could differ on
 *   npm run verify:soak    soak    before a release: everything on every kind, and the long repetitions
 * ```
 */
export type Scope = "fast" | "gate" | "soak";

const SCOPES: readonly Scope[] = ["fast", "gate", "soak"];

export const scope = scopeNamed(process.env.TEST_SCOPE ?? "gate");

function scopeNamed(name: string): Scope {
  const found = SCOPES.find((each) => each === name);
  if (found === undefined) {
    throw new Error(`TEST_SCOPE is "${name}", it must be one of ${SCOPES.join(", ")}`);
  }
  return found;
}

function repetitions(fast: number, gate: number, soak: number): number {
  return { fast, gate, soak }[scope];
}

/** Random values that are sent to a worker of each kind and come back. */
export const RANDOM_VALUES = repetitions(1_000, 10_000, 100_000);
/** Random values from which those are drawn. Fewer values don't cover the grammar. */
export const DRAWN_VALUES = repetitions(10_000, 20_000, 20_000);
/** Calls that come and go while a task keeps its argument, for each of four sizes. */
export const CALLS_MEANWHILE = repetitions(1_000, 2_500, 10_000);
/** Runs of the decoder over each of the four sorts of hostile bytes. */
export const HOSTILE_DECODES = repetitions(10_000, 50_000, 250_000);
/** Workers that are killed, one after the other, under one host. */
export const KILLED_WORKERS = repetitions(10, 100, 1_000);
/** Calls that wait when their worker dies. More than a function can take as arguments, except in the fast scope. */
export const WAITING_CALLS = {
  node: repetitions(20_000, 140_000, 200_000),
  // They wait in the host, which does not hang on what the worker is.
  others: repetitions(20_000, 20_000, 200_000),
};
/** Workers that are killed, each a moment later than the one before, while they reply. */
export const REPLIES_CUT_SHORT = repetitions(2, 5, 10);
/** Calls at once in a lane that has space for a thousand. */
export const CALLS_AT_ONCE = repetitions(20_000, 200_000, 1_000_000);
/** Hosts that are killed in each phase of their workers' lives, for the common transports and for the others. */
export const KILLED_HOSTS = { common: repetitions(1, 3, 10), others: repetitions(1, 1, 3) };
/** Those that are killed at most where their workers are held at a barrier, so that one is as the other. */
export const KILLED_AT_BARRIER = repetitions(1, 1, 10);
/** Calls while workers are recycled and killed. Each hundred of them costs a worker. */
export const CALLS_AMID_KILLS = {
  thread: repetitions(2_000, 8_000, 100_000),
  process: repetitions(1_000, 4_000, 100_000),
};
/** Calls whose hosts and workers sleep at random moments, over all kinds of workers together. */
export const CALLS_AMID_SLEEP = repetitions(10_000, 100_000, 10_000_000);
/** Worker threads that end with a live lane, on each version of Node. */
export const TERMINATED_THREADS = repetitions(25, 200, 1_000);
