/** The options of a pool, validated in one place. Each error names the option, its value and the allowed values. */
import { type DebugNamespace, resolveDebug } from "../base/debug-log";
import { InvalidOptionError } from "../base/errors";
import { choice, optional, record, refuseUnknown, wholeNumber } from "../base/validate";
import { MAX_CALLS } from "../native/layout";
import { type PayloadOptions, type ResolvedPayload, resolvePayload } from "../payload/options";
import type { PermissionOptions } from "../permission/options";
import type { Policy } from "../permission/policy";
import { resolvePermission } from "../permission/resolve";
import type { ResolvedWorker, WorkerOptions } from "../runtime/options";
import { resolveWorker } from "../runtime/resolve-options";
import { GRACE_MILLIS } from "../spawn/worker";
import { STRATEGIES, type Strategy } from "./balancer";
import { MAX_WORKERS, type ResolvedConfig, resolveConfig, type WorkerPoolConfig } from "./config";

/** The options of `createPool`. */
export interface PoolOptions {
  /**
   * Number of workers, from 1 to 1024. Default 1. `{ min, max }` is the short form of `workerPoolConfig.minWorkers` and
   * `maxWorkers`: the pool starts workers while calls wait, and ends idle ones.
   */
  threads?: number | { min?: number | undefined; max?: number | undefined } | undefined;
  /**
   * Number of calls that a worker may have begun and not settled, at least 1. Further calls wait in the pool. Default:
   * no limit. With 1, a worker that waits for a promise of its task takes no other call meanwhile.
   */
  concurrency?: number | undefined;
  /**
   * Bytes of copied arguments that may wait for a worker, in sum. A call that would make them more rejects with
   * `QueueFullError`; with the call option `copy: false` nothing is copied until the call is sent. Default 1 GiB.
   */
  maxQueueBytes?: number | undefined;
  /**
   * How often a call is tried in all if its worker dies after the call was started, at least 1. Default 1, which is no
   * second attempt: a task may have done something before its worker died. A call whose last attempt fails too rejects
   * with an `AggregateError`, whose `errors` are those of the attempts, the first one first. A call with a stream is
   * not tried again, nor one whose time limit, signal or `kill` has ended its worker.
   */
  retry?: { attempts: number } | undefined;
  /**
   * Number of workers in addition to `threads` or `maxWorkers` that are ready to take the place of one that ends, and
   * take no calls before. Default 0, and 1 if `workerPoolConfig.maxExecutionsPerWorker` is set.
   */
  spareWorkers?: number | undefined;
  /** Size of the pool, and limits of its workers and its queue. */
  workerPoolConfig?: WorkerPoolConfig | undefined;
  /**
   * Decides which of the workers that are free for a call gets it:
   *
   * - `"roundRobin"`, the default of a pool with a fixed number of workers: each in turn.
   * - `"firstIdle"`, the default of an elastic pool: the first without a call; if each has one, that with the fewest.
   * - `"randomLane"`: a random one.
   * - `"firstIdleOrRandom"`: the first without a call; if each has one, a random one.
   *
   * A worker is free if it has no call, or few calls of tasks that are known to be quick. If none is free the call waits,
   * and the first worker that is free gets it.
   */
  balancer?: Strategy | { strategy: Strategy } | undefined;
  /** Runtime, limits and environment of the workers. */
  worker?: WorkerOptions | undefined;
  /**
   * Command line flags for the workers' runtime, such as `["--expose-gc"]`. For a process worker they stand before
   * the script. Default: for threads and for the Node that runs this process, the flags of this process that suit a
   * worker, those of `NODE_OPTIONS` included; for another Node, Deno and Bun, the conditions alone
   * (`--conditions=…`). Preloads, such as `--import`, are never inherited: `createPool` warns of that once. With an
   * empty array workers inherit no flags.
   */
  workerExecArgv?: readonly string[] | undefined;
  /**
   * How many calls of tasks with `abortSignal: true` may be pending at once, from 1 to 65536. A further call rejects
   * with `AbortCapacityError`. Default 258.
   */
  abortSignalCapacity?: number | undefined;
  /** Memory for the values that are sent to the workers and back. */
  payload?: PayloadOptions | undefined;
  /**
   * What the pool and its workers log to stderr, for debugging. `true` enables every namespace; an array such as
   * `["host"]` or an object such as `{ lifecycle: true }` selects some:
   *
   * - `"host"`: what pools are made of and how they end.
   * - `"lifecycle"`: the start, boot, end and replacement of workers.
   * - `"imports"`: the modules that workers import.
   * - `"globals"`: what these modules leave on `globalThis`.
   * - `"signals"`: the start and end of each call, which costs time.
   *
   * Arguments and results are never logged. The environment variable `KNITTING_DEBUG`, such as `host,imports` or `*`,
   * enables namespaces too. Default: none.
   */
  debug?:
    | boolean
    | readonly DebugNamespace[]
    | { readonly [Namespace in DebugNamespace]?: boolean | undefined }
    | undefined;
  /**
   * What the workers may do. With `"strict"` or `{}` they may read and write files in their working directory, and
   * nothing else: no network, no programs, no environment variables, and no console output. An object changes single
   * permissions. `"unsafe"` removes all restrictions. Default: like `"strict"`, except that Deno may import modules
   * from the web, and that rules which can't be enforced are only listed in `pool.permissions`.
   */
  permission?: "strict" | "unsafe" | PermissionOptions | undefined;
}

