/** What a pool tells of itself: `pool.stats()` and `onStatsUpdate`. */
import type { RecycleReason } from "../base/errors";
import type { WorkerInfo } from "../runtime/worker-info";

/** A snapshot of a pool. */
export interface PoolStats {
  /** Number of workers that run at least one call now. */
  readonly activeWorkers: number;
  /** Number of calls that wait for a worker. */
  readonly queueDepth: number;
  /** Bytes of the copied arguments of the calls that wait. */
  readonly queueBytes: number;
  /** For how long the first of them has waited, in milliseconds; 0 if none waits. */
  readonly oldestWaitMs: number;
  /** Number of workers in each state. */
  readonly workers: Readonly<Record<WorkerInfo["state"], number>>;
  /** The workers that run or are being started. */
  readonly perWorker: readonly WorkerStats[];
  /** Number of calls that were given to a worker so far. A call that has moved to another worker counts once. */
  readonly started: number;
  /** Number of calls that a worker has answered, with a result or with an error of the task. */
  readonly finished: number;
  /**
   * Number of calls that have rejected or were given up: the task has thrown, the worker has died, the time was over, the
   * caller has aborted, or there was no room to wait. Those that a shutdown cuts off don't count.
   */
  readonly failed: number;
  /** Number of calls whose time limit was over, or that have waited for `queueTimeout`. */
  readonly timedOut: number;
  /** How often a worker was replaced by the pool, by reason. Reasons that did not occur are missing. */
  readonly recycled: Readonly<Partial<Record<RecycleReason, number>>>;
}

/** What one worker does. */
export interface WorkerStats {
  readonly worker: WorkerInfo;
  /** Number of calls that it has begun and not answered. */
  readonly running: number;
  /** The names of their tasks, each once. */
  readonly tasks: readonly string[];
  /**
   * Bytes of memory that it uses, as `workerPoolConfig.memoryLimitPerWorker` counts them. `null` where that is not
   * known: of a process that has not attached yet, or that can't be seen from here. Of a thread it is what the last
   * look has shown, and `stats()` begins another: `null` at first, and on a Node without `worker.getHeapStatistics`
   * unless that limit is set.
   */
  readonly memoryBytes: number | null;
  /**
   * Milliseconds of processor time that it has used: a process with the programs that it has started, in steps of ten;
   * a thread without the threads that help its engine. `null` where that is not known.
   */
  readonly cpuMs: number | null;
}
