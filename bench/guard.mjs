/**
 * `node bench/guard.mjs`: the guard of `npm test`. It fails if this package's workers have become several times slower
 * than Node's own means, `postMessage` and `fork`, which are measured in the same rounds.
 *
 * It prints each ratio and its bound. A row below its bound is measured once more.
 */
import { strictEqual } from "node:assert/strict";
import { thisBuild } from "./builds.mjs";
import { Fork } from "./contenders/fork.mjs";
import { Knitting } from "./contenders/knitting.mjs";
import { PostMessage } from "./contenders/post-message.mjs";
import { best, judge } from "./judge.mjs";
import { watchOthers } from "./machine.mjs";
import { play } from "./play.mjs";
import { callRows } from "./rows/calls.mjs";

/** A fresh worker, until it has answered. */
const START = {
  id: "start of a worker",
  title: "start of a worker",
  async turn(contender) {
    const begun = performance.now();
    contender.open();
    strictEqual(await contender.tasks.inc(0), 1);
    const p50 = (performance.now() - begun) * 1e3;
    await contender.stop();
    return { calls: 1, p50 };
  },
};

/**
 * The bounds come from 35 runs under Node 20 and 24 on a virtual machine of two cores: 22 beside whatever else ran there,
 * which mostly kept both cores busy, 7 with one process more on each core that never sleeps, and 6 with two of them. A
 * bound's comment has the lowest ratio of these runs and their median. The two lie far apart where workers that don't
 * get two cores at a time sleep in each call instead of spinning: such a row fails only below that.
 *
 * Strings and calls after a silence are compared with `fork` for threads as well. `postMessage` suffers less from such
 * load than any exchange with two processes in step, so its ratio says more about the machine than about a change.
 */
const BOUNDS = [
  { id: "one number, sequential", worker: "thread", against: "postMessage", bound: 0.1 }, // 0.24, 5.4
  { id: "one number, sequential", worker: "process", against: "fork", bound: 0.12 }, // 0.27, 15
  { id: "one number, batches of 100", worker: "thread", against: "postMessage", bound: 0.5 }, // 0.88, 7.8
  { id: "one number, batches of 100", worker: "process", against: "fork", bound: 1.5 }, // 3.1, 24
  { id: "string, 1 KiB, Latin-1, batches of 100", worker: "thread", against: "fork", bound: 0.6 }, // 1.1, 4.4
  { id: "string, 1 KiB, Latin-1, batches of 100", worker: "process", against: "fork", bound: 0.6 }, // 1.2, 3.7
  { id: "bytes, 64 KiB, batches of 100", worker: "thread", against: "postMessage", bound: 0.4 }, // 0.82, 2.1
  { id: "bytes, 64 KiB, batches of 100", worker: "process", against: "fork", bound: 0.5 }, // 0.99, 4.3
  { id: "one number after 10 ms of silence", worker: "thread", against: "fork", bound: 0.25 }, // 0.76, 2.0
  { id: "one number after 10 ms of silence", worker: "process", against: "fork", bound: 0.25 }, // 0.74, 1.7
  { id: START.id, worker: "thread", against: "postMessage", bound: 0.15 }, // 0.24, 0.62
  { id: START.id, worker: "process", against: "fork", bound: 0.2 }, // 0.35, 0.78
];

/** Turns are short, so that many of them fall between those of other programs. */
const TURN = { millis: 10, warmMillis: 20, quick: true };
/** So many rounds, and for so long: more on a machine that has nothing else to do. */
const STANDING = { rounds: 6, seconds: 6, warmRounds: 3 };
const STARTS = { rounds: 5, seconds: 3, warmRounds: 0 };
/** A watchdog. */
const MOST_MILLIS = 300_000;

/** A policy removes variables, some of which cost a runtime time at its start. So no worker gets any. */
const NO_VARIABLES = { env: {} };
const WORKERS = {
  thread: { runtime: "thread", ...NO_VARIABLES },
  process: { runtime: "process", processRuntime: "node", ...NO_VARIABLES },
};

const contenders = [
  ...Object.entries(WORKERS).map(([name, worker]) => new Knitting(name, thisBuild(), { worker })),
  new PostMessage("postMessage", NO_VARIABLES),
  new Fork("fork", { serialization: "advanced", ...NO_VARIABLES }),
];

const watchdog = setTimeout(() => {
  console.error(`the guard has not come to an end within ${MOST_MILLIS / 1e3} s`);
  process.exit(1);
}, MOST_MILLIS);
const othersBusy = watchOthers();
const first = await verdicts(BOUNDS);
const below = BOUNDS.filter((_, index) => first[index].problem);
const again = await verdicts(below);
clearTimeout(watchdog);

console.log(`The guard: workers of this package beside Node's own, under Node ${process.version}.`);
console.log(`Others kept ${othersBusy().toFixed(2)} cores busy. A ratio above 1: ours are faster.\n`);
console.log(table([...first, ...again.map(({ id, ...verdict }) => ({ id: `${id}, again`, ...verdict }))]));
const last = below.length > 0 ? again : first;
for (const { id, worker, problem } of last.filter((verdict) => verdict.problem)) {
  console.error(`${id}, ${worker}: ${problem}`);
}
process.exitCode = last.length === 0 || last.some(({ problem }) => problem) ? 1 : 0;

/** Measures the rows of these bounds: what the judge says of each. */
async function verdicts(bounds) {
  const figures = await measure(bounds.map(({ id }) => id));
  return bounds.map((each) => {
    const { [each.worker]: turns, [each.against]: others } = figures[each.id] ?? {};
    return { ...each, turns, others, ...judge(turns, others, each.bound) };
  });
}

/** The turns of each contender in each row, by their names. */
async function measure(ids) {
  const standing = callRows.filter(({ id }) => ids.includes(id));
  const starting = ids.includes(START.id) ? [START] : [];
  const rounds = (rows, what) =>
    rows.length > 0 ? play({ rows, contenders, ...TURN, ...what }, () => {}) : {};
  const calls = await rounds(standing, STANDING);
  const starts = await rounds(starting, STARTS);
  return { ...calls.figures, ...starts.figures };
}

function table(verdicts) {
  const lines = verdicts.map(({ id, worker, turns, against, others, ratio, bound }) => [
    id,
    worker,
    time(turns),
    against,
    time(others),
    ratio?.toFixed(2) ?? "?",
    String(bound),
  ]);
  const rows = [["row", "worker", "us", "beside", "us", "ratio", "bound"], ...lines];
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  return rows
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column]))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

function time(turns) {
  return turns?.length > 0 ? best(turns).toFixed(1) : "?";
}