/** The validated options. */
export interface ResolvedOptions {
  config: ResolvedConfig;
  /** `undefined`: the user has chosen none. */
  balancer: Strategy | undefined;
  concurrency: number;
  maxQueueBytes: number;
  /** How often a call is tried in all. */
  attempts: number;
  spareWorkers: number;
  worker: ResolvedWorker;
  abortSignalCapacity: number;
  payload: ResolvedPayload;
  permission: Policy;
  /** `undefined` if nothing is logged. */
  debug: readonly DebugNamespace[] | undefined;
}

const CALLER = "createPool";
const MAX_QUEUE_BYTES = 1024 ** 3;
const ABORT_SIGNAL_CAPACITY = 258;
/** How long a worker with a teardown function may take to end, unless `gracefulShutdownTimeout` says it. */
const TEARDOWN_MILLIS = 5_000;

const KNOWN = [
  "threads",
  "concurrency",
  "maxQueueBytes",
  "retry",
  "spareWorkers",
  "workerPoolConfig",
  "balancer",
  "worker",
  "workerExecArgv",
  "abortSignalCapacity",
  "payload",
  "permission",
  "debug",
];
const LEFT_OUT = {
  inliner: "the host runs no tasks",
  host: "the host runs no tasks",
  dispatcher: "there is one way to dispatch",
  source: "a task's module is found by itself; importTask names another",
};

/** Validates the user's options and fills in the defaults. */
export function resolveOptions(options: unknown): ResolvedOptions {
  const pool = record(CALLER, "options", options);
  refuseUnknown(CALLER, pool, KNOWN, "", LEFT_OUT);
  const config = resolveConfig(pool.workerPoolConfig, pool.threads);
  const worker = resolveWorker(pool.worker, pool.workerExecArgv);
  const debug = resolveDebug(CALLER, pool.debug);
  const { runtime, cwd, stdio, env } = worker;
  const debugged = debug.length > 0;
  const permission = resolvePermission(pool.permission, () => ({ runtime, cwd, stdio, env, debugged }));
  const { abortSignalCapacity = ABORT_SIGNAL_CAPACITY, maxQueueBytes = MAX_QUEUE_BYTES } = pool;
  refuseTwoPatiences(config, worker.resolveAfterFinishingAll);
  return {
    config,
    balancer: optional(pool.balancer, resolveBalancer),
    concurrency:
      optional(pool.concurrency, (value) => wholeNumber(CALLER, "concurrency", value, 1)) ??
      Number.POSITIVE_INFINITY,
    maxQueueBytes: wholeNumber(CALLER, "maxQueueBytes", maxQueueBytes, 1),
    attempts: optional(pool.retry, resolveAttempts) ?? 1,
    spareWorkers:
      optional(pool.spareWorkers, (value) => wholeNumber(CALLER, "spareWorkers", value, 0, MAX_WORKERS)) ??
      (config.maxExecutions === Number.POSITIVE_INFINITY ? 0 : 1),
    worker: {
      ...worker,
      limits: config.workerLimits,
      stopMillis:
        worker.teardown === undefined
          ? GRACE_MILLIS
          : Math.max(config.gracefulShutdownMs ?? TEARDOWN_MILLIS, GRACE_MILLIS),
      stdio: stdio ?? (permission.console ? "inherit" : "ignore"),
      environmentPolicy: permission.mode === "unsafe" ? undefined : permission.env,
    },
    abortSignalCapacity: wholeNumber(CALLER, "abortSignalCapacity", abortSignalCapacity, 1, MAX_CALLS),
    payload: resolvePayload(pool.payload),
    permission,
    debug: debugged ? debug : undefined,
  };
}

/** Both options say how long a shutdown waits for calls. */
function refuseTwoPatiences({ gracefulShutdownMs }: ResolvedConfig, resolveAfterFinishingAll: boolean): void {
  if (gracefulShutdownMs !== undefined && resolveAfterFinishingAll) {
    throw new InvalidOptionError(
      `${CALLER}: "workerPoolConfig.gracefulShutdownTimeout" is ${gracefulShutdownMs} and ` +
        '"worker.resolveAfterFinishingAll" is true: both say how long a shutdown waits for calls, leave out ' +
        "one of them",
    );
  }
}

function resolveAttempts(retry: unknown): number {
  const given = record(CALLER, "retry", retry, "{ attempts }");
  refuseUnknown(CALLER, given, ["attempts"], "retry.");
  return wholeNumber(CALLER, "retry.attempts", given.attempts, 1);
}

function resolveBalancer(balancer: unknown): Strategy {
  if (typeof balancer === "string") {
    return choice(CALLER, "balancer", balancer, STRATEGIES);
  }
  const words = STRATEGIES.map((word) => JSON.stringify(word)).join(", ");
  const given = record(CALLER, "balancer", balancer, `${words} or { strategy }`);
  refuseUnknown(CALLER, given, ["strategy"], "balancer.");
  return choice(CALLER, "balancer.strategy", given.strategy, STRATEGIES);
}
