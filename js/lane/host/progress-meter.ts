/**
 * Counts the progress values of a worker whose messages are limited. Native code keeps the account, in which the lines
 * of the worker's output are counted too.
 *
 * The host doesn't know when a value was sent. It was sent after the moment at which the lane was last known to be
 * empty: when everything had been received, or when a timer came in time, so that the event loop was free to receive.
 */
import { clearTimeout, missedMillis, now, setTimeout } from "../../base/clock";
import type { Flood, NativeHostLane } from "../../native/addon";

/** How often to look while a call is in flight, in milliseconds: more often than once a second. */
const LOOK_MILLIS = 500;

/** The lane whose progress values are counted. */
export interface MeteredLane {
  readonly native: NativeHostLane;
  /** False once the host doesn't read from the worker any more. */
  readonly isOpen: boolean;
  /** Number of calls that are in flight or wait for space. */
  readonly load: number;
  /** Receives what arrived while the event loop was busy elsewhere. */
  catchUp(): void;
}

export class ProgressMeter {
  readonly #lane: MeteredLane;
  readonly #flooded: (flood: Flood) => void;
  #emptyAt = 0;
  #due = 0;
  #timer: NodeJS.Timeout | undefined;
  #isFlooded = false;

  /** `flooded` is called when the worker has sent too much, once. The timer doesn't keep the process alive. */
  constructor(lane: MeteredLane, messagesPerSecond: number, flooded: (flood: Flood) => void) {
    this.#lane = lane;
    this.#flooded = flooded;
    lane.native.limitMessages(messagesPerSecond);
  }

  /** A call was made. Without one the worker can send no progress values. */
  watch(): void {
    if (this.#timer === undefined) {
      this.#emptyAt = now();
      this.#arm();
    }
  }

  /** Counts values that were received. `isEmpty`: nothing else has arrived. */
  count(values: number, isEmpty: boolean): void {
    if (this.#isFlooded) {
      return;
    }
    const time = now();
    const flood = this.#lane.native.countMessages(values, time - this.#emptyAt);
    if (isEmpty) {
      this.#emptyAt = time;
    }
    if (flood !== null) {
      this.#isFlooded = true;
      this.#flooded(flood);
    }
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #arm(): void {
    this.#due = now() + LOOK_MILLIS;
    this.#timer = setTimeout(this.#look, LOOK_MILLIS).unref();
  }

  readonly #look = (): void => {
    this.#timer = undefined;
    if (missedMillis(this.#due) > 0) {
      // What has waited meanwhile was not sent just now.
      this.#lane.catchUp();
    }
    this.#emptyAt = now();
    if (this.#lane.isOpen && this.#lane.load > 0 && !this.#isFlooded) {
      this.#arm();
    }
  };
}
