/**
 * What a run plays: a list of parts, one after the other. A part is a number of sittings with the same rows on a machine
 * with the same load.
 */

/** The groups whose rows start and stop their workers themselves, with the number of their rounds. */
const ROUNDS = {
  memory: { whole: 3, quick: 1 },
  start: { whole: 8, quick: 2 },
  workers: { whole: 3, quick: 1 },
  waiting: { whole: 4, quick: 1 },
  server: { whole: 3, quick: 1 },
  arrivals: { whole: 2 },
  recycling: { whole: 2 },
};

/**
 * V8 needs some 50 ms of a contender's calls until their code is what it stays: before that, calls with objects take five
 * times as long. A quick run has no time for that.
 */
export const STANDING = {
  whole: { sittings: 3, rounds: 2, warmRounds: 3, millis: 25, warmMillis: 25 },
  quick: { sittings: 1, rounds: 2, warmRounds: 1, millis: 5, warmMillis: 10 },
};
/** On a busy machine a turn has to last longer than a few of the kernel's time slices. */
const ON_BUSY = {
  whole: { sittings: 5, rounds: 2, warmRounds: 1, millis: 80, warmMillis: 60 },
  quick: { sittings: 1, rounds: 1, warmRounds: 0, millis: 40 },
};
const OWN = {
  whole: { sittings: 1, warmRounds: 0, millis: 25 },
  quick: { sittings: 1, warmRounds: 0, millis: 10 },
};

/** The parts in which `all` rows are played. A quick run has none for those that are slow. */
export function plan(all, { quick, loads }) {
  const length = quick ? "quick" : "whole";
  const rows = all.filter(({ slow }) => !(quick && slow));
  const standing = rows.filter((row) => row.standing);
  const idle = loads.includes("idle");
  const own = Object.entries(ROUNDS).map(([group, rounds]) => ({
    ...OWN[length],
    rounds: rounds[length],
    load: "idle",
    rows: rows.filter((row) => row.group === group),
  }));
  const busy = loads
    .filter((load) => load !== "idle")
    .map((load) => ({ ...ON_BUSY[length], load, fresh: true, rows: standing.filter((row) => row.busy) }));
  return [...(idle ? [{ ...STANDING[length], load: "idle", rows: standing }, ...own] : []), ...busy].filter(
    (part) => part.rows.length > 0,
  );
}
