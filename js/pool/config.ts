/** The option `workerPoolConfig`: how many workers a pool has, and the limits of the workers and of the queue. */
import { availableParallelism } from "node:os";
import { LONGEST_TIMER_MILLIS } from "../base/clock";
import { InvalidOptionError, type RecycleReason } from "../base/errors";
import {
  describe,
  optional,
  positiveNumber,
  record,
  refuse,
  refuseUnknown,
  wholeNumber,
} from "../base/validate";
import type { WorkerLimits } from "../runtime/options";
import type { WorkerInfo } from "../runtime/worker-info";
import type { PoolStats } from "./stats";

/**
 * Size and limits of a pool. Each limit that is not set is off. `WorkerPoolPresets` has sets of them to spread.
 */
export interface WorkerPoolConfig {
  /**
   * Number of workers that are kept, from 0 to 1024. With 0 the first call starts a worker. Default: 1, or `maxWorkers`
   * if that is less.
   */
  minWorkers?: number | undefined;
  /**
   * Number of workers that take calls at most, from 1 to 1024. Workers are added while calls wait. Default: the number
   * of cores, or `minWorkers` if that is more; without either option the pool has `threads` workers.
   */
  maxWorkers?: number | undefined;
  /**
   * Bytes of memory that a worker may use. Above it the worker gets no more calls, finishes those that it has and is
   * replaced. Above one and a half times as much, or if it grows too fast for that, it is killed: its calls reject with
   * `WorkerKilledError`, `reason` `"memory"`. Of a process its own memory counts, swapped memory and the programs that
   * it has started included; of a thread, its heap and its buffers, from Node 22.16 and 24.1 on also while it is busy.
   * It sets no `worker.resourceLimits`.
   */
  memoryLimitPerWorker?: number | undefined;
  /** Milliseconds between two looks at the workers' memory. Default 100. */
  memoryCheckInterval?: number | undefined;
  /** Number of calls after which a worker is replaced. The replacement is ready before it ends. */
  maxExecutionsPerWorker?: number | undefined;
  /** Number of calls that may wait for a worker. A further one rejects with `QueueFullError`. */
  maxQueueSize?: number | undefined;
  /** Milliseconds that a call may wait for a worker. After that it rejects with `QueueTimeoutError`. */
  queueTimeout?: number | undefined;
  /**
   * Number of messages that a worker may send in a second: progress values, and lines of output unless that is
   * ignored. A worker that sends more is killed: its calls reject with `WorkerKilledError`, `reason` `"messages"`.
   */
  maxMessagesPerSecond?: number | undefined;
  /**
   * Milliseconds without a call after which a worker ends, if there are more than `minWorkers`. Default 30 000.
   */
  idleTimeout?: number | undefined;
  /**
   * Milliseconds that calls may take to finish when the pool is shut down, unless `shutdown(ms)` says otherwise, and
   * when their worker is replaced. After that they are cut off. Default: `shutdown()` waits for no call, and a worker
   * that is replaced finishes its calls.
   */
  gracefulShutdownTimeout?: number | undefined;
  /** Called when the pool has replaced a worker, with the reason and with the worker that has ended. */
  onWorkerRecycled?: ((reason: RecycleReason, worker: WorkerInfo) => void) | undefined;
  /** Called every `statsInterval` with what `pool.stats()` returns. */
  onStatsUpdate?: ((stats: PoolStats) => void) | undefined;
  /** Milliseconds between two calls of `onStatsUpdate`. Default 1000. */
  statsInterval?: number | undefined;
}

/** The size of a pool and the limits of its queue, as the pool uses them. */
export interface ResolvedConfig {
  readonly minWorkers: number;
  readonly maxWorkers: number;
  /** The limits of each worker. `undefined`: it has none. */
  readonly workerLimits: WorkerLimits | undefined;
  readonly maxExecutions: number;
  readonly maxQueueSize: number;
  readonly queueTimeoutMs: number | undefined;
  readonly idleTimeoutMs: number;
  readonly gracefulShutdownMs: number | undefined;
  readonly onWorkerRecycled: WorkerPoolConfig["onWorkerRecycled"];
  readonly onStatsUpdate: WorkerPoolConfig["onStatsUpdate"];
  readonly statsIntervalMs: number;
}

export const MAX_WORKERS = 1024;

const CALLER = "createPool";
const PREFIX = "workerPoolConfig.";
const MEMORY_CHECK_MILLIS = 100;
const IDLE_MILLIS = 30_000;
const STATS_MILLIS = 1_000;

const KNOWN: readonly (keyof WorkerPoolConfig)[] = [
  "minWorkers",
  "maxWorkers",
  "memoryLimitPerWorker",
  "memoryCheckInterval",
  "maxExecutionsPerWorker",
  "maxQueueSize",
  "queueTimeout",
  "maxMessagesPerSecond",
  "idleTimeout",
  "gracefulShutdownTimeout",
  "onWorkerRecycled",
  "onStatsUpdate",
  "statsInterval",
];

