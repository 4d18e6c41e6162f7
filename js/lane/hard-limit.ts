/** Looks at a lane's running calls from time to time, while it has any. */
import { clearTimeout, setTimeout } from "../clock";

/** So often within the limit, but no more often and no less than this. */
const LOOKS = 8;
const LEAST_MILLIS = 5;
const MOST_MILLIS = 1000;

export class HardLimit {
  readonly #look: () => boolean;
  readonly #millis: number;
  #timer: NodeJS.Timeout | undefined;

  /** `look` returns false when there is nothing more to look for. The timer keeps no process alive. */
  constructor(limitMs: number, look: () => boolean) {
    this.#look = look;
    this.#millis = Math.min(Math.max(limitMs / LOOKS, LEAST_MILLIS), MOST_MILLIS);
  }

  /** There is a call to watch. */
  touch(): void {
    this.#timer ??= setTimeout(this.#check, this.#millis).unref();
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  readonly #check = (): void => {
    this.#timer = undefined;
    if (this.#look()) {
      this.touch();
    }
  };
}
