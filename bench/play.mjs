/**
 * One sitting: the contenders take turns in many short rounds, so that other load on the machine affects all of them
 * alike.
 *
 * Before each turn there is a pause in which the previous contender falls asleep, because this package's workers spin
 * for a moment before they do, and its young garbage is collected. A turn's own garbage counts as far as it is collected
 * in the turn.
 *
 * The contenders of `standing` rows have one worker each, for the whole sitting. Other rows start and stop them.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { failureOf, sentenceOf, within } from "./failures.mjs";
import { collectGarbage } from "./garbage.mjs";
import { inTurn } from "./in-turn.mjs";

const PAUSE_MILLIS = 2;
/** A contender that takes longer for a turn has lost a call. */
const PATIENCE_MILLIS = 30_000;

/**
 * Plays at least `rounds`, and for at least `seconds`, after `warmRounds`, in which rows that are `warming` have short
 * turns that do not count, because code becomes fast by being used. A turn of a row lasts for `millis`, in a warm round
 * for `warmMillis`.
 *
 * Returns the number of `rounds`, and for each row, by its id, the turns of each contender, by its name: what `row.turn`
 * returned, or a `failure`. Who has failed in a row plays on in the others. `reasons` tells likewise what is not measured
 * and why.
 */
export async function play(what, onProgress) {
  const { rows, contenders, rounds: least, seconds = 0, warmRounds, millis, warmMillis } = what;
  const { quick, lineUp, patienceMillis = PATIENCE_MILLIS } = what;
  const standing = rows.some((row) => row.standing)
    ? contenders.filter(({ cannot }) => cannot?.start === undefined)
    : [];
  /** Why contenders could not be started. */
  const out = new Map();
  const start = async (contender) => {
    try {
      await within(patienceMillis, contender.start(1));
    } catch (error) {
      out.set(contender, sentenceOf(error));
    }
  };
  const stop = (contender) => within(patienceMillis, contender.stop()).catch(() => {});
  const takeTurn = async (row, contender, context) => {
    if (out.has(contender)) {
      return { failure: out.get(contender) };
    }
    await sleep(PAUSE_MILLIS);
    collectGarbage({ type: "minor" });
    try {
      await within(patienceMillis, row.warm?.(contender, context));
      const loops = await loopsOf(contender);
      return await within(patienceMillis, row.turn(contender, { ...context, loops }));
    } catch (error) {
      if (row.standing) {
        // Its next rows get a fresh worker.
        await stop(contender);
        await start(contender);
      }
      return { failure: sentenceOf(error) };
    }
  };

  for (const contender of standing) {
    onProgress(`${contender.name} starts`);
    await start(contender);
  }
  const figures = {};
  const reasons = {};
  for (const row of rows) {
    const players = playersOf(row, contenders);
    reasons[row.id] = reasonsAgainst(row, players);
    figures[row.id] = Object.fromEntries(players.map(({ name }) => [name, []]));
  }
  const end = performance.now() + seconds * 1e3;
  let round = -warmRounds;
  for (; round < least || performance.now() < end; round++) {
    const counts = round >= 0;
    const context = { round, quick, lineUp, millis: counts ? millis : warmMillis };
    for (const row of counts ? rows : rows.filter(({ warming }) => warming)) {
      onProgress(`${row.title}, ${counts ? `round ${round + 1}` : "warming up"}`);
      const turnsOf = ({ name }) => figures[row.id][name];
      const playing = playersOf(row, contenders).filter(
        (contender) =>
          reasons[row.id][contender.name] === undefined && failureOf(turnsOf(contender)) === undefined,
      );
      for (const contender of inTurn(playing, round + warmRounds)) {
        const turn = await takeTurn(row, contender, context);
        if (counts || turn.failure !== undefined) {
          turnsOf(contender).push(turn);
        }
      }
    }
  }
  for (const contender of standing.filter((each) => !out.has(each))) {
    await stop(contender);
  }
  for (const row of rows) {
    await row.end?.();
  }
  return { figures, reasons, rounds: round };
}

/** The contenders of a row: those that it brings, or all. */
export function playersOf(row, contenders) {
  return row.contenders?.(contenders) ?? contenders;
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
  return import(new URL(`rows/loops.mjs?${encodeURIComponent(name)}`, import.meta.url).href);
}
