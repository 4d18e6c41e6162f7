/** What the figures depend on: the machine, and its other load. */
import { readFileSync } from "node:fs";
import { availableParallelism, cpus, release, totalmem } from "node:os";

/** The unit of processor times in /proc, which is the same on every Linux. */
const TICKS_PER_SECOND = 100;

export function machine() {
  return {
    cpu: cpus()[0].model,
    cores: availableParallelism(),
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    kernel: release(),
    node: process.version,
  };
}

/**
 * Begins to watch the processors. The returned function tells how many of them others have kept busy since then. All
 * child processes must have ended when it is called, because only then the kernel counts their time as this process's.
 */
export function watchOthers() {
  const start = performance.now();
  const busy = busyTicks();
  const ours = ourTicks();
  return () => {
    const ticks = busyTicks() - busy - (ourTicks() - ours);
    const seconds = (performance.now() - start) / 1e3;
    return Math.max(0, ticks / TICKS_PER_SECOND / seconds);
  };
}

/**
 * Busy time of all processors: everything except idle time and waiting for disks. Steal, the time of other machines,
 * counts as busy.
 */
function busyTicks() {
  const [, user, nice, system, , , irq, softirq, steal] = fields("/proc/stat").map(Number);
  return user + nice + system + irq + softirq + steal;
}

/** Time of this process with its threads, and of its children that have ended. */
function ourTicks() {
  const afterName = fields("/proc/self/stat", /.*\) /s).map(Number);
  const [user, system, childrenUser, childrenSystem] = afterName.slice(11, 15);
  return user + system + childrenUser + childrenSystem;
}

function fields(path, prefix = "") {
  return readFileSync(path, "latin1").split("\n", 1)[0].replace(prefix, "").split(/ +/);
}
