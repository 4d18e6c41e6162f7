/** A call as the lanes of a host have it: what they remember of it while it waits, is in flight, or moves to another. */
import { Call } from "../../call/call";
import type { NativeHostLane } from "../../native/addon";
import { KIND_NUMBER, ROLE_STREAM } from "../../native/layout";
import { NothingShared, type Reference, type Referrer } from "../../shared-memory/references";
import type { TimeLimit } from "../../task/time-limit";
import { EncodedValue, encodeValue } from "../encoded-value";

/** Where a call is in flight. */
export interface Carrier {
  /** The call was settled before its task has answered. */
  cancelled(call: LaneCall): void;
}

/** What is sent in place of an argument that is a stream. */
const STREAM_ARGUMENT = encodeValue(ROLE_STREAM, undefined, new NothingShared());

export class LaneCall extends Call {
  /** Sequence number of its submission, while it is in flight. */
  declare sequence: number;
  /** Its number on the lane, while it is in flight. */
  declare id: number;
  /** How many workers have died before they started it. */
  declare moves: number;
  /** When its worker was seen to owe something: the result, or the item that somebody waits for. 0 while it doesn't. */
  declare startedAt: number;
  /** It keeps no process alive: it is cancelled, or a stream that nobody waits for. */
  declare unattended: boolean;
  /** The lane it is in flight on. */
  declare carrier: Carrier | undefined;

  constructor(task: number, limit: TimeLimit | undefined) {
    super(task, limit);
    this.sequence = 0;
    this.id = 0;
    this.moves = 0;
    this.startedAt = 0;
    this.unattended = false;
    this.carrier = undefined;
  }

  /** Its argument in the form in which it waits; `undefined` if it is still as the caller gave it. */
  get encoded(): EncodedValue | undefined {
    if (this.argumentStream !== undefined) {
      return STREAM_ARGUMENT;
    }
    return this.argument instanceof EncodedValue ? this.argument : undefined;
  }

  /** Keeps the argument as it is now. False, and the call has rejected, if it can't be sent. */
  encode(referrer: Referrer): boolean {
    if (this.encoded !== undefined) {
      return true;
    }
    try {
      this.argument = encodeValue(0, this.argument, referrer);
      return true;
    } catch (error) {
      this.reject(error);
      return false;
    }
  }

  /** Keeps its argument as it was sent by `lane`, for another. Throws if it has gone with the memory. */
  recover(lane: NativeHostLane, references: readonly Reference[] | undefined): void {
    if (this.argumentStream === undefined) {
      this.argument = recover(lane, this.sequence, references);
    }
  }

  protected override onCancelled(): void {
    this.carrier?.cancelled(this);
  }
}

/** A submission that its worker has not started, as it was. */
function recover(
  lane: NativeHostLane,
  sequence: number,
  references: readonly Reference[] | undefined,
): EncodedValue {
  const { kind, view, content } = lane.recover(sequence);
  const value = kind === KIND_NUMBER ? new Float64Array(content)[0] : Buffer.from(content);
  return new EncodedValue(kind, 0, view, value, references);
}
