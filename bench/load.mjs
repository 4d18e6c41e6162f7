/**
 * Load: processes that never sleep, beside which work is measured. They are pinned to their cores, because the scheduler
 * would otherwise move them away from what is measured.
 *
 * A hog is a loop of the shell. It looks every few milliseconds whether its parent still lives, and ends when it does
 * not, however that died.
 */
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";

/** The cores of the hogs, among those that this process may run on. */
const HOGS = {
  idle: () => [],
  one: ([first]) => [first],
  each: (cores) => cores,
  two: (cores) => [...cores, ...cores],
};

export const LOADS = Object.keys(HOGS);

/**
 * Its argument is its parent's id, which is the fourth field of /proc/<id>/stat as well. That field changes as soon as
 * the parent is dead, where a signal would still find the zombie. The shell's own PPID may be too late already.
 */
const LOOP = `
parent=$1
while [ "$parent" = "$1" ]; do
  round=0
  while [ $round -lt 20000 ]; do round=$((round + 1)); done
  read -r _ _ _ parent _ < /proc/$$/stat
done`;

/** The unit of processor times in /proc, which is the same on every Linux. */
const TICKS_PER_SECOND = 100;
/** A hog runs if it has used so much of its core. It is no more than the shell needs to start. */
const LEAST_TICKS = 3;
const LOOK_MILLIS = 10;
/** A watchdog: beside many other processes a hog gets its turn late. */
const MOST_MILLIS = 30_000;

/** Why there can be no load of this kind on this machine, or undefined. */
export function whyNoLoad(kind) {
  if (kind === "idle") {
    return undefined;
  }
  const [core] = allowedCores();
  const { status, stderr, error } = spawnSync("taskset", ["-c", core, "true"], { encoding: "utf8" });
  return status === 0
    ? undefined
    : `a load needs taskset (of util-linux), which fails: ${error?.message ?? stderr.trim()}`;
}

/**
 * Awaits `work` beside hogs: none if `kind` is "idle", one on the first core if it is "one", one or two on each core if
 * it is "each" or "two". Returns `{ result, shares }`: what `work` has returned, and the share of a core that each hog
 * had meanwhile. The hogs have ended then.
 */
export async function withLoad(kind, work) {
  if (!LOADS.includes(kind)) {
    throw new Error(`the load is ${JSON.stringify(kind)}, it must be one of: ${LOADS.join(", ")}`);
  }
  const reason = whyNoLoad(kind);
  if (reason) {
    throw new Error(reason);
  }
  const hogs = [];
  try {
    for (const core of HOGS[kind](allowedCores())) {
      hogs.push(await startHog(core));
    }
    await Promise.all(hogs.map(untilItRuns));
    const start = performance.now();
    const before = hogs.map(ticksOf);
    const result = await work();
    const seconds = (performance.now() - start) / 1e3;
    const shares = hogs.map((hog, index) => (ticksOf(hog) - before[index]) / TICKS_PER_SECOND / seconds);
    return { result, shares };
  } finally {
    await Promise.all(hogs.map(end));
  }
}

async function startHog(core) {
  const shell = ["sh", "-c", LOOP, "hog", String(process.pid)];
  const hog = spawn("taskset", ["-c", core, ...shell], { stdio: "ignore" });
  await once(hog, "spawn");
  return hog;
}

async function untilItRuns(hog) {
  const end = performance.now() + MOST_MILLIS;
  while (ticksOf(hog) < LEAST_TICKS) {
    if (performance.now() > end) {
      throw new Error(`a process of the load has not begun to run within ${MOST_MILLIS / 1e3} s`);
    }
    await sleep(LOOK_MILLIS);
  }
}

async function end(hog) {
  if (hog.exitCode === null && hog.signalCode === null) {
    hog.kill("SIGKILL");
    await once(hog, "exit");
  }
}

/** The processor time of a hog. An error if it has ended: what is measured then was not measured beside it. */
function ticksOf(hog) {
  try {
    const [state, , , , , , , , , , , user, system] = fieldsAfterName(hog.pid);
    if (state !== "Z") {
      return Number(user) + Number(system);
    }
  } catch (error) {
    if (error.code !== "ENOENT" && error.code !== "ESRCH") {
      throw error;
    }
  }
  throw new Error("a process of the load has ended too early");
}

function fieldsAfterName(pid) {
  const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
  return stat.slice(stat.lastIndexOf(")") + 2).split(" ");
}

/** The numbers of the cores that this process may run on: `Cpus_allowed_list` is such as "0-2,5". */
function allowedCores() {
  const [, list] = /^Cpus_allowed_list:\s*(\S+)/m.exec(readFileSync("/proc/self/status", "latin1"));
  return list.split(",").flatMap((range) => {
    const [first, last = first] = range.split("-").map(Number);
    return Array.from({ length: last - first + 1 }, (_, index) => String(first + index));
  });
}
