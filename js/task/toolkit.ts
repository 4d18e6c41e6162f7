/** The second argument of a task. */

/**
 * The second argument of a task. A task gets it if its function has a `length` of 2 or more, or if the task has the
 * option `abortSignal`. The members work without `this`: `(x, { progress }) => ...`.
 */
export interface TaskToolkit<Progress = unknown> {
  /**
   * Sends `value` to the host at once, even from a busy loop. The listeners of `call.on("progress", listener)` get
   * the values in order, before the call settles. If the host doesn't keep up, only the newest of the values that
   * found no free memory is kept. Returns false, and sends nothing, if the call has its result already or nobody
   * waits for it any more.
   *
   * @throws UnsupportedPayloadError or PayloadTooLargeError if the value can't be sent, and KnittingError with the code
   * `KNITTING_NO_MEMORY` if the system has no memory for it
   */
  readonly progress: (value: Progress) => boolean;
  /**
   * Whether nobody waits for the call any more: its time was over, it was aborted, or the reader of its stream has
   * stopped. With `abortSignal: { hasAborted: true }` the caller then waits for what the task has so far. The function reads shared memory, so it is cheap and up to date even in a busy loop.
   */
  readonly hasAborted: () => boolean;
  /** Milliseconds since a fixed but arbitrary moment, with fractions. */
  readonly now: () => number;
  /** The state of `hasAborted` as a standard `AbortSignal`. Its event fires when the event loop gets a turn. */
  get signal(): AbortSignal;
}
