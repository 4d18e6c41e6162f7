/**
 * The calls that are in flight on a lane: their ids, the generation of each id, and which of them keep no process alive.
 *
 * An id is used again once its call is over, with the next generation: a completion of an earlier use is told by that.
 */
import { MAX_CALLS } from "../../native/layout";
import type { Carrier, LaneCall } from "./lane-call";

export class InFlight {
  readonly #carrier: Carrier;
  readonly #calls: (LaneCall | undefined)[] = [];
  readonly #generations = new Uint32Array(MAX_CALLS);
  readonly #freeIds: number[] = [];
  /** How many there are. */
  size = 0;
  /** How many of them keep no process alive. */
  unattended = 0;

  constructor(carrier: Carrier) {
    this.#carrier = carrier;
  }

  /** Whether there is an id for another call. */
  get hasRoom(): boolean {
    return this.#freeIds.length > 0 || this.#calls.length < MAX_CALLS;
  }

  /** Takes an id, before a call has been staged under it. */
  takeId(): number {
    const id = this.#freeIds.pop() ?? this.#calls.length;
    // Taken from now on: a getter of the argument may make calls of its own.
    this.#calls[id] = undefined;
    return id;
  }

  /** Gives an id back under which no call was staged. */
  returnId(id: number): void {
    this.#freeIds.push(id);
  }

  /** The generation of an id's next call. */
  nextGeneration(id: number): number {
    return (this.#generations[id] + 1) >>> 0 || 1;
  }

  /** The generation of a call that is in flight. */
  generationOf(call: LaneCall): number {
    return this.#generations[call.id];
  }

  /** A call was staged. */
  add(call: LaneCall, id: number, generation: number, sequence: number): void {
    this.#generations[id] = generation;
    this.#calls[id] = call;
    call.sequence = sequence;
    call.id = id;
    call.carrier = this.#carrier;
    call.startedAt = 0;
    this.size++;
  }

  /** The call with this id. The native side has checked that there is one. */
  get(id: number): LaneCall {
    return this.#calls[id] as LaneCall;
  }

  /** Whether a call is in flight still. */
  isCurrent(id: number, generation: number): boolean {
    return this.#calls[id] !== undefined && this.#generations[id] === generation;
  }

  /** A call is over. */
  remove(call: LaneCall): void {
    const { id } = call;
    this.#calls[id] = undefined;
    this.#freeIds.push(id);
    this.size--;
    call.carrier = undefined;
    if (call.unattended) {
      call.unattended = false;
      this.unattended--;
    }
  }

  /** Somebody waits for a call, or nobody does any more. False if that changes nothing. */
  attend(call: LaneCall, waits: boolean): boolean {
    if (call.carrier !== this.#carrier || call.unattended !== waits || (waits && call.cancelled)) {
      return false;
    }
    call.unattended = !waits;
    this.unattended += waits ? -1 : 1;
    return true;
  }

  /** All of them, in the order of their ids. */
  get calls(): LaneCall[] {
    return this.#calls.filter((call) => call !== undefined);
  }

  /** Gives all of them up: they are in flight no more. Returns them in the order of their submission. */
  clear(): LaneCall[] {
    const { calls } = this;
    calls.sort((a, b) => (a.sequence - b.sequence) | 0);
    for (const call of calls) {
      call.carrier = undefined;
      call.unattended = false;
    }
    this.#calls.length = 0;
    this.size = 0;
    this.unattended = 0;
    return calls;
  }
}
