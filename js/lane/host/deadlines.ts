/**
 * Ends the calls of a lane whose task has run for too long. The calls are checked at intervals, as long as any of them
 * has a limit.
 *
 * The worker's report of what it has started is only a hint. If the worker runs nothing, the first call in line counts
 * as running.
 *
 * Time in which this process did not run, because it was stopped, paused or blocked, doesn't count, since the worker may
 * have been stopped with it.
 */
import { clearTimeout, missedMillis, now, setTimeout } from "../../base/clock";
import type { TimeLimit } from "../../task/time-limit";
import type { InFlight } from "./in-flight";
import type { LaneCall } from "./lane-call";

/**
 * Checks per shortest limit. The interval between checks also has the lower and the upper bound below, so a limit may
 * be enforced that late.
 */
const LOOKS = 8;
const LEAST_MILLIS = 1;
const MOST_MILLIS = 250;

/** The lane whose calls are watched. */
export interface WatchedLane {
  readonly inFlight: InFlight;
  /** Whether the worker runs calls, and the host still reads what it sends. */
  readonly isServing: boolean;
  /** The calls that are in flight or wait for space. */
  readonly calls: readonly LaneCall[];
  /** Sequence number of the first submission that was not started, as far as the worker reports it. */
  firstUnstarted(): number;
  /** Receives what arrived while the event loop was busy elsewhere, before the clock decides about the worker. */
  catchUp(): void;
  /** Whether the worker runs one task after another, as far as it reports that, and is not in its event loop. */
  readonly isRunning: boolean;
  /** Counts a call whose time is over. */
  expired(): void;
  /** Reports that the task of one of these calls has run for longer than the hard limit. */
  overdue(suspects: readonly LaneCall[]): void;
}

interface LateCall {
  readonly call: LaneCall;
  readonly isOverdue: boolean;
}

export class Deadlines {
  readonly #lane: WatchedLane;
  readonly #hardTimeoutMs: number;
  #timer: NodeJS.Timeout | undefined;
  #millis = Number.POSITIVE_INFINITY;
  /** When the next check is due. */
  #due = 0;
  /** The call that was first in line when nothing was running, and the time since when. */
  #stalled = { sequence: -1, since: 0 };

  /**
   * `hardTimeoutMs` is how long any task may run; infinity means no such limit. The timer doesn't keep the process
   * alive.
   */
  constructor(lane: WatchedLane, hardTimeoutMs: number) {
    this.#lane = lane;
    this.#hardTimeoutMs = hardTimeoutMs;
  }

  /** Watches one more call. */
  watch({ limit }: LaneCall): void {
    if (limit !== undefined || this.#hardTimeoutMs !== Number.POSITIVE_INFINITY) {
      this.#lookWithin(Math.min(limit?.millis ?? Number.POSITIVE_INFINITY, this.#hardTimeoutMs));
    }
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #lookWithin(limitMillis: number): void {
    const millis = Math.min(Math.max(limitMillis / LOOKS, LEAST_MILLIS), MOST_MILLIS);
    if (this.#timer === undefined || millis < this.#millis) {
      clearTimeout(this.#timer);
      this.#millis = millis;
      this.#due = now() + millis;
      this.#timer = setTimeout(this.#look, millis).unref();
    }
  }

  readonly #look = (): void => {
    this.#timer = undefined;
    this.#forgive(missedMillis(this.#due));
    const shortest = this.#enforce();
    if (shortest !== Number.POSITIVE_INFINITY) {
      this.#lookWithin(shortest);
    }
  };

  /** Gives each running call some time in addition. */
  #forgive(millis: number): void {
    if (millis > 0) {
      this.#stalled.since += millis;
      for (const call of this.#lane.inFlight.calls) {
        if (call.startedAt !== 0) {
          call.startedAt += millis;
        }
      }
    }
  }

  /**
   * Ends the calls whose task has run for too long. Returns the shortest remaining limit, or infinity if there is none.
   */
  #enforce(): number {
    const lane = this.#lane;
    if (lane.isServing && this.#lateCalls().length > 0) {
      lane.catchUp();
      for (const { call, isOverdue } of lane.isServing ? this.#lateCalls() : []) {
        if (isOverdue) {
          lane.overdue(this.#suspects(call));
          return Number.POSITIVE_INFINITY;
        }
        lane.expired();
        call.expire();
      }
    }
    const { calls } = lane;
    let shortest = calls.length > 0 ? this.#hardTimeoutMs : Number.POSITIVE_INFINITY;
    for (const { limit, isLimited } of calls) {
      if (isLimited) {
        shortest = Math.min(shortest, (limit as TimeLimit).millis);
      }
    }
    return shortest;
  }

  /**
   * The calls of which one has held the worker up, if this one is late. While the worker runs one task after another,
   * that is the last one that it has started. In its event loop it may be any that has not answered.
   */
  #suspects(late: LaneCall): readonly LaneCall[] {
    const firstUnstarted = this.#lane.firstUnstarted();
    const started = this.#lane.inFlight.calls.filter(
      // Sequence numbers wrap.
      ({ sequence, isOwed }) => isOwed && ((sequence - firstUnstarted) | 0) < 0,
    );
    const last = started.find(({ sequence }) => sequence === (firstUnstarted - 1) >>> 0);
    return this.#lane.isRunning && last !== undefined ? [last] : started.concat(late);
  }

  /** The calls that have run for longer than they may, as far as is known now. */
  #lateCalls(): LateCall[] {
    const late: LateCall[] = [];
    const look = (call: LaneCall, elapsed: number): void => {
      const isOverdue = elapsed > this.#hardTimeoutMs;
      if (isOverdue || (call.isLimited && elapsed >= (call.limit as TimeLimit).millis)) {
        late.push({ call, isOverdue });
      }
    };
    const time = now();
    const firstUnstarted = this.#lane.firstUnstarted();
    let running = 0;
    let first: LaneCall | undefined;
    for (const call of this.#lane.inFlight.calls) {
      // Sequence numbers wrap.
      if (((call.sequence - firstUnstarted) | 0) >= 0) {
        first = first === undefined || ((call.sequence - first.sequence) | 0) < 0 ? call : first;
        continue;
      }
      if (!call.isOwed) {
        call.startedAt = 0;
        continue;
      }
      running++;
      call.startedAt ||= time;
      look(call, time - call.startedAt);
    }
    if (running > 0 || first === undefined || first.sequence !== this.#stalled.sequence) {
      this.#stalled = { sequence: running > 0 ? -1 : (first?.sequence ?? -1), since: time };
    } else {
      look(first, time - this.#stalled.since);
    }
    return late;
  }
}
