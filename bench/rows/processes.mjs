/** What the kernel says about processes in /proc. */
import { readdirSync, readFileSync } from "node:fs";

/** The process ids of all descendants of a process. Threads start processes, too. */
export function descendantsOf(pid) {
  const children = threadsOf(pid).flatMap((thread) =>
    words(`/proc/${pid}/task/${thread}/children`).map(Number),
  );
  return children.flatMap((child) => [child, ...descendantsOf(child)]);
}

/**
 * Memory in MiB that the processes alone have: anonymous pages, and their part of memory that they share with others,
 * such as the segment of a pool. Pages of files are left out, because the kernel can drop them.
 */
export function memoryOf(pids) {
  const kibibytes = pids.map((pid) => {
    const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, "latin1");
    return ["Anonymous", "Pss_Shmem"].reduce(
      (sum, name) => sum + Number(rollup.match(new RegExp(`^${name}: +(\\d+) kB$`, "m"))[1]),
      0,
    );
  });
  return kibibytes.reduce((sum, each) => sum + each, 0) / 1024;
}

/** Nanoseconds for which each thread of the processes has run, by its id. */
export function threadTimes(pids) {
  const times = new Map();
  for (const pid of pids) {
    for (const thread of threadsOf(pid)) {
      const [ran] = words(`/proc/${pid}/task/${thread}/schedstat`);
      if (ran !== undefined) {
        times.set(thread, Number(ran));
      }
    }
  }
  return times;
}

export function threadsOf(pid) {
  return unlessGone([], () => readdirSync(`/proc/${pid}/task`));
}

function words(path) {
  return unlessGone([], () => readFileSync(path, "latin1").split(/\s+/).filter(Boolean));
}

/** A thread may end between two looks. */
function unlessGone(otherwise, look) {
  try {
    return look();
  } catch (error) {
    if (error.code === "ENOENT" || error.code === "ESRCH") {
      return otherwise;
    }
    throw error;
  }
}
