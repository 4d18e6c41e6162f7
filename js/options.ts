/** The options of a pool, validated in one place: each error names the option, its value and what is allowed. */
import { InvalidOptionError } from "./errors";
import { describe, notYet, refuseUnknown } from "./validate";

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
  const worker = record("createPool", "worker", pool.worker);
  refuseUnknown("createPool", worker, WORKER, WORKER_NOT_YET, {}, "worker.");

  const threads = pool.threads ?? 1;
  if (!Number.isInteger(threads) || (threads as number) < 1 || (threads as number) > MAX_WORKERS) {
    refuse("threads", threads, `a whole number from 1 to ${MAX_WORKERS}`);
  }
  const balancer = pool.balancer ?? "roundRobin";
  const strategy = typeof balancer === "object" ? (balancer as { strategy?: unknown }).strategy : balancer;
  if (["firstIdle", "randomLane", "firstIdleOrRandom"].includes(strategy as string)) {
    throw notYet("createPool", `balancer: ${describe(strategy)}`);
  }
  if (strategy !== "roundRobin") {
    refuse("balancer", balancer, '"roundRobin" or { strategy: "roundRobin" }');
  }
  if (pool.permission !== undefined && pool.permission !== "unsafe") {
    const known = pool.permission === "strict" || typeof pool.permission === "object";
    if (known) {
      throw notYet("createPool", `permission: ${describe(pool.permission)}`);
    }
    refuse("permission", pool.permission, '"unsafe", or leave it out');
  }

  const runtime = worker.runtime ?? "thread";
  if (runtime !== "thread" && runtime !== "process") {
    refuse("worker.runtime", runtime, '"thread" or "process"');
  }
  const processRuntime = worker.processRuntime ?? "deno";
  if (processRuntime !== "node" && processRuntime !== "deno" && processRuntime !== "bun") {
    refuse("worker.processRuntime", processRuntime, '"node", "deno" or "bun"');
  }
  if (runtime === "process" && processRuntime !== "node") {
    const given = worker.processRuntime === undefined ? " (the default)" : "";
    throw new InvalidOptionError(
      `createPool: worker.processRuntime: "${processRuntime}"${given} is not supported yet. Say "node"`,
    );
  }
  return { threads: threads as number, runtime };
}

function refuse(option: string, value: unknown, allowed: string): never {
  throw new InvalidOptionError(`createPool: "${option}" is ${describe(value)}, it must be ${allowed}`);
}

function record(caller: string, option: string, value: unknown): Record<string, unknown> {
  if (value === undefined) {
    return {};
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new InvalidOptionError(`${caller}: "${option}" is ${describe(value)}, it must be an object`);
  }
  return value as Record<string, unknown>;
}
