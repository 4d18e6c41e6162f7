/**
 * What replaced workers cost: calls of 5 ms of processor time, while each worker is recycled after 100 of them and a
 * random one is killed each second, beside the same without either.
 */
import { ok, strictEqual } from "node:assert/strict";
import { thisBuild } from "../builds.mjs";
import { Recycled } from "../contenders/recycled.mjs";
import { attempt } from "../failures.mjs";
import { derive } from "../recycling-tasks.mjs";
import { generator } from "../schedule.mjs";

const WORKERS = 2;
const TURN_MILLIS = 5_000;
const KILL_MILLIS = 1_000;
const WORK_MILLIS = 5;
/** Enough calls at a time that no worker is without one. */
const AT_A_TIME = 4 * WORKERS;
/** Salts, and so answers, that are known beforehand. */
const SALTS = 16;
const SEED = 7;
const MEASURED_RUNS = 20;
const MEASURED_ITERATIONS = 5_000;

const KINDS = {
  thread: { runtime: "thread" },
  process: { runtime: "process", processRuntime: "node" },
};
const REPLACED = { workerPoolConfig: { maxExecutionsPerWorker: 100 } };

export const recyclingRow = {
  id: "recycling",
  group: "recycling",
  title: `calls of ${WORK_MILLIS} ms of processor time, workers recycled after 100 calls and one killed each second`,
  unit: "calls/s",
  better: "higher",
  slow: true,
  contenders: recycledBesideCalm,
  baseline: ({ name }) => name.replace("replaced", "calm"),
  turn(contender) {
    // Before the workers start, because the time of all threads counts.
    work ??= measureWork();
    return attempt(contender, WORKERS, () => callFor(contender, TURN_MILLIS));
  },
};

/** Only this package's, because others have no such options: with workers that live on, and with workers that don't. */
function recycledBesideCalm() {
  const build = thisBuild();
  return Object.entries(KINDS).flatMap(([kind, worker]) => [
    new Recycled(`${kind}, calm`, build, { worker }),
    new Recycled(`${kind}, replaced`, build, { worker, ...REPLACED }),
  ]);
}

/** What `measureWork` returned. */
let work;

/** Calls a second that were answered. Those that were killed with their worker do not count. */
async function callFor(contender, millis) {
  await Promise.all(Array.from({ length: AT_A_TIME }, (_, index) => callOnce(contender, index)));
  const kills =
    contender.options.workerPoolConfig === undefined ? undefined : killEach(KILL_MILLIS, contender);
  const start = performance.now();
  const end = start + millis;
  let index = 0;
  let answered = 0;
  const callOn = async () => {
    while (performance.now() < end) {
      if (await callOnce(contender, index++)) {
        answered++;
      }
    }
  };
  try {
    await Promise.all(Array.from({ length: AT_A_TIME }, callOn));
  } finally {
    clearInterval(kills?.timer);
  }
  const value = (answered / (performance.now() - start)) * 1e3;
  if (kills === undefined) {
    return { value };
  }
  if (kills.error) {
    throw kills.error;
  }
  const { executions = 0 } = contender.recycled;
  ok(executions > 0 && kills.count > 0, "no worker was recycled, or none killed");
  return { value };
}

/** Returns whether the call was answered. Otherwise its worker was killed. */
async function callOnce(contender, index) {
  const salt = index % SALTS;
  try {
    strictEqual(
      await contender.tasks.derive({ index: salt, iterations: work.iterations }),
      work.answers[salt],
    );
    return true;
  } catch (error) {
    if (error.code === "KNITTING_WORKER_KILLED" && error.reason === "killed") {
      return false;
    }
    throw error;
  }
}

function killEach(millis, contender) {
  const random = generator(SEED);
  const kills = { count: 0 };
  kills.timer = setInterval(() => {
    try {
      kills.count += Number(contender.kill((count) => Math.floor(random() * count)));
    } catch (error) {
      kills.error ??= error;
    }
  }, millis);
  return kills;
}

/** How many iterations take `WORK_MILLIS`, by the shortest of some runs, and the right answers. */
function measureWork() {
  const runs = Array.from({ length: MEASURED_RUNS }, () => {
    const start = process.cpuUsage();
    derive({ index: 0, iterations: MEASURED_ITERATIONS });
    const { user, system } = process.cpuUsage(start);
    return (user + system) / 1e3;
  });
  const iterations = Math.round((MEASURED_ITERATIONS * WORK_MILLIS) / Math.min(...runs));
  const answers = Array.from({ length: SALTS }, (_, index) => derive({ index, iterations }));
  return { iterations, answers };
}
