/**
 * How quickly the tasks of a pool are done with. A lane may hold as many calls of a task as its worker gets through in
 * a millisecond, so that few calls have to move when one of them takes long, and quick ones go in batches.
 *
 * A task is timed only while calls wait, since otherwise nobody asks. A call counts as done with when its worker is
 * free again: its task has returned, a promise perhaps.
 */

/** Milliseconds of work that a lane may hold. */
const WORK_MILLIS = 1;
/** A task of which a worker gets through this many calls in a millisecond may fill a lane: it is done with in 4 ms. */
const QUICK = 256;
/** With this many calls a measurement replaces what was known before. With fewer it counts less. */
const SAMPLE = 8;
/** What one that was quicker counts, since what makes a call seem slow is often the machine. */
const QUICKER = 0.5;

export class Pace {
  /**
   * Number of calls of each task that a lane may hold which its worker has not begun. 1 for a task that has not been
   * timed.
   */
  readonly windows: Float64Array;
  /** Milliseconds that one call of each task takes its worker. 0: not known. */
  readonly #costs: Float64Array;

  constructor(tasks: number) {
    this.windows = new Float64Array(tasks).fill(1);
    this.#costs = new Float64Array(tasks);
  }

  /**
   * Records that a worker has got through `count` calls in `millis`, a call of this task among them. If `isPartial` is
   * set, they have taken at least that long.
   */
  passed(task: number, count: number, millis: number, isPartial: boolean): void {
    const cost = millis / count;
    const known = this.#costs[task];
    if (isPartial && cost <= known) {
      return;
    }
    const weight = known === 0 || count >= SAMPLE ? 1 : cost < known ? QUICKER : count / SAMPLE;
    const estimate = known + (cost - known) * weight;
    this.#costs[task] = estimate;
    const rate = WORK_MILLIS / estimate;
    this.windows[task] = rate >= QUICK ? Number.POSITIVE_INFINITY : Math.max(Math.floor(rate), 1);
  }
}
