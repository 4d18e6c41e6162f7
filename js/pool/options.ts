/** The options of a pool, validated in one place: each error names the option, its value and what is allowed. */
import { type DebugNamespace, resolveDebug } from "../base/debug-log";
import { choice, record, refuseUnknown, wholeNumber } from "../base/validate";
import { MAX_CALLS } from "../native/layout";
import { type PayloadOptions, type ResolvedPayload, resolvePayload } from "../payload/options";
import type { PermissionOptions } from "../permission/options";
import type { Policy } from "../permission/policy";
import { resolvePermission } from "../permission/resolve";
import type { ResolvedWorker, WorkerOptions } from "../runtime/options";
import { resolveWorker } from "../runtime/resolve-options";
import { STRATEGIES, type Strategy } from "./balancer";

/** What `createPool` takes. */
export interface PoolOptions {
  /** Number of workers, from 1 to 1024. Default 1. */
  threads?: number | undefined;
  /**
   * Which worker gets a call. `"roundRobin"`, the default: one after the other. `"firstIdle"`: the first that has nothing to do,
   * else the one with the fewest calls. `"randomLane"`: any. `"firstIdleOrRandom"`: the first that has nothing to do, else any.
   * Workers that can't serve are passed over as long as there are others.
   */
  balancer?: Strategy | { strategy: Strategy } | undefined;
  /** What the workers are. */
  worker?: WorkerOptions | undefined;
  /**
   * Command line flags of the workers' runtime, such as `["--expose-gc"]`. A process worker gets them where its runtime's own
   * stand: before the script. Default: for Node the flags of this process that suit a worker, if the same executable runs it;
   * for Deno and Bun none. An empty array keeps Node's from being passed on.
   */
  workerExecArgv?: readonly string[] | undefined;
  /**
   * How many calls of tasks with `abortSignal: true` may be under way at once, from 1 to 65536. A call too many rejects with
   * `AbortCapacityError`. Default 258.
   */
  abortSignalCapacity?: number | undefined;
  /** Memory for what is sent to the workers and back. */
  payload?: PayloadOptions | undefined;
  /**
   * What the pool and its workers write to stderr of what they do, for the person who looks for a fault: `true` for everything,
   * or the namespaces as an array or as `{ lifecycle: true }`. `"host"`: what pools are made of and how they end. `"lifecycle"`: workers as they start, boot, end and are
   * replaced. `"imports"`: modules that workers import. `"globals"`: what these leave on `globalThis`. `"signals"`: each call and
   * its end; it costs time. Never arguments or results. The environment variable `KNITTING_DEBUG`, such as `host,imports` or `*`, adds to it.
   * Default: nothing.
   */
  debug?:
    | boolean
    | readonly DebugNamespace[]
    | { readonly [Namespace in DebugNamespace]?: boolean | undefined }
    | undefined;
  /**
   * What the workers may do. `"strict"` or `{}`: read and write in their working directory, and nothing else: no network, no
   * programs, no variables, and what they write to the console is not seen. An object grants more, or other things. `"unsafe"`:
   * anything. Default: as `"strict"`, but Deno may import modules from the web, and what nobody enforces is only listed by
   * `pool.permissions`.
   */
  permission?: "strict" | "unsafe" | PermissionOptions | undefined;
}

/** The options as the pool uses them. */
export interface ResolvedOptions {
  threads: number;
  balancer: Strategy;
  worker: ResolvedWorker;
  abortSignalCapacity: number;
  payload: ResolvedPayload;
  permission: Policy;
  /** Undefined: there is nothing to say. */
  debug: readonly DebugNamespace[] | undefined;
}

const CALLER = "createPool";
const MAX_WORKERS = 1024;
const ABORT_SIGNAL_CAPACITY = 258;

const KNOWN = [
  "threads",
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

/** Checks what a user gave and fills in the defaults. */
export function resolveOptions(options: unknown): ResolvedOptions {
  const pool = record(CALLER, "options", options);
  refuseUnknown(CALLER, pool, KNOWN, "", LEFT_OUT);
  const { threads = 1, balancer = "roundRobin" } = pool;
  const count = wholeNumber(CALLER, "threads", threads, 1, MAX_WORKERS);
  const worker = resolveWorker(pool.worker, pool.workerExecArgv);
  const debug = resolveDebug(CALLER, pool.debug);
  const { runtime, cwd = process.cwd(), stdio, env } = worker;
  const debugged = debug.length > 0;
  const permission = resolvePermission(pool.permission, () => ({ runtime, cwd, stdio, env, debugged }));
  const { abortSignalCapacity = ABORT_SIGNAL_CAPACITY } = pool;
  return {
    threads: count,
    balancer: resolveBalancer(balancer),
    worker: {
      ...worker,
      stdio: stdio ?? (permission.console ? "inherit" : "ignore"),
      environmentPolicy: permission.mode === "unsafe" ? undefined : permission.env,
    },
    abortSignalCapacity: wholeNumber(CALLER, "abortSignalCapacity", abortSignalCapacity, 1, MAX_CALLS),
    payload: resolvePayload(pool.payload),
    permission,
    debug: debugged ? debug : undefined,
  };
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
