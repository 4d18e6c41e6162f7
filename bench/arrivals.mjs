/**
 * Open arrivals: calls come when they come, whether or not earlier ones have been answered. How long does each wait
 * until a worker begins it? Waiting counts from the time when the call was due, so that a host that is late with it
 * doesn't win by that.
 *
 * A call blocks its worker and leaves the processor alone. With calls that spin, two workers and the host would fight
 * for two cores, and the kernel would decide more than the pools do.
 */
import { ok, strictEqual } from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { Worker } from "node:worker_threads";
import { now } from "./arrival-tasks.mjs";
import { attempt } from "./attempt.mjs";
import { leastWaits, schedule } from "./schedule.mjs";

const WORKERS = 2;
const LOAD = 0.75;
const CALLS = 1500;
const SERVICE_MILLIS = 5;
/** A schedule is played in parts, each from idle workers to the last answer, so that contenders take turns. */
export const PARTS = 3;
const WARM_CALLS = 40;
const WARM_MILLIS = 1;
/** The first call of a part is due that long after the part begins. */
const LEAD_MILLIS = 50;
/** A contender that has not answered so long after the last arrival has lost a call. */
const PATIENCE_MILLIS = 20_000;

const LOAD_PERCENT = `${LOAD * 100} %`;

export const shortCalls = openArrivals(`open arrivals, calls of ${SERVICE_MILLIS} ms, load ${LOAD_PERCENT}`);
export const someLongCalls = openArrivals(
  `open arrivals, calls of ${SERVICE_MILLIS} ms and one of 2 s in each 200, load ${LOAD_PERCENT}`,
  { every: 200, millis: 2000 },
);

function openArrivals(title, long) {
  const calls = schedule({ calls: CALLS, workers: WORKERS, load: LOAD, millis: SERVICE_MILLIS, long });
  const parts = inParts(calls);
  return {
    title,
    /** How long the calls of the first parts wait at least. */
    least: (rounds) => parts.slice(0, rounds).flatMap((part) => leastWaits(part, WORKERS)),
    async warm() {},
    turn: (contender, round) => attempt(contender, WORKERS, () => playWarm(contender, parts[round])),
  };
}

/** The times of each part count from the last arrival before it. */
function inParts(calls) {
  const length = calls.length / PARTS;
  return Array.from({ length: PARTS }, (_, part) => {
    const first = part * length;
    const start = first === 0 ? 0 : calls[first - 1].at;
    return calls.slice(first, first + length).map(({ at, millis }) => ({ at: at - start, millis }));
  });
}

/** Returns in milliseconds how long each call waited, and how late the host made it. */
async function playWarm(contender, calls) {
  await Promise.all(
    Array.from({ length: WARM_CALLS }, (_, index) => ask(contender, { index, millis: WARM_MILLIS })),
  );
  return play(contender, calls);
}

async function play(contender, calls) {
  const clock = new Worker(new URL("./arrival-clock.mjs", import.meta.url));
  const start = now() + LEAD_MILLIS;
  const due = calls.map(({ at }) => start + at);
  const late = [];
  const answers = new Promise((resolve, reject) => {
    const begun = [];
    clock.on("error", reject);
    clock.on("message", (index) => {
      late.push(now() - due[index]);
      begun.push(ask(contender, { index, millis: calls[index].millis }));
      // A failure is heard at once, not after the last arrival.
      begun[index].catch(reject);
      if (begun.length === calls.length) {
        resolve(Promise.all(begun));
      }
    });
    clock.postMessage(due);
  });
  const patience = calls.at(-1).at + PATIENCE_MILLIS;
  try {
    const begun = await within(patience, answers);
    return { waits: begun.map((time, index) => time - due[index]), late };
  } finally {
    await clock.terminate();
  }
}

/** Makes a call. Resolves with the time when its worker began it. */
async function ask(contender, { index, millis }) {
  const sent = now();
  const answer = await contender.tasks.serve({ index, millis });
  strictEqual(answer.index, index, "a call got the answer of another one");
  ok(answer.ended - answer.begun >= millis, "a call took less time than it should");
  ok(sent <= answer.begun && answer.ended <= now(), "the clocks of host and worker differ");
  return answer.begun;
}

async function within(millis, promise) {
  const timer = new AbortController();
  const late = sleep(millis, undefined, { signal: timer.signal }).then(() => {
    throw new Error(`no answer to some calls after ${Math.round(millis / 1e3)} s`);
  });
  late.catch(() => {});
  try {
    return await Promise.race([promise, late]);
  } finally {
    timer.abort();
  }
}
