/**
 * What replaced workers cost: calls of 5 ms of processor time, while each worker is recycled after 100 of them and a
 * random one is killed each second, beside the same without either.
 */
import { ok, strictEqual } from "node:assert/strict";
import { attempt } from "./attempt.mjs";
import { derive } from "./recycling-tasks.mjs";
import { generator } from "./schedule.mjs";

/** Options of `createPool` for workers that are recycled, and one of which is killed now and then. */
export const REPLACED = { workerPoolConfig: { maxExecutionsPerWorker: 100 } };

const WORKERS = 2;
const TURN_MILLIS = 5_000;
const KILL_MILLIS = 1_000;
const WORK_MILLIS = 5;
/** Enough calls at a time that no worker is without one. */
const AT_A_TIME = 4 * WORKERS;
/** Salts, and so answers, that are known beforehand. */
const SALTS = 16;
const SEED = 7;

export const replacedWorkers = {
  title: `calls of ${WORK_MILLIS} ms of processor time, workers recycled after 100 calls and one killed each second`,
  async warm() {},
  turn: (contender) => attempt(contender, WORKERS, () => callFor(contender, TURN_MILLIS)),
};

/** How many iterations take `WORK_MILLIS`, and the right answers. Measured once. */
let work;

/**
 * Calls a second that were answered. Where workers are replaced also: how many calls were killed with their worker, how
 * many workers were killed, and how many recycled.
 */
async function callFor(contender, millis) {
  work ??= measureWork();
  await Promise.all(Array.from({ length: AT_A_TIME }, (_, index) => callOnce(contender, index)));
  const kills =
    contender.options.workerPoolConfig === undefined ? undefined : killEach(KILL_MILLIS, contender);
  const start = performance.now();
  const end = start + millis;
  let index = 0;
  let answered = 0;
  let killed = 0;
  const callOn = async () => {
    while (performance.now() < end) {
      if (await callOnce(contender, index++)) {
        answered++;
      } else {
        killed++;
      }
    }
  };
  try {
    await Promise.all(Array.from({ length: AT_A_TIME }, callOn));
  } finally {
    clearInterval(kills?.timer);
  }
  const rate = (answered / (performance.now() - start)) * 1e3;
  if (kills === undefined) {
    return { rate };
  }
  if (kills.error) {
    throw kills.error;
  }
  const { executions = 0 } = contender.recycled;
  ok(executions > 0 && kills.count > 0, "no worker was recycled, or none killed");
  return { rate, killed, kills: kills.count, executions };
}

/** Returns whether the call was answered. Otherwise its worker was killed. */
async function callOnce(contender, index) {
  const salt = index % SALTS;
  try {
    strictEqual(await contender.derive({ index: salt, iterations: work.iterations }), work.answers[salt]);
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

function measureWork() {
  let iterations = 500;
  let millis = 0;
  // The last of several runs counts, so that the code has been used.
  for (let run = 0; run < 10; run++) {
    iterations = Math.round(millis === 0 ? iterations : (iterations * WORK_MILLIS) / millis);
    const start = process.cpuUsage();
    derive({ index: 0, iterations });
    const { user, system } = process.cpuUsage(start);
    millis = (user + system) / 1e3;
  }
  const answers = Array.from({ length: SALTS }, (_, index) => derive({ index, iterations }));
  return { iterations, answers };
}
