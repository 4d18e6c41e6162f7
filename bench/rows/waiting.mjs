/**
 * Open arrivals: calls come when they come, whether or not earlier ones have been answered. How long does each wait
 * until a worker begins it? Waiting counts from the time when the call was due, so that a host that is late with it
 * doesn't win by that.
 *
 * A call blocks its worker and leaves the processor alone. With calls that spin, two workers and the host would fight
 * for two cores, and the kernel would decide more than the pools do.
 */
import { ok, strictEqual } from "node:assert/strict";
import { Worker } from "node:worker_threads";
import { now } from "../arrival-tasks.mjs";
import { attempt, within } from "../failures.mjs";
import { leastWaits, mixed, short, withLong } from "../schedule.mjs";
import { quantile } from "../statistics.mjs";

const WORKERS = 2;
const LOAD = 0.75;
const WARM_CALLS = 40;
const WARM_MILLIS = 1;
/** The first call is due that long after a schedule begins. */
const LEAD_MILLIS = 50;
/** A contender that has not answered so long after the last arrival has lost a call. */
const PATIENCE_MILLIS = 20_000;
/** A quick run plays one in so many calls. */
const QUICK_SHARE = 5;
/** Those with a queue of their own, in the two rows that take seconds for each contender. */
const POOLS = ["knitting thread", "knitting process", "piscina", "tinypool"];
/** Not a contender: the waits in one queue, first come first served, if handing over a call takes no time. */
const LEAST = { name: "at least, computed", kind: "computed", ours: false };

const LOAD_PERCENT = `${LOAD * 100} %`;

export const waitingRows = [
  row({ group: "waiting", what: "calls of 1 to 50 ms", schedule: mixed, calls: 150, among: () => true }),
  row({ group: "arrivals", what: "calls of 5 ms on average", schedule: short, calls: 500 }),
  row({ group: "arrivals", what: "the same and one of 2 s in each 200", schedule: withLong, calls: 500 }),
];

/** The row's figure is the p99 of waiting in milliseconds. Each round has a schedule of its own. */
function row({ group, what, schedule, calls, among = (name) => POOLS.includes(name) }) {
  return {
    id: `waiting, ${what}`,
    group,
    title: `p99 of waiting: ${what}, open arrivals, load ${LOAD_PERCENT}, ${WORKERS} workers`,
    unit: "ms",
    better: "lower",
    slow: group === "arrivals",
    contenders: (all) => [...all, LEAST],
    excluded: (name) => (name === LEAST.name || among(name) ? undefined : "it takes minutes"),
    baseline: () => (among("postMessage") ? "postMessage" : "piscina"),
    async turn(contender, { round, quick }) {
      const due = schedule(round + 1, {
        calls: quick ? calls / QUICK_SHARE : calls,
        workers: WORKERS,
        load: LOAD,
      });
      if (contender === LEAST) {
        return figures(leastWaits(due, WORKERS));
      }
      return attempt(contender, WORKERS, () => playWarm(contender, due));
    },
  };
}

function figures(waits) {
  const sorted = Float64Array.from(waits).sort();
  const [p50, p99] = [0.5, 0.99].map((share) => quantile(sorted, share));
  return { value: p99, p50, p99 };
}

/** How long each call waited, in milliseconds. */
async function playWarm(contender, calls) {
  await Promise.all(
    Array.from({ length: WARM_CALLS }, (_, index) => ask(contender, { index, millis: WARM_MILLIS })),
  );
  return figures(await play(contender, calls));
}

async function play(contender, calls) {
  const clock = new Worker(new URL("../arrival-clock.mjs", import.meta.url));
  const start = now() + LEAD_MILLIS;
  const due = calls.map(({ at }) => start + at);
  const answers = new Promise((resolve, reject) => {
    const begun = [];
    clock.on("error", reject);
    clock.on("message", (index) => {
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
    const ready = await within(patience, answers);
    return ready.map((time, index) => time - due[index]);
  } finally {
    await clock.terminate();
  }
}

/**
 * Makes a call. Resolves with the time when its answer came, less the time for which its worker was busy with it: when
 * that began, with the way back. So host and worker need no common clock: that of Deno and Bun begins with the process.
 */
async function ask({ tasks }, { index, millis }) {
  const answer = await tasks.serve({ index, millis });
  const taken = answer.ended - answer.begun;
  strictEqual(answer.index, index, "a call got the answer of another one");
  ok(taken >= millis, "a call took less time than it should");
  return now() - taken;
}
