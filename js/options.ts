/** The options of a pool, validated in one place: each error names the option, its value and what is allowed. */
import { InvalidOptionError } from "./errors";
import { describe, record, refuseUnknown } from "./validate";

/** What `createPool` takes. */
export interface PoolOptions {
  /** Number of workers, from 1 to 1024. Default 1. */
  threads?: number | undefined;
  /** How calls are spread over the workers: one after the other. */
  balancer?: "roundRobin" | { strategy: "roundRobin" } | undefined;
  /** What the workers are. */
  worker?: WorkerOptions | undefined;
  /** What the workers may do: anything, `"unsafe"`, which is also what happens without it. */
  permission?: "unsafe" | undefined;
}

/** What the workers of a pool are. */
export interface WorkerOptions {
  /**
   * `"thread"`: a worker thread of this process, least overhead. `"process"`: a process of its own, whose crash, memory
   * and exit are its own. Default `"thread"`.
   */
  runtime?: "thread" | "process" | undefined;
  /** The runtime of a process worker. Only `"node"` so far, and it must be named. */
  processRuntime?: "node" | undefined;
}

/** @internal The options as the pool uses them. */
export interface ResolvedOptions {
  threads: number;
  runtime: "thread" | "process";
}

const MAX_WORKERS = 1024;

const STRATEGIES_NOT_YET = ["firstIdle", "randomLane", "firstIdleOrRandom"];
const POOL = ["threads", "balancer", "worker", "permission"];
const POOL_NOT_YET = ["payload", "abortSignalCapacity", "workerExecArgv", "debug"];
const POOL_LEFT_OUT = {
  inliner: "the host runs no tasks",
  host: "the host runs no tasks",
  dispatcher: "there is one way to dispatch",
  source: "a task's module is found by itself; importTask names another",
};
const WORKER = ["runtime", "processRuntime"];
const WORKER_NOT_YET = [
  "processCommandPrefix",
  "processSharedMemory",
  "processRuntimePath",
  "bootstrap",
  "resolveAfterFinishingAll",
  "timers",
  "hardTimeoutMs",
  "startupTimeoutMs",
  "resourceLimits",
  "maxBootFailures",
  "stdio",
  "env",
  "nice",
  "cwd",
  "stopCommand",
];

/** @internal Checks what a user gave and fills in the defaults. */
export function resolveOptions(options: unknown): ResolvedOptions {
  const pool = record("createPool", "options", options);
  refuseUnknown("createPool", pool, POOL, POOL_NOT_YET, POOL_LEFT_OUT);
  const { threads = 1, balancer = "roundRobin", permission = "unsafe" } = pool;
  if (!Number.isInteger(threads) || (threads as number) < 1 || (threads as number) > MAX_WORKERS) {
    refuse("threads", threads, `a whole number from 1 to ${MAX_WORKERS}`);
  }
  checkBalancer(balancer);
  if (permission === "strict" || isPolicy(permission)) {
    refuseYet("permission", permission);
  }
  if (permission !== "unsafe") {
    refuse("permission", permission, '"unsafe", or left out');
  }
  return { threads: threads as number, runtime: resolveRuntime(pool.worker) };
}

function checkBalancer(balancer: unknown): void {
  let [option, strategy] = ["balancer", balancer];
  if (typeof balancer !== "string") {
    const given = record("createPool", "balancer", balancer, '"roundRobin" or { strategy: "roundRobin" }');
    refuseUnknown("createPool", given, ["strategy"], [], {}, "balancer.");
    [option, strategy] = ["balancer.strategy", given.strategy];
  }
  if (STRATEGIES_NOT_YET.includes(strategy as string)) {
    refuseYet(option, strategy);
  }
  if (strategy !== "roundRobin") {
    refuse(option, strategy, '"roundRobin"');
  }
}

/** What kind of worker the `worker` options ask for. */
function resolveRuntime(given: unknown = {}): "thread" | "process" {
  const worker = record("createPool", "worker", given);
  refuseUnknown("createPool", worker, WORKER, WORKER_NOT_YET, {}, "worker.");
  const { runtime = "thread", processRuntime = "deno" } = worker;
  if (runtime !== "thread" && runtime !== "process") {
    refuse("worker.runtime", runtime, '"thread" or "process"');
  }
  if (processRuntime !== "node" && processRuntime !== "deno" && processRuntime !== "bun") {
    refuse("worker.processRuntime", processRuntime, '"node", "deno" or "bun"');
  }
  const byDefault = worker.processRuntime === undefined;
  if (processRuntime !== "node" && (runtime === "process" || !byDefault)) {
    throw new InvalidOptionError(
      `createPool: worker.processRuntime: "${processRuntime}"${byDefault ? " (the default)" : ""} is not supported yet. Say "node"`,
    );
  }
  return runtime;
}

function isPolicy(permission: unknown): boolean {
  return typeof permission === "object" && permission !== null && !Array.isArray(permission);
}

function refuse(option: string, value: unknown, allowed: string): never {
  throw new InvalidOptionError(`createPool: "${option}" is ${describe(value)}, it must be ${allowed}`);
}

function refuseYet(option: string, value: unknown): never {
  throw new InvalidOptionError(`createPool: ${option}: ${describe(value)} is not supported yet`);
}
