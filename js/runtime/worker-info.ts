/** What a pool tells of its workers. */

/** A worker of a pool, as it is at this moment. */
export interface WorkerInfo {
  /** Which of the pool's workers, from 0. A replacement has the index of the worker it replaces. */
  readonly index: number;
  /**
   * Id of the worker's process, as this system counts. Behind a `worker.processCommandPrefix` it is the wrapper's until the
   * worker has attached, and stays that if the worker can't be found from here. `null` for a worker thread, and while no
   * process runs.
   */
  readonly pid: number | null;
  /** What runs the worker. */
  readonly runtime: "thread" | "node" | "deno" | "bun";
  /**
   * `"booting"`: started, not ready yet. `"ready"`: serves calls. `"restarting"`: ended, and waits for its next start.
   * `"broken"`: given up after `worker.maxBootFailures` failed boots in a row, or one that would only fail again. `"closed"`: the pool was shut down.
   */
  readonly state: "booting" | "ready" | "restarting" | "broken" | "closed";
  /** Calls that it has answered since it was started. */
  readonly served: number;
  /** When it was started; `null` while none runs. */
  readonly startedAt: Date | null;
}

/** A process worker that is about to be started. */
export interface WorkerStart {
  /** Which of the pool's workers, from 0. */
  readonly index: number;
  /** How often this worker has been started before: 0 the first time, 1 for its first replacement. */
  readonly start: number;
  /** What will run it. */
  readonly runtime: "node" | "deno" | "bun";
}
