/** Notices that a lane has had nothing to do for a while. */
import { clearTimeout, setTimeout } from "../base/clock";

const IDLE_MILLIS = 5_000;

/** Memory of an arena that is kept when its lane has been idle. */
export const KEEP_WARM_BYTES = 4 * 1024 * 1024;

export class Idle {
  readonly #onIdle: () => void;
  #timer: NodeJS.Timeout | undefined;
  #touched = false;

  /**
   * `onIdle` is called once, when 5 to 10 seconds have passed since the last touch. The timer doesn't keep the process
   * alive.
   */
  constructor(onIdle: () => void) {
    this.#onIdle = onIdle;
  }

  /** Records that the lane has come to rest, or is still at work. */
  touch(): void {
    this.#touched = true;
    this.#timer ??= setTimeout(this.#check, IDLE_MILLIS).unref();
  }

  stop(): void {
    clearTimeout(this.#timer);
  }

  readonly #check = (): void => {
    this.#timer = undefined;
    if (this.#touched) {
      this.touch();
      this.#touched = false;
    } else {
      this.#onIdle();
    }
  };
}
