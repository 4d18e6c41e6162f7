/** What a worker thread tells its host of its heap. */
import { setInterval } from "../base/clock";
import type { WorkerLane } from "../lane/worker/worker-lane";
import type { HeapReports } from "../task/program";

const MEGABYTE = 1024 * 1024;
/** V8's young generation: two semi-spaces, and the size of one more for large objects. */
const SEMI_SPACES = 3;

/** Reports what the host has asked for, now and as long as the thread lives. */
export function reportHeap(lane: WorkerLane, { everyMillis, isLimited }: HeapReports): void {
  // Only where somebody asks: it takes part of a millisecond to load.
  const { getHeapStatistics } = require("node:v8") as typeof import("node:v8");
  if (isLimited) {
    const { heap_size_limit: limit } = getHeapStatistics();
    if (limit > askedBytes()) {
      lane.reportHeapLimit(limit);
    }
  }
  if (everyMillis !== undefined) {
    const report = (): void => {
      const { used_heap_size: heap, external_memory: external } = getHeapStatistics();
      lane.reportMemory(heap + external);
    };
    report();
    setInterval(report, everyMillis).unref();
  }
}

/** Bytes to which the heap may grow by what was asked for. V8 rounds a semi-space up to a power of two. */
function askedBytes(): number {
  const { resourceLimits } = require("node:worker_threads") as typeof import("node:worker_threads");
  const { maxOldGenerationSizeMb: old = 0, maxYoungGenerationSizeMb: young = 0 } = resourceLimits;
  const semiSpace = 2 ** Math.ceil(Math.log2(young / SEMI_SPACES));
  return (Math.ceil(old) + SEMI_SPACES * semiSpace) * MEGABYTE;
}
