/**
 * A call on the lanes of a host, with what they remember of it while it waits, is in flight, or moves to another lane.
 */
import { errorOfPart } from "../../base/payload-errors";
import { Call, type CallPlan, type KillOrder } from "../../call/call";
import type { NativeHostLane, Recovered } from "../../native/addon";
import { KIND_NUMBER, ROLE_STREAM } from "../../native/layout";
import { NothingShared, type Reference, type Referrer } from "../../shared-memory/references";
import type { TaskSource } from "../../task/program";
import { EncodedValue, encodeValue } from "../encoded-value";

/** Where a call is: in flight on a lane, or in the queue of its pool. */
export interface Carrier {
  /** The call was settled before its task has answered. */
  cancelled(call: LaneCall): void;
  /** Asks the task of a call to stop. Returns false if it has not begun, as far as its worker reports that. */
  askToStop(call: LaneCall): boolean;
  /** The call was settled, and the worker that runs its task is to be ended. */
  kill(call: LaneCall, order: KillOrder): void;
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
  /** Where the call is. Undefined before it has got anywhere, and once it is over. */
  declare carrier: Carrier | undefined;
  /** Number of the call among those of its pool. Waiting calls go in this order. */
  declare readonly order: number;

  constructor(plan: CallPlan, order: number) {
    super(plan);
    this.order = order;
    this.sequence = 0;
    this.id = 0;
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
      this.argument = encodedIn(lane.recover(this.sequence), references);
    }
  }

  /**
   * Takes the argument back from `lane`, whose worker lives and has not begun the call. Returns false if it has begun
   * it. Throws without memory for the argument; the call is then still the worker's.
   */
  takeBack(lane: NativeHostLane, references: readonly Reference[] | undefined): boolean {
    const taken = lane.takeBack(this.sequence);
    if (taken === null) {
      return false;
    }
    if (this.argumentStream === undefined) {
      this.argument = encodedIn(taken, references);
    }
    return true;
  }

  protected override onCancelled(): void {
    this.carrier?.cancelled(this);
  }

  protected override onKill(order: KillOrder): void {
    this.carrier?.kill(this, order);
  }

  protected override onStopAsked(): boolean {
    return this.carrier?.askToStop(this) === true;
  }
}

// As in the base class.
Object.assign(LaneCall.prototype, { moves: 0, startedAt: 0, unattended: false });

/** The encoded argument of a submission. */
function encodedIn(
  { kind, view, content }: Recovered,
  references: readonly Reference[] | undefined,
): EncodedValue {
  const value = kind === KIND_NUMBER ? new Float64Array(content)[0] : Buffer.from(content);
  return new EncodedValue(kind, 0, view, value, references);
}
