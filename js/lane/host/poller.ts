/**
 * How the host waits for what is in flight on a lane.
 *
 * ```text
 *   flush -> publish, for the first call
 *         -> [microtask] exchange, spinning a few microseconds -> result in the same tick
 *              nothing yet: setImmediate, some times over -> exchange
 *              nothing yet: arm the doorbell; a native thread wakes the event loop
 * ```
 */
import { nextTick, now, queueMicrotask, setImmediate } from "../../base/clock";
import type { NativeHostLane } from "../../native/addon";
import { HANDS_OVER, STAGING_CROWDED, STAGING_WOKE } from "../../native/layout";
import { hold, release } from "../keep-alive";

/** The lane that is polled. */
export interface PolledLane {
  readonly native: NativeHostLane;
  /** False once the host doesn't read from the worker any more. */
  readonly isOpen: boolean;
  /** Number of calls in flight. */
  readonly load: number;
  /** Whether somebody waits for one of these calls. */
  readonly isAttended: boolean;
  /** Whether something waits for space, or for the worker to be free. */
  readonly waitsForRoom: boolean;
  /**
   * Publishes what is staged and receives what has arrived. Returns the number of slots that arrived, or an error code.
   */
  exchange(spinNanos: number): number;
  /** Publishes what is staged and receives nothing. The next exchange reports an error. */
  publish(): void;
  /** Settles what arrived, and stages what has waited for space. Returns true if another exchange is due at once. */
  takeIn(arrived: number): boolean;
  /** Called when there is nothing to wait for. */
  atRest(): void;
  /** Called when the lane has gone to sleep. */
  slept(): void;
}

/** The longest spin of the host, while few calls are in flight. */
const SPIN_NANOS = 5_000;
const NANOS_PER_MICRO = 1_000;
/** A poll checks once, and yields the core to another thread that wants to run. */
const POLL_NANOS = 1;
/** With more calls in flight than this the host doesn't spin. */
const SPIN_CALLS = 8;
/** Number of successful spins in a row before the event loop gets a turn. */
const SPINS_PER_TURN = 64;
/** The same while cores are handed over: a wait may then take 200 µs, and a hostile worker lets each take so long. */
const DOZES_PER_TURN = 16;
/**
 * An answer that takes no longer than this counts as quick: for the next call the host spins, and polls for this long.
 */
const QUICK_MILLIS = 0.2;
/** How long to poll for the answer of a worker that had to be woken. Such an answer says nothing about its tasks. */
const WAKE_POLL_MILLIS = 0.5;
/** How long to poll after a slow answer, or with no core to spare. */
const SLOW_POLL_MILLIS = 0.02;
/** After a slow answer the host spins for one call in so many, to find out whether answers are quick again. */
const SLOW_PROBE = 32;
/** How long the host may receive results before its event loop gets a turn. */
const TURN_MILLIS = 1;

/** When what is staged is published: at the end of the microtask, or before the event loop's next turn. */
type Flush = "none" | "soon" | "later";

export class Poller {
  readonly #lane: PolledLane;
  readonly #words: Uint32Array;
  readonly #spinNanos: number;
  /** True until the worker has reported that it is ready. A boot takes long, so the host doesn't poll for it. */
  booting = true;
  #flush: Flush = "none";
  #pollScheduled = false;
  #asleep = false;
  /** A turn goes on. It ends with an exchange of all that is staged in it. */
  #turning = false;
  #holding = false;
  #wantsRoom = false;
  #spinsThisTurn = 0;
  /** 0 while answers are quick; otherwise the number of calls since the last slow answer. */
  #slow = 0;
  /** When the host began to wait without spinning; 0 if it doesn't. */
  #waitingSince = 0;

  /**
   * `words` are the words of the lane's staging. `spinMicroseconds` is how long the worker spins; the host never spins
   * for longer.
   */
  constructor(lane: PolledLane, words: Uint32Array, spinMicroseconds: number) {
    this.#lane = lane;
    this.#words = words;
    this.#spinNanos = Math.min(SPIN_NANOS, spinMicroseconds * NANOS_PER_MICRO);
  }

