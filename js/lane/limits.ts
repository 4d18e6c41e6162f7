/** Looks at a lane's running calls from time to time, while any of them has a limit. */
import { clearTimeout, setTimeout } from "../clock";

/** So often within the shortest limit, but no more often and no less than this: what a limit is enforced late by. */
const LOOKS = 8;
const LEAST_MILLIS = 1;
const MOST_MILLIS = 250;

export class Limits {
  readonly #enforce: () => number;
  #timer: NodeJS.Timeout | undefined;
  #millis = Number.POSITIVE_INFINITY;

  /** `enforce` returns the shortest limit that is left, infinity if there is none. The timer keeps no process alive. */
  constructor(enforce: () => number) {
    this.#enforce = enforce;
  }

  /** There is a call with this limit. */
  watch(limitMs: number): void {
    const millis = Math.min(Math.max(limitMs / LOOKS, LEAST_MILLIS), MOST_MILLIS);
    if (this.#timer === undefined || millis < this.#millis) {
      clearTimeout(this.#timer);
      this.#millis = millis;
      this.#timer = setTimeout(this.#look, millis).unref();
    }
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  readonly #look = (): void => {
    this.#timer = undefined;
    const shortest = this.#enforce();
    if (shortest !== Number.POSITIVE_INFINITY) {
      this.watch(shortest);
    }
  };
}
