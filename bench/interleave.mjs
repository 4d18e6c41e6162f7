/**
 * The contenders take turns in many short rounds, so that other load on the machine affects all of them alike.
 *
 * The order changes from round to round, so that no contender always follows the same other one. Before each turn there
 * is a pause in which the previous contender falls asleep, because this package's workers spin for a moment before they
 * do.
 */
import { setTimeout as sleep } from "node:timers/promises";

const PAUSE_MILLIS = 2;
/** Warm-up rounds, which are not counted, because code becomes fast by being used. */
const WARM_ROUNDS = 3;
const LEAST_ROUNDS = 3;

/**
 * Lets the contenders of each event play its scenario, all events in each round, for `seconds`, or for a number of
 * `rounds` without warm-up. Returns the number of rounds. The measurements are in the events' figures:
 * `event.figures.get(contender)[round]`.
 */
export async function interleave(events, { seconds = 0, rounds }, onRound) {
  const end = performance.now() + seconds * 1e3;
  const least = rounds ?? LEAST_ROUNDS;
  const warm = rounds === undefined ? WARM_ROUNDS : 0;
  let round = -warm;
  for (; round < least || performance.now() < end; round++) {
    onRound(round);
    for (const { scenario, figures } of events) {
      for (const contender of inTurn([...figures.keys()], round + warm)) {
        await sleep(PAUSE_MILLIS);
        await scenario.warm(contender);
        const measured = await scenario.turn(contender, round);
        if (round >= 0) {
          figures.get(contender).push(measured);
        }
      }
    }
  }
  return round;
}

/**
 * The order of a round: from the first one alternating between both ends, 0, 1, last, 2, last but one and so on,
 * rotated by one in each round and reversed every other time around. Each contender then has its turn after each of the
 * others equally often (Williams, 1949).
 */
export function inTurn(contenders, round) {
  const count = contenders.length;
  const order = contenders.map((_, place) => {
    const step = place % 2 === 1 ? (place + 1) / 2 : count - place / 2;
    return contenders[(step + round) % count];
  });
  return Math.floor(round / count) % 2 === 0 ? order : order.reverse();
}
