/**
 * Processor time at rest: from the 15th to the 20th second after the last call, when every pool has had time to fall
 * asleep. Each contender has a host process of its own. All of them rest at the same time, so that it takes no longer
 * than one would. Processor time is not wall time, and sleepers hinder nobody: other rows may be played meanwhile, and
 * on a busy machine the figures are the same.
 *
 * The kernel counts the time of each thread in nanoseconds. A worker thread's time is that of the threads that its host
 * has had since the pool was made.
 */
import { ok } from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { bareRuntimes } from "../contenders/bare.mjs";
import { withHost } from "./host.mjs";
import { descendantsOf, threadsOf, threadTimes } from "./processes.mjs";

const CALLS = 500;
const FALL_ASLEEP_MILLIS = 15_000;
const REST_MILLIS = 5_000;
/**
 * In a heap of some size V8 collects garbage about 8 s after the last work, and again after half a second or 8 s more.
 * That is not what a pool does, and takes a hundred times longer.
 */
const FLAGS = ["--no-memory-reducer"];
const BARE = bareRuntimes();
const [BARE_NODE] = BARE;

const HOST = row("processor time at rest, 5 s, host", [BARE_NODE]);
const WORKER = row("processor time at rest, 5 s, worker", BARE);

/** `measureRest` gives their figures: they have no turns. A bare process is its own host. */
export const restRows = [HOST, WORKER];

/**
 * Returns for each of `restRows`, by its id, the one turn of each contender, by its name: `{ value }` in milliseconds of
 * processor time within 5 s, or a `failure`. It takes as long for all contenders as for one, and can't be shorter.
 */
export async function measureRest(all, { lineUp } = {}) {
  const resting = WORKER.contenders(all).filter(({ cannot }) => !cannot?.start);
  const turns = await Promise.all(
    resting.map(async (contender) => [contender.name, await turnsOf(contender, lineUp)]),
  );
  const figures = (part) => Object.fromEntries(turns.map(([name, turn]) => [name, [turn[part]]]));
  return { [HOST.id]: figures("host"), [WORKER.id]: figures("worker") };
}

async function turnsOf(contender, lineUp) {
  try {
    return await withHost({ lineUp, flags: FLAGS }, (host) => rest(host, contender));
  } catch ({ message }) {
    return { host: { failure: message }, worker: { failure: message } };
  }
}

async function rest(host, { name, kind }) {
  const isBare = BARE.some((bare) => bare.name === name);
  const hostThreads = threadsOf(host.pid);
  await host.ask("start", { name, calls: CALLS });
  await sleep(FALL_ASLEEP_MILLIS);
  const before = timesOf(host);
  await sleep(REST_MILLIS);
  const after = timesOf(host);
  const ofHost = since(before.host, after.host);
  const ofWorkers = since(before.workers, after.workers);
  if (isBare) {
    return { host: millis(ofWorkers), worker: millis(ofWorkers) };
  }
  if (kind === "process") {
    ok(after.workers.size > 0, "its worker's process was not found");
    return { host: millis(ofHost), worker: millis(ofWorkers) };
  }
  const isOfHost = ([thread]) => hostThreads.includes(thread);
  return {
    host: millis(ofHost.filter(isOfHost)),
    worker: millis(ofHost.filter((each) => !isOfHost(each))),
  };
}

function timesOf(host) {
  return { host: threadTimes([host.pid]), workers: threadTimes(descendantsOf(host.pid)) };
}

/** For how many nanoseconds each thread has run in between. */
function since(before, after) {
  return [...after].map(([thread, time]) => [thread, time - (before.get(thread) ?? 0)]);
}

function millis(times) {
  return { value: times.reduce((sum, [, nanoseconds]) => sum + nanoseconds, 0) / 1e6 };
}

/** Without a baseline, because most figures are 0. The bare processes stand beside them. */
function row(title, bare) {
  return {
    id: title,
    group: "rest",
    title,
    unit: "ms",
    better: "lower",
    contenders: (all) => [...all, ...bare],
  };
}
