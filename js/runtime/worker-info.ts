/** What a pool reports about its workers. */

/** A snapshot of one worker of a pool. */
export interface WorkerInfo {
  /** Index of the worker in its pool, from 0. A replacement has the index of the worker that it replaces. */
  readonly index: number;
  /**
   * Process id of the worker, as this process sees it. Behind a `worker.processCommandPrefix` it is the wrapper's
   * process id until the worker has attached, and also afterwards if the worker's own can't be found from here.
   * `null` for a worker thread, and while no process runs.
   */
  readonly pid: number | null;
  /** The `threadId` of a worker thread; `null` for a process, and while no thread runs. */
  readonly threadId: number | null;
  /** How often the worker of this index was started before: 0 for its first start, 1 for its first replacement. */
  readonly start: number;
  /** What runs the worker. */
  readonly runtime: "thread" | "node" | "deno" | "bun";
  /**
   * State of the worker:
   *
   * - `"booting"`: started, not ready yet.
   * - `"ready"`: runs calls.
   * - `"spare"`: ready, and takes no calls until it replaces another worker.
   * - `"retiring"`: takes no more calls, and ends when those that it has are finished.
   * - `"restarting"`: ended, and waits for its next start.
   * - `"broken"`: given up, after `worker.maxBootFailures` consecutive failed boots or after one that would only fail
   *   again.
   * - `"closed"`: the pool was shut down.
   */
  readonly state: "booting" | "ready" | "spare" | "retiring" | "restarting" | "broken" | "closed";
  /** Number of calls that the worker has answered since its start. */
  readonly served: number;
  /** When the worker was started; `null` while none runs. */
  readonly startedAt: Date | null;
}

/** A process worker that is about to be started. */
export interface WorkerStart {
  /** Index of the worker in its pool, from 0. */
  readonly index: number;
  /** How often this worker has been started before: 0 for its first start, 1 for its first replacement. */
  readonly start: number;
  /** The runtime that will run the worker. */
  readonly runtime: "node" | "deno" | "bun";
}
