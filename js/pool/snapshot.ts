/** What `pool.stats()` returns, of the workers and the queue of a pool on this machine. */
import type { TaskSource } from "../task/program";
import type { CallQueue } from "./call-queue";
import type { PoolStats } from "./stats";
import type { SupervisedWorker } from "./supervised-worker";

/** Makes the snapshot of a pool on this machine. */
export function statsOf(
  workers: readonly SupervisedWorker[],
  queue: CallQueue,
  queueDepth: number,
  tasks: readonly TaskSource[],
  counts: {
    readonly failed: number;
    readonly timedOut: number;
    readonly sent: number;
    readonly served: number;
  },
  recycled: PoolStats["recycled"],
): PoolStats {
  const states = { booting: 0, ready: 0, spare: 0, retiring: 0, restarting: 0, broken: 0, closed: 0 };
  let [started, finished] = [counts.sent, counts.served];
  for (const worker of workers) {
    states[worker.state]++;
    started += worker.totals.sent;
    finished += worker.totals.served;
  }
  const perWorker = workers
    .filter(({ isRunning }) => isRunning)
    .map((worker) => {
      const calls = worker.lane?.begun ?? [];
      return {
        worker: worker.info(),
        running: calls.length,
        tasks: [...new Set(calls.map(({ task }) => tasks[task].task))],
        ...worker.usage,
      };
    });
  return {
    activeWorkers: perWorker.filter(({ running }) => running > 0).length,
    queueDepth,
    queueBytes: queue.bytes,
    oldestWaitMs: queue.oldestWaitMs,
    workers: states,
    perWorker,
    started,
    finished,
    failed: counts.failed,
    timedOut: counts.timedOut,
    recycled: { ...recycled },
  };
}
