/**
 * One sitting: the contenders take turns in many short rounds, so that other load on the machine affects all of them
 * alike.
 *
 * Before each turn there is a pause in which the previous contender falls asleep, because this package's workers spin for a moment before they
 * do, and its young garbage is collected. A turn's own garbage counts as far as it is collected in the turn.
 *
 * The contenders of `standing` rows have one worker each, for the whole sitting. Other rows start and stop them.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { inTurn } from "./interleave.mjs";

const PAUSE_MILLIS = 2;
/** A contender that takes longer for a turn has lost a call. */
const PATIENCE_MILLIS = 30_000;

/**
 * Plays at least `rounds`, and for at least `seconds`, after `warmRounds`, in which rows that are `warming` have short turns
 * that do not count, because code becomes fast by being used.
 * Returns for each row, by its id, the turns of each contender, by its name: what `row.turn` returned, or a `failure`.
 * `reasons` tells likewise what is not measured and why. `rounds` is
 * the number of rounds that counted.
 */
export async function play(what, onProgress) {
  const {
    rows,
    contenders,
    rounds: least,
    seconds = 0,
    warmRounds,
    millis,
    warmMillis,
    quick,
    lineUp,
  } = what;
  const standing = rows.some((row) => row.standing) ? contenders : [];
  const out = new Map();
  for (const contender of standing.filter((each) => !each.cannot?.start)) {
    onProgress(`${contender.name} starts`);
    await restart(contender, out);
  }
  const figures = {};
  const reasons = {};
  for (const row of rows) {
    const players = playersOf(row, contenders);
    reasons[row.id] = reasonsAgainst(row, players);
    figures[row.id] = Object.fromEntries(
      players.filter(({ name }) => reasons[row.id][name] === undefined).map(({ name }) => [name, []]),
    );
  }
  const end = performance.now() + seconds * 1e3;
  let round = -warmRounds;
  for (; round < least || performance.now() < end; round++) {
    const counts = round >= 0;
    for (const row of rows) {
      if (!counts && !row.warming) {
        continue;
      }
      onProgress(`${row.title}, ${counts ? `round ${round + 1}` : "warming up"}`);
      const playing = playersOf(row, contenders).filter(({ name }) => figures[row.id][name] !== undefined);
      for (const contender of inTurn(playing, round + warmRounds)) {
        const context = { round, quick, lineUp, millis: counts ? millis : warmMillis };
        const turn = out.has(contender)
          ? { failure: out.get(contender) }
          : await takeTurn(row, contender, context, out);
        if (counts || turn.failure !== undefined) {
          figures[row.id][contender.name].push(turn);
        }
      }
    }
  }
  for (const contender of standing.filter((each) => !each.cannot?.start && !out.has(each))) {
    await within(contender.stop()).catch(() => {});
  }
  return { figures, reasons, rounds: round };
}

/** The contenders of a row: those that it brings, or all. */
export function playersOf(row, contenders) {
  return row.contenders?.(contenders) ?? contenders;
}

async function takeTurn(row, contender, context, out) {
  await sleep(PAUSE_MILLIS);
  globalThis.gc?.({ type: "minor" });
  try {
    await within(row.warm?.(contender));
    return await within(row.turn(contender, { ...context, loops: await loopsOf(contender) }));
  } catch (error) {
    if (row.standing) {
      // Its next rows get a fresh worker.
      await within(contender.stop()).catch(() => {});
      await restart(contender, out);
    }
    return { failure: firstLine(error) };
  }
}

async function restart(contender, out) {
  try {
    await within(contender.start(1));
  } catch (error) {
    out.set(contender, firstLine(error));
  }
}

/** Why contenders don't play a row, by their names. */
export function reasonsAgainst({ needs = [], excluded }, players) {
  const reasons = players.map(({ name, cannot = {} }) => [
    name,
    ["start", ...needs].map((need) => cannot[need]).find(Boolean) ?? excluded?.(name),
  ]);
  return Object.fromEntries(reasons.filter(([, reason]) => reason !== undefined));
}

/** See rows/loops.mjs. */
function loopsOf({ name }) {
  return import(`./rows/loops.mjs?${encodeURIComponent(name)}`);
}

async function within(promise) {
  const timer = new AbortController();
  const late = sleep(PATIENCE_MILLIS, undefined, { signal: timer.signal }).then(() => {
    throw new Error(`no answer within ${PATIENCE_MILLIS / 1e3} s`);
  });
  late.catch(() => {});
  try {
    return await Promise.race([promise, late]);
  } finally {
    timer.abort();
  }
}

function firstLine(error) {
  return error instanceof Error ? error.message.split("\n", 1)[0] : String(error);
}
