/**
 * Tells whether this code runs in the host, and in which worker otherwise. A worker's entry sets the mark on its own `globalThis` before it imports
 * anything else. A vitest worker, a cluster child or a worker thread of another library is therefore a host like any
 * other.
 */

import { MARK } from "./mark";

/** Which worker of its pool this is. */
export interface WorkerIdentity {
  /** Index of the worker in its pool, from 0. A replacement has the index of the worker that it replaces. */
  readonly index: number;
  /** What runs the worker. */
  readonly runtime: "thread" | "node" | "deno" | "bun";
  /** The `threadId` of `node:worker_threads`; `null` for a process. */
  readonly threadId: number | null;
  /** Process id as this worker itself sees it, which differs from the host's view in another PID namespace. */
  readonly pid: number;
  /** How often the worker of this index was started before: 0 for its first start, 1 for its first replacement. */
  readonly start: number;
}

const mark = (globalThis as { readonly [MARK]?: { identity?: WorkerIdentity } })[MARK];

/**
 * `true` in your program, `false` in the workers of a pool.
 *
 * A worker imports the module that defines its tasks. Put code that only the host should run behind this condition:
 *
 * ```js
 * if (isMain) {
 *   using pool = createPool({ threads: 2 })({ add });
 * }
 * ```
 */
export const isMain: boolean = mark === undefined;

/**
 * Says in a worker which one it is, for its tasks, their modules and `worker.bootstrap`: its `index`, `runtime`,
 * `threadId`, `pid` and `start`. `pool.workers` has the same `index`, `threadId` and `start`. `undefined` in your
 * program.
 */
export let workerInfo: WorkerIdentity | undefined = mark?.identity;

/** @internal Sets what `workerInfo` is, here and in each copy of this package that this worker loads later. */
export function identify(identity: WorkerIdentity): void {
  workerInfo = Object.freeze(identity);
  if (mark !== undefined) {
    mark.identity = workerInfo;
  }
}