/** Validates `workerPoolConfig` and `threads`, which both say how many workers there are. */
export function resolveConfig(given: unknown = {}, threads?: unknown): ResolvedConfig {
  const config = record(CALLER, "workerPoolConfig", given);
  refuseUnknown(CALLER, config, KNOWN, PREFIX);
  const count = (name: keyof WorkerPoolConfig) =>
    optional(config[name], (value) => wholeNumber(CALLER, PREFIX + name, value, 1));
  const millis = (name: keyof WorkerPoolConfig) =>
    optional(config[name], (value) =>
      positiveNumber(CALLER, PREFIX + name, value, "a number of milliseconds", LONGEST_TIMER_MILLIS),
    );
  const memoryBytes = count("memoryLimitPerWorker");
  const messagesPerSecond = count("maxMessagesPerSecond");
  const memoryCheckMillis = millis("memoryCheckInterval") ?? MEMORY_CHECK_MILLIS;
  return {
    ...sizeOf(config, threads),
    workerLimits:
      memoryBytes === undefined && messagesPerSecond === undefined
        ? undefined
        : { memoryBytes, memoryCheckMillis, messagesPerSecond },
    maxExecutions: count("maxExecutionsPerWorker") ?? Number.POSITIVE_INFINITY,
    maxQueueSize: count("maxQueueSize") ?? Number.POSITIVE_INFINITY,
    queueTimeoutMs: millis("queueTimeout"),
    idleTimeoutMs: millis("idleTimeout") ?? IDLE_MILLIS,
    gracefulShutdownMs: millis("gracefulShutdownTimeout"),
    onWorkerRecycled: callback(config, "onWorkerRecycled"),
    onStatsUpdate: callback(config, "onStatsUpdate"),
    statsIntervalMs: millis("statsInterval") ?? STATS_MILLIS,
  };
}

function callback<Name extends "onWorkerRecycled" | "onStatsUpdate">(
  config: Record<string, unknown>,
  name: Name,
): WorkerPoolConfig[Name] {
  const value = config[name];
  if (value !== undefined && typeof value !== "function") {
    refuse(CALLER, PREFIX + name, value, "a function");
  }
  return value as WorkerPoolConfig[Name];
}

/** How many workers the pool has at least and at most. */
function sizeOf(
  config: Record<string, unknown>,
  threads: unknown,
): Pick<ResolvedConfig, "minWorkers" | "maxWorkers"> {
  const { minWorkers, maxWorkers } = config;
  if (minWorkers === undefined && maxWorkers === undefined) {
    return sizeOfThreads(threads);
  }
  if (threads !== undefined) {
    const beside = minWorkers === undefined ? "maxWorkers" : "minWorkers";
    throw new InvalidOptionError(
      `${CALLER}: "threads" is ${describe(threads)} and "${PREFIX}${beside}" is set too: both say how many ` +
        "workers there are, leave out one of them",
    );
  }
  const min = optional(minWorkers, (value) =>
    wholeNumber(CALLER, `${PREFIX}minWorkers`, value, 0, MAX_WORKERS),
  );
  const max = optional(maxWorkers, (value) =>
    wholeNumber(CALLER, `${PREFIX}maxWorkers`, value, 1, MAX_WORKERS),
  );
  return ordered(PREFIX, "minWorkers", min, "maxWorkers", max);
}

function sizeOfThreads(threads: unknown): Pick<ResolvedConfig, "minWorkers" | "maxWorkers"> {
  if (typeof threads !== "object" || threads === null) {
    const count = wholeNumber(CALLER, "threads", threads === undefined ? 1 : threads, 1, MAX_WORKERS);
    return { minWorkers: count, maxWorkers: count };
  }
  const size = record(CALLER, "threads", threads, "a whole number or { min, max }");
  refuseUnknown(CALLER, size, ["min", "max"], "threads.");
  const min = optional(size.min, (value) => wholeNumber(CALLER, "threads.min", value, 0, MAX_WORKERS));
  const max = optional(size.max, (value) => wholeNumber(CALLER, "threads.max", value, 1, MAX_WORKERS));
  return ordered("threads.", "min", min, "max", max);
}

function ordered(
  prefix: string,
  minName: string,
  min: number | undefined,
  maxName: string,
  max: number | undefined,
): Pick<ResolvedConfig, "minWorkers" | "maxWorkers"> {
  if (min !== undefined && max !== undefined && min > max) {
    throw new InvalidOptionError(
      `${CALLER}: "${prefix}${minName}" is ${min}, it must be at most "${prefix}${maxName}", which is ${max}`,
    );
  }
  const most = max ?? Math.max(min ?? 1, availableParallelism());
  return { minWorkers: min ?? Math.min(1, most), maxWorkers: most };
}
