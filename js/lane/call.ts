/** One call, from `pool.call` to its result. */
import type { Referrer } from "../shared/shares";
import { type Parcel, pack } from "./outbox";

/** How long a task may take, and what its call comes to then. */
export interface TimeLimit {
  readonly millis: number;
  /** Settles the call. */
  readonly end: (call: Call) => void;
}

/** Where a call is in flight. */
export interface Carrier {
  /** The call was settled before its task has answered. */
  forsake(call: Call): void;
}

export class Call {
  resolve!: (value: unknown) => void;
  reject!: (error: unknown) => void;
  /** Its argument as it was when the call was made, while it waits for room or for another worker. */
  parcel: Parcel | undefined = undefined;
  /** Sequence number of its submission, while it is in flight. */
  sequence = 0;
  /** Its number on the lane, while it is in flight. */
  id = 0;
  /** How many workers have died before they started it. */
  moves = 0;
  /** When it was seen to have started, 0 before that. */
  startedAt = 0;
  /** Nobody waits for it any more: its time was over, or it was aborted. */
  forsaken = false;
  /** The lane it is in flight on. */
  carrier: Carrier | undefined = undefined;

  constructor(
    readonly task: number,
    readonly limit: TimeLimit | undefined,
  ) {}

  /** Keeps the argument as it is now. False, and the call has rejected, if it can't be sent. */
  pack(argument: unknown, referrer: Referrer): boolean {
    try {
      this.parcel = pack(0, argument, referrer);
      return true;
    } catch (error) {
      this.reject(error);
      return false;
    }
  }

  /** Settles it now, whatever its task comes to. */
  forsake(settle: (call: Call) => void): void {
    if (!this.forsaken) {
      this.forsaken = true;
      settle(this);
      this.carrier?.forsake(this);
    }
  }
}