  /**
   * Publishes a staged call: the first one at once, so that it runs even if this thread blocks before the microtask,
   * and those that follow it together at the end of the microtask, which also spins for an answer.
   */
  flush(): void {
    if (this.#flush !== "soon" && !this.#turning) {
      this.#flush = "soon";
      this.#lane.publish();
      queueMicrotask(this.#flushNow);
    }
  }

  /**
   * Publishes what was staged for a call in flight later in this turn of the event loop, together with what follows.
   */
  flushLater(): void {
    if (this.#flush === "none") {
      this.#flush = "later";
      nextTick(this.#flushQuietly);
    }
  }

  /** Whether nobody looks for what arrives until the worker rings. */
  get isAsleep(): boolean {
    return this.#asleep;
  }

  /** Exchanges now, without spinning. */
  turnNow(): void {
    if (!this.#turning) {
      this.#turn(0);
    }
  }

  /** Somebody waits for a call again, perhaps while the lane sleeps. */
  attended(): void {
    if (this.#asleep) {
      this.keepAlive();
    }
  }

  /** An exchange outside of a turn has disarmed the doorbell that `sleep` had armed. */
  disarmed(): void {
    this.#asleep = false;
  }

  /** The native side calls this when something arrives while the lane sleeps. */
  readonly wake = (): void => {
    if (this.#lane.isOpen) {
      this.#spinsThisTurn = 0;
      this.#turn(0);
    }
  };

  /** Keeps the process alive until `release`. */
  keepAlive(): void {
    if (!this.#holding) {
      this.#holding = true;
      hold();
    }
  }

  /** Arms the doorbell, and keeps the process alive if somebody waits for an answer. */
  sleep(): void {
    const { native, waitsForRoom, isAttended } = this.#lane;
    if (waitsForRoom !== this.#wantsRoom) {
      this.#wantsRoom = waitsForRoom;
      native.wantRoom(waitsForRoom);
    }
    if (!isAttended) {
      this.release();
    } else {
      this.keepAlive();
    }
    if (!this.#asleep) {
      this.#asleep = native.arm();
      if (!this.#asleep) {
        this.#pollSoon();
        return;
      }
      this.#lane.slept();
    }
  }

  /** Lets the process end, because nobody waits. */
  release(): void {
    if (this.#holding) {
      this.#holding = false;
      release();
    }
  }

  readonly #flushNow = (): void => {
    this.#flush = "none";
    if (this.#lane.isOpen) {
      this.#turn(this.#spinBudget());
    }
  };

  /** Publishes without spinning, because messages for calls in flight get no answer at once. */
  readonly #flushQuietly = (): void => {
    // Otherwise they have gone, or go, with a call.
    if (this.#flush === "later") {
      this.#flush = "none";
      if (this.#lane.isOpen) {
        this.#turn(0);
      }
    }
  };

  readonly #poll = (): void => {
    this.#pollScheduled = false;
    this.#spinsThisTurn = 0;
    if (this.#lane.isOpen) {
      this.#turn(POLL_NANOS);
    }
  };

  #spinBudget(): number {
    const perTurn = this.#words[STAGING_CROWDED] === HANDS_OVER ? DOZES_PER_TURN : SPINS_PER_TURN;
    if (this.#lane.load > SPIN_CALLS || this.#spinsThisTurn >= perTurn) {
      return 0;
    }
    if (this.#slow > 0 && this.#slow++ % SLOW_PROBE !== 0) {
      return 0;
    }
    return this.#spinNanos;
  }

  /** Exchanges once and handles what arrived. */
  #turn(spinNanos: number): void {
    const lane = this.#lane;
    this.#asleep = false;
    this.#turning = true;
    let arrived = lane.exchange(spinNanos);
    this.#spinsThisTurn++;
    let progress = arrived > 0;
    let more = lane.takeIn(arrived);
    const turnEnds = more ? now() + TURN_MILLIS : 0;
    while (more) {
      arrived = lane.exchange(0);
      progress ||= arrived > 0;
      more = lane.takeIn(arrived);
      if (more && now() > turnEnds) {
        this.#turning = false;
        this.#pollSoon();
        return;
      }
    }
    this.#turning = false;
    if (lane.isOpen) {
      this.#rest(progress);
    }
  }

  /** Decides how to wait for what is in flight. */
  #rest(progress: boolean): void {
    if (this.#flush !== "none" || this.#pollScheduled) {
      return;
    }
    if (this.booting) {
      this.sleep();
      return;
    }
    const woke = this.#words[STAGING_WOKE] !== 0;
    if (progress) {
      if (this.#waitingSince > 0) {
        const limit = woke ? WAKE_POLL_MILLIS : QUICK_MILLIS;
        this.#slow = now() - this.#waitingSince < limit ? 0 : 1;
        this.#waitingSince = 0;
      }
      this.#words[STAGING_WOKE] = 0;
    }
    if (this.#lane.load === 0) {
      // Nothing can arrive, so nobody needs to watch.
      this.#lane.atRest();
      this.release();
      return;
    }
    const time = now();
    this.#waitingSince ||= time;
    const crowded = this.#words[STAGING_CROWDED];
    const hurried = this.#slow > 0 || crowded !== 0;
    const patience =
      crowded === HANDS_OVER ? 0 : hurried ? SLOW_POLL_MILLIS : woke ? WAKE_POLL_MILLIS : QUICK_MILLIS;
    if (time - this.#waitingSince < patience) {
      this.#pollSoon();
    } else {
      this.sleep();
    }
  }

  #pollSoon(): void {
    if (!this.#pollScheduled) {
      this.#pollScheduled = true;
      setImmediate(this.#poll);
    }
  }
}
