/**
 * The scenarios. A scenario's `turn` lets one contender work for a few milliseconds and returns its figures. `warm`
 * runs before it unmeasured, because the contender has slept while the others had their turns.
 *
 * Times are in microseconds, rates in calls per second. Every answer is added to a sum that is checked: a contender
 * that answers wrongly, or not every call, ends the benchmark.
 */
import { deepStrictEqual, notStrictEqual, strictEqual } from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { quantile } from "./statistics.mjs";

const TURN_MILLIS = 25;
const SILENCE_MILLIS = 10;
const CALLS_AFTER_SILENCE = 4;
const WARM_CALLS = 50;
const WARM_ECHOES = 3;
/** More calls than any contender makes in a turn. */
const MAX_CALLS = 250_000;

/**
 * Latencies of the turn. The array is allocated once, because its garbage would be collected in another contender's
 * turn.
 */
const micros = new Float64Array(MAX_CALLS);

/** Sends a number and gets the next one back, one call after the other. */
export const sequentialCalls = {
  title: "x + 1, one call after the other",
  figures: ["p50", "p99", "rate"],
  ratioOf: "p50",
  warm: warmCalls,
  turn: (contender) => oneByOne((x) => contender.tasks.inc(x), identity, sumOfAnswers),
};

/** The same in batches: all calls of a batch are made before the first answer is awaited. */
export function batches(size) {
  return {
    title: `x + 1, batches of ${size} by Promise.all`,
    figures: ["rate"],
    ratioOf: "rate",
    warm: warmCalls,
    async turn(contender) {
      const calls = new Array(size);
      let count = 0;
      let sum = 0;
      let millis = 0;
      const start = performance.now();
      do {
        for (let index = 0; index < size; index++) {
          calls[index] = contender.tasks.inc(count++);
        }
        for (const answer of await Promise.all(calls)) {
          sum += answer;
        }
        millis = performance.now() - start;
      } while (millis < TURN_MILLIS);
      strictEqual(sum, sumOfAnswers(count));
      return { rate: (count / millis) * 1e3 };
    },
  };
}

/** A call when both sides have been asleep. */
export const afterSilence = {
  title: `x + 1, after ${SILENCE_MILLIS} ms of silence`,
  figures: ["p50"],
  ratioOf: "p50",
  warm: warmCalls,
  async turn(contender) {
    for (let count = 0; count < CALLS_AFTER_SILENCE; count++) {
      await sleep(SILENCE_MILLIS);
      const start = performance.now();
      const answer = await contender.tasks.inc(count);
      micros[count] = (performance.now() - start) * 1e3;
      strictEqual(answer, count + 1);
    }
    return { p50: latency(CALLS_AFTER_SILENCE, 0.5) };
  },
};

/** Sends a value with a length and gets it back, copied both ways, one call after the other. */
export function echo(what, value) {
  return {
    title: `${what}, there and back`,
    figures: ["p50", "rate"],
    ratioOf: "p50",
    async warm(contender) {
      for (let count = 0; count < WARM_ECHOES; count++) {
        const answer = await contender.tasks.echo(value);
        deepStrictEqual(answer, value);
        if (typeof value === "object") {
          notStrictEqual(answer, value);
        }
      }
    },
    turn: (contender) =>
      oneByOne(
        () => contender.tasks.echo(value),
        (answer) => answer.length,
        (count) => count * value.length,
      ),
  };
}

const START = {
  figures: ["start", "blocked"],
  ratioOf: "start",
  compared: ["start", "blocked"],
  async warm() {},
};

/** A new worker, in a process that has had others. */
export const laterStart = { ...START, title: "start of a worker", turn: timeStart };

/** The same with contenders that run in a process which has had no worker: see `contenders/fresh.mjs`. */
export const firstStart = {
  ...START,
  title: "start of the first worker in a fresh process",
  turn: (contender) => contender.timeStart(),
};

/** The time from nothing to the first answer, and the longest time for which the event loop is blocked meanwhile. */
export async function timeStart(contender) {
  const start = performance.now();
  contender.open();
  const blocked = (performance.now() - start) * 1e3;
  strictEqual(await contender.tasks.inc(0), 1);
  const answered = (performance.now() - start) * 1e3;
  await contender.stop();
  return { start: answered, blocked };
}

async function warmCalls(contender) {
  for (let x = 0; x < WARM_CALLS; x++) {
    strictEqual(await contender.tasks.inc(x), x + 1);
  }
}

/** Makes calls until the turn is over. The sum of `weigh` over the answers must be `expected` for their number. */
async function oneByOne(ask, weigh, expected) {
  const start = performance.now();
  const end = start + TURN_MILLIS;
  let before = start;
  let count = 0;
  let sum = 0;
  while (before < end && count < MAX_CALLS) {
    sum += weigh(await ask(count));
    const now = performance.now();
    micros[count++] = (now - before) * 1e3;
    before = now;
  }
  strictEqual(sum, expected(count));
  return { p50: latency(count, 0.5), p99: latency(count, 0.99), rate: (count / (before - start)) * 1e3 };
}

/** A quantile of the turn's first `count` latencies. */
function latency(count, share) {
  return quantile(micros.subarray(0, count).sort(), share);
}

/** 1 + 2 + ... + count: the sum of x + 1 for x from 0 on. */
function sumOfAnswers(count) {
  return (count * (count + 1)) / 2;
}

function identity(answer) {
  return answer;
}
