/**
 * A call on the lanes of a host, with what they remember of it while it waits, is in flight, or moves to another lane.
 */
import { errorOfPart } from "../../base/payload-errors";
import { Call } from "../../call/call";
import type { NativeHostLane } from "../../native/addon";
import { KIND_NUMBER, ROLE_STREAM } from "../../native/layout";
import { NothingShared, type Reference, type Referrer } from "../../shared-memory/references";
import type { TaskSource } from "../../task/program";
import type { TimeLimit } from "../../task/time-limit";
import { EncodedValue, encodeValue } from "../encoded-value";

/** The lane on which a call is in flight. */
export interface Carrier {
  /** The call was settled before its task has answered. */
  cancelled(call: LaneCall): void;
}

/** The value that is sent in place of an argument that is a stream. */
const STREAM_ARGUMENT = encodeValue(ROLE_STREAM, undefined, new NothingShared());

export class LaneCall extends Call {
  /** Sequence number of the submission, while the call is in flight. */
  declare sequence: number;
  /** The call's id on the lane, while the call is in flight. */
  declare id: number;
  /** Number of workers that died before they started the call. */
  declare moves: number;
  /**
   * When the worker was seen to owe something: the result, or an item that somebody waits for. 0 while it owes nothing.
   */
  declare startedAt: number;
  /** The call doesn't keep the process alive, because it was cancelled, or because nobody waits for its stream. */
  declare unattended: boolean;
  /** The lane on which the call is in flight. */
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

  /** The encoded argument of a waiting call. `undefined` if the argument is still as the caller gave it. */
  get encoded(): EncodedValue | undefined {
    if (this.argumentStream !== undefined) {
      return STREAM_ARGUMENT;
    }
    return this.argument instanceof EncodedValue ? this.argument : undefined;
  }

  /**
   * Encodes the argument in its current state. Returns false if it can't be sent; the call has then rejected with an
   * error that names one of the `tasks`.
   */
  encode(referrer: Referrer, tasks: readonly TaskSource[]): boolean {
    if (this.encoded !== undefined) {
      return true;
    }
    try {
      this.argument = encodeValue(0, this.argument, referrer);
      return true;
    } catch (error) {
      this.reject(errorOfPart(error, "argument", tasks[this.task].task));
      return false;
    }
  }

  /**
   * Takes the argument back from `lane`, which has sent it, for another lane. Throws if the argument is gone with the
   * memory.
   */
  recover(lane: NativeHostLane, references: readonly Reference[] | undefined): void {
    if (this.argumentStream === undefined) {
      this.argument = recover(lane, this.sequence, references);
    }
  }

  protected override onCancelled(): void {
    this.carrier?.cancelled(this);
  }
}

/** The encoded argument of a submission that the worker has not started. */
function recover(
  lane: NativeHostLane,
  sequence: number,
  references: readonly Reference[] | undefined,
): EncodedValue {
  const { kind, view, content } = lane.recover(sequence);
  const value = kind === KIND_NUMBER ? new Float64Array(content)[0] : Buffer.from(content);
  return new EncodedValue(kind, 0, view, value, references);
}
