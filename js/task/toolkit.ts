/** What a task gets beside its argument. */

/**
 * The second argument of a task that declares one: whose function has a `length` of 2 or more, or that has
 * `abortSignal: true`. Its members work without it: `(x, { progress }) => ...`.
 */
export interface TaskToolkit<Progress = unknown> {
  /**
   * Sends `value` to the host at once, also out of a busy loop: the listeners of `call.on("progress", listener)` get it,
   * before the call has its result. Values follow one another in order. Where the host does not keep up, only the newest
   * of those that found no room is kept. It returns false, and sends nothing, once the call has its result or nobody waits
   * for it. Throws `UnsupportedPayloadError` or `PayloadTooLargeError` if the value can't be sent.
   */
  readonly progress: (value: Progress) => boolean;
  /**
   * Whether nobody waits for the call any more: its time was over, it was aborted, or whoever read its stream has left. It
   * costs a look into shared memory, and is true at once, also in a busy loop.
   */
  readonly hasAborted: () => boolean;
  /** Milliseconds since some moment, with fractions. */
  readonly now: () => number;
  /** The same as `hasAborted`, as a standard signal. It tells when the event loop gets a turn. */
  get signal(): AbortSignal;
}
