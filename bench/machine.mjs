/** What the figures depend on: the machine, and what else it was doing. */
import { readFileSync } from "node:fs";
import { availableParallelism, cpus, release, totalmem } from "node:os";

/** The unit of processor times in /proc, the same on every Linux. */
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
 * Begins to watch the processors. The function returned tells how many of them others have kept busy since, and needs all
 * child processes to have ended: only then the kernel counts their time as ours.
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

/** Of all processors: everything but idle and waiting for disks. Steal, which is other machines' time, counts as busy. */
function busyTicks() {
  const [, user, nice, system, , , irq, softirq, steal] = fields("/proc/stat").map(Number);
  return user + nice + system + irq + softirq + steal;
}

/** Of this process with its threads, and of the children that have ended. */
function ourTicks() {
  const afterName = fields("/proc/self/stat", /.*\) /s).map(Number);
  const [user, system, childrenUser, childrenSystem] = afterName.slice(11, 15);
  return user + system + childrenUser + childrenSystem;
}

function fields(path, prefix = "") {
  return readFileSync(path, "latin1").split("\n", 1)[0].replace(prefix, "").split(/ +/);
}
