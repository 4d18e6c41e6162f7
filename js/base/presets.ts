/** Sets of limits for pools, as values of `workerPoolConfig` or to spread into one. */

const MIB = 1024 * 1024;
const SECOND = 1_000;

/** The settings that each preset has. Each is the option of `workerPoolConfig` with that name. */
export interface WorkerPoolPreset {
  readonly minWorkers: number;
  readonly maxWorkers: number;
  /** In bytes. */
  readonly memoryLimitPerWorker: number;
  readonly maxExecutionsPerWorker: number;
  readonly maxQueueSize: number;
  /** In milliseconds, like the other times. */
  readonly queueTimeout: number;
  readonly maxMessagesPerSecond: number;
  readonly idleTimeout: number;
  readonly gracefulShutdownTimeout: number;
}

/**
 * Sets of limits, from the tightest to the widest: `createPool({ workerPoolConfig: WorkerPoolPresets.SECURE })`, or
 * `{ ...WorkerPoolPresets.SECURE, maxWorkers: 16 }` to change some. All are frozen.
 */
export const WorkerPoolPresets: Readonly<
  Record<"STRICT" | "SECURE" | "STANDARD" | "PERMISSIVE", WorkerPoolPreset>
> = Object.freeze({
  /** For code that nobody trusts: 4 workers of 64 MiB, 100 calls each. */
  STRICT: Object.freeze({
    minWorkers: 2,
    maxWorkers: 4,
    memoryLimitPerWorker: 64 * MIB,
    maxExecutionsPerWorker: 100,
    maxQueueSize: 20,
    queueTimeout: 10 * SECOND,
    maxMessagesPerSecond: 100,
    idleTimeout: 15 * SECOND,
    gracefulShutdownTimeout: 2 * SECOND,
  }),
  /** For plugins: 8 workers of 128 MiB, 500 calls each. */
  SECURE: Object.freeze({
    minWorkers: 2,
    maxWorkers: 8,
    memoryLimitPerWorker: 128 * MIB,
    maxExecutionsPerWorker: 500,
    maxQueueSize: 50,
    queueTimeout: 20 * SECOND,
    maxMessagesPerSecond: 500,
    idleTimeout: 30 * SECOND,
    gracefulShutdownTimeout: 3 * SECOND,
  }),
  /** For a service's own code: 16 workers of 256 MiB, 1000 calls each. */
  STANDARD: Object.freeze({
    minWorkers: 2,
    maxWorkers: 16,
    memoryLimitPerWorker: 256 * MIB,
    maxExecutionsPerWorker: 1_000,
    maxQueueSize: 100,
    queueTimeout: 30 * SECOND,
    maxMessagesPerSecond: 1_000,
    idleTimeout: 30 * SECOND,
    gracefulShutdownTimeout: 5 * SECOND,
  }),
  /** For heavy batch work: 32 workers of 512 MiB, 5000 calls each. */
  PERMISSIVE: Object.freeze({
    minWorkers: 4,
    maxWorkers: 32,
    memoryLimitPerWorker: 512 * MIB,
    maxExecutionsPerWorker: 5_000,
    maxQueueSize: 500,
    queueTimeout: 60 * SECOND,
    maxMessagesPerSecond: 5_000,
    idleTimeout: 60 * SECOND,
    gracefulShutdownTimeout: 10 * SECOND,
  }),
});
