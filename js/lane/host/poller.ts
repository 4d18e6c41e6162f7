/**
 * How the host waits for what is in flight on a lane.
 *
 * ```text
 *   flush -> [microtask] exchange, spinning a few microseconds -> result in the same tick
 *              nothing yet: setImmediate, some times over -> exchange
 *              nothing yet: arm the doorbell; a native thread wakes the event loop
 * ```
 */
import { nextTick, now, queueMicrotask, setImmediate } from "../../base/clock";
import type { NativeHostLane } from "../../native/addon";
import { STAGING_CROWDED, STAGING_WOKE } from "../../native/layout";
import { hold, release } from "../keep-alive";

/** What is waited for. */
export interface PolledLane {
  readonly native: NativeHostLane;
  /** False once the worker is not to be heard any more. */
  readonly isOpen: boolean;
  /** Calls that are in flight. */
  readonly inFlightCount: number;
  /** Calls that are in flight or wait for room. */
  readonly load: number;
  /** Whether somebody waits for one of those. */
  readonly isAttended: boolean;
  /** Whether something waits for room. */
  readonly waitsForRoom: boolean;
  /** Publishes what is staged and brings in what has arrived: how much, or what is wrong. */
  exchange(spinNanos: number): number;
  /** Settles what arrived, and stages what has waited for room. True if another exchange is due at once. */
  takeIn(arrived: number): boolean;
  /** There is nothing to wait for. */
  atRest(): void;
}

/** The longest spin of the host, while few calls are in flight. */
const SPIN_NANOS = 5_000;
const NANOS_PER_MICRO = 1_000;
/** A poll looks once and lets another thread of its core run, if one wants to. */
const POLL_NANOS = 1;
/** With more calls in flight than this the host has better things to do than to spin. */
const SPIN_CALLS = 8;
/** Spins that brought something, one after the other, before the event loop gets a turn. */
const SPINS_PER_TURN = 64;
/** An answer that takes no longer than this counts as quick: the next call spins, and polls for as long. */
const QUICK_MILLIS = 0.2;
/** How long to poll for an answer of a worker that had to be woken, which says nothing about its tasks. */
const WAKE_POLL_MILLIS = 0.5;
/** How long to poll after a slow answer, or with no core to spare. */
const SLOW_POLL_MILLIS = 0.02;
/** Of the calls after a slow answer every so many'th spins, to see if answers are quick again. */
const SLOW_PROBE = 32;
/** How long the host may take results in before its event loop gets a turn. */
const TURN_MILLIS = 1;

export class Poller {
  readonly #lane: PolledLane;
  readonly #words: Uint32Array;
  readonly #spinNanos: number;
  /** True until the worker has said that it is ready: a boot is long, and nobody polls for it. */
  booting = true;
  #flushScheduled = false;
  #pollScheduled = false;
  #asleep = false;
  #holding = false;
  #wantsRoom = false;
  #spinsThisTurn = 0;
  /** 0 while answers are quick; else the calls since the last slow one. */
  #slow = 0;
  /** When the host began to wait without spinning, 0 if it doesn't. */
  #waitingSince = 0;

  /** `words` are those of the lane's staging; `spinMicroseconds` is how long the worker spins, and the host never longer. */
  constructor(lane: PolledLane, words: Uint32Array, spinMicroseconds: number) {
    this.#lane = lane;
    this.#words = words;
    this.#spinNanos = Math.min(SPIN_NANOS, spinMicroseconds * NANOS_PER_MICRO);
  }

  /** A call is staged: publishes it at the end of the microtask, and spins for its answer. */
  flush(): void {
    if (!this.#flushScheduled) {
      this.#flushScheduled = true;
      queueMicrotask(this.#flush);
    }
  }

  /** Something is staged for a call in flight: what follows within this turn of the event loop goes with it. */
  flushLater(): void {
    if (!this.#flushScheduled) {
      this.#flushScheduled = true;
      nextTick(this.#flushQuietly);
    }
  }

  /** Exchanges now, without spinning. */
  turnNow(): void {
    this.#turn(0);
  }

  /** Somebody waits again, perhaps while the lane sleeps. */
  attended(): void {
    if (this.#asleep && !this.#holding) {
      this.#holding = true;
      hold();
    }
  }

  /** An exchange has been made outside of a turn: it has undone what `sleep` has armed. */
  disarmed(): void {
    this.#asleep = false;
  }

  /** The native side calls it when something arrives while the lane sleeps. */
  readonly wake = (): void => {
    if (this.#lane.isOpen) {
      this.#spinsThisTurn = 0;
      this.#turn(0);
    }
  };

  /** Arms the doorbell, and keeps the process alive if somebody waits for an answer. */
  sleep(): void {
    const { native, waitsForRoom, isAttended } = this.#lane;
    if (waitsForRoom !== this.#wantsRoom) {
      this.#wantsRoom = waitsForRoom;
      native.wantRoom(waitsForRoom);
    }
    if (!isAttended) {
      this.release();
    } else if (!this.#holding) {
      this.#holding = true;
      hold();
    }
    if (!this.#asleep) {
      this.#asleep = native.arm();
      if (!this.#asleep) {
        this.#pollSoon();
      }
    }
  }

  /** Lets the process end: nobody waits. */
  release(): void {
    if (this.#holding) {
      this.#holding = false;
      release();
    }
  }

  readonly #flush = (): void => {
    this.#flushScheduled = false;
    if (this.#lane.isOpen) {
      this.#turn(this.#spinBudget());
    }
  };

  /** For what is sent for calls in flight nothing comes back at once. */
  readonly #flushQuietly = (): void => {
    this.#flushScheduled = false;
    if (this.#lane.isOpen) {
      this.#turn(0);
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
    if (this.#lane.inFlightCount > SPIN_CALLS || this.#spinsThisTurn >= SPINS_PER_TURN) {
      return 0;
    }
    if (this.#slow > 0 && this.#slow++ % SLOW_PROBE !== 0) {
      return 0;
    }
    return this.#spinNanos;
  }

  /** One exchange and what follows from it. */
  #turn(spinNanos: number): void {
    const lane = this.#lane;
    this.#asleep = false;
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
        this.#pollSoon();
        return;
      }
    }
    if (lane.isOpen) {
      this.#rest(progress);
    }
  }

  /** Decides how to wait for what is in flight. */
  #rest(progress: boolean): void {
    if (this.#flushScheduled || this.#pollScheduled) {
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
      // Nothing can arrive: nobody needs to watch.
      this.#lane.atRest();
      this.release();
      return;
    }
    const time = now();
    this.#waitingSince ||= time;
    const hurried = this.#slow > 0 || this.#words[STAGING_CROWDED] !== 0;
    const patience = hurried ? SLOW_POLL_MILLIS : woke ? WAKE_POLL_MILLIS : QUICK_MILLIS;
    if (time - this.#waitingSince <= patience) {
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
