/**
 * What a worker has been sent and has not begun: whether it can have more, and whether another worker should have some of
 * it instead.
 *
 * ```text
 *   in time --the host sleeps, and the worker is amid a call---------> late --it passes a call--> in time
 *       '----the host sleeps, and the worker begins none for 25 ms------^
 * ```
 *
 * All of it rests on what the worker reports, which decides only where calls go.
 */
import { clearTimeout, now, setTimeout } from "../../base/clock";
import { RING_SLOTS, STAGING_RUNNING, STAGING_STARTED, STAGING_WANTED } from "../../native/layout";
import type { Pace } from "./pace";

/** A worker that was woken and has not begun a call after this time is late. */
const WAKE_MILLIS = 25;

/** The lane of the worker. */
export interface BackloggedLane {
  readonly isOpen: boolean;
  /** Number of calls in flight. */
  readonly load: number;
  /** Sequence number of the next submission. */
  readonly nextSequence: number;
  /** Whether nobody looks for what arrives until the worker rings. */
  readonly isAsleep: boolean;
  /** Sequence number of the first submission that was not started, as far as the worker reports that now. */
  firstUnstarted(): number;
  /** Whether the worker runs one task after another, as far as it reports that now. */
  readonly isRunning: boolean;
}

/** What a backlog reports. */
export interface BacklogEvents {
  /** The lane has heard from its worker while calls wait elsewhere. It may take some now. */
  room(): void;
  /** The worker has not answered for a while, and has calls that it has not begun. */
  late(): void;
  /** The worker has answered again, or has no such calls any more. */
  caughtUp(): void;
}

export class Backlog {
  readonly #lane: BackloggedLane;
  readonly #words: Uint32Array;
  readonly #pace: Pace;
  readonly #windows: Float64Array;
  readonly #events: BacklogEvents;
  /** The tasks of the last submissions, by sequence number. */
  readonly #tasks = new Uint32Array(RING_SLOTS);
  /**
   * When the worker was last heard from, or the host began to listen, and how far it had got then. If it was amid a call,
   * the first time that is measured is only a part of what that call takes.
   */
  #heard = { at: 0, started: 0, isPartial: false };
  #isLate = false;
  #waking: NodeJS.Timeout | undefined;

  /** `words` are the words of the lane's staging. */
  constructor(lane: BackloggedLane, words: Uint32Array, pace: Pace, events: BacklogEvents) {
    this.#lane = lane;
    this.#words = words;
    this.#pace = pace;
    this.#windows = pace.windows;
    this.#events = events;
  }

  /** Number of submissions that the worker has not begun, as of the last exchange. */
  get size(): number {
    // Sequence numbers wrap.
    return (this.#lane.nextSequence - this.#words[STAGING_STARTED]) | 0;
  }

  /**
   * Whether there is room for a call of this task behind those that the worker has not begun, as of the exchange that was
   * just made while calls wait. With `isReady` it may lie ready behind the one that the worker runs.
   */
  hasRoomFor(task: number, isReady: boolean): boolean {
    const running = isReady ? 0 : this.#words[STAGING_RUNNING];
    return this.size + running < this.#windows[task];
  }

  /** Whether there is room for a call of this task while the worker may be amid another one: only if it is quick. */
  hasRoomForQuick(task: number): boolean {
    const window = this.#windows[task];
    return window > 1 && this.size < window;
  }

  /** Whether the worker has nothing to do, as of the exchange that was just made while calls wait. */
  get isEmpty(): boolean {
    return this.#lane.load === 0 || this.size + this.#words[STAGING_RUNNING] === 0;
  }

  /** Whether the worker has nothing to do now. */
  get isEmptyNow(): boolean {
    const lane = this.#lane;
    return (
      lane.load === 0 || (lane.isAsleep && lane.firstUnstarted() === lane.nextSequence && !lane.isRunning)
    );
  }

  /** A call of this task was submitted. */
  add(task: number, sequence: number): void {
    this.#tasks[sequence & (RING_SLOTS - 1)] = task;
  }

  /** Whether calls wait elsewhere, or another worker is late. */
  get isWanted(): boolean {
    return this.#words[STAGING_WANTED] !== 0;
  }

  /** Says whether calls wait elsewhere. The backlog then reports room whenever the lane has heard from its worker. */
  want(wanted: boolean): void {
    if (this.isWanted !== wanted && this.#lane.isOpen) {
      this.#words[STAGING_WANTED] = wanted ? 1 : 0;
      this.#listen();
    }
  }

  /** The lane has exchanged. */
  exchanged(): void {
    if (this.#words[STAGING_WANTED] !== 0 || this.#isLate) {
      this.#hear();
    }
  }

  /** The lane has gone to sleep while a worker that calls can move from has calls. */
  slept(): void {
    if (this.size > 0 && !this.#isLate) {
      const lane = this.#lane;
      const size = (lane.nextSequence - lane.firstUnstarted()) | 0;
      if (size > 0 && size < lane.load && lane.isRunning) {
        this.#beLate();
      } else if (size > 0) {
        // The worker has just been woken, or other work keeps its event loop busy.
        this.#waking ??= setTimeout(this.#hasWoken, WAKE_MILLIS).unref();
      }
    }
  }

  stop(): void {
    clearTimeout(this.#waking);
  }

  readonly #hasWoken = (): void => {
    this.#waking = undefined;
    if (this.#lane.isOpen && this.#lane.isAsleep && this.size > 0 && !this.#isLate) {
      this.#beLate();
    }
  };

  #beLate(): void {
    this.#isLate = true;
    this.#listen();
    this.#events.late();
  }

  /** Begins to time the worker. */
  #listen(): void {
    this.#heard = { at: now(), started: this.#words[STAGING_STARTED], isPartial: this.#lane.load > 0 };
  }

  /** The worker was looked at while it is late, or while calls wait for one. */
  #hear(): void {
    const started = this.#words[STAGING_STARTED];
    const passed = (started - this.#heard.started) | 0;
    if (passed > 0) {
      const at = now();
      const task = this.#tasks[(started - 1) & (RING_SLOTS - 1)];
      this.#pace.passed(task, passed, at - this.#heard.at, this.#heard.isPartial);
      this.#heard = { at, started, isPartial: false };
    }
    if (this.#isLate && (passed > 0 || this.size === 0)) {
      this.#isLate = false;
      this.#events.caughtUp();
    }
    if (this.isWanted) {
      this.#events.room();
    }
  }
}
