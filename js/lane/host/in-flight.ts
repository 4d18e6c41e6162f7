/**
 * The calls that are in flight on a lane: their ids, the generation of each id, and the calls that don't keep the
 * process alive.
 *
 * An id is reused once its call is over, with the next generation. The generation tells a completion of an earlier use
 * from one of the current use.
 */
import { MAX_CALLS } from "../../native/layout";
import type { Carrier, LaneCall } from "./lane-call";

/** How many ids have a generation at first. */
const FIRST_IDS = 256;

export class InFlight {
  readonly #carrier: Carrier;
  readonly #calls: (LaneCall | undefined)[] = [];
  /** Grows with the ids. All at once would take a quarter of a MiB, and time when a pool is created. */
  #generations = new Uint32Array(FIRST_IDS);
  readonly #freeIds: number[] = [];
  /** Number of calls in flight. */
  size = 0;
  /** Number of calls in flight that don't keep the process alive. */
  unattended = 0;

  constructor(carrier: Carrier) {
    this.#carrier = carrier;
  }

  /** Whether an id is free for another call. */
  get hasRoom(): boolean {
    return this.#freeIds.length > 0 || this.#calls.length < MAX_CALLS;
  }

  /** Reserves an id, before a call is staged under it. */
  takeId(): number {
    const id = this.#freeIds.pop() ?? this.#newId();
    // The id counts as taken from now on, because a getter of the argument may make calls of its own.
    this.#calls[id] = undefined;
    return id;
  }

  #newId(): number {
    const id = this.#calls.length;
    if (id >= this.#generations.length) {
      const grown = new Uint32Array(this.#generations.length * 2);
      grown.set(this.#generations);
      this.#generations = grown;
    }
    return id;
  }

  /** Returns an id under which no call was staged. */
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

  /** Adds a call that was staged. */
  add(call: LaneCall, id: number, generation: number, sequence: number): void {
    this.#generations[id] = generation;
    this.#calls[id] = call;
    call.sequence = sequence;
    call.id = id;
    call.carrier = this.#carrier;
    if (call.startedAt !== 0) {
      call.startedAt = 0;
    }
    this.size++;
  }

  /** The call with this id. The native side has checked that it exists. */
  get(id: number): LaneCall {
    return this.#calls[id] as LaneCall;
  }

  /** Whether a call is still in flight. */
  isCurrent(id: number, generation: number): boolean {
    return this.#calls[id] !== undefined && this.#generations[id] === generation;
  }

  /** Removes a call that is over. */
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

  /** Records whether somebody waits for a call. Returns false if that changes nothing. */
  attend(call: LaneCall, waits: boolean): boolean {
    if (call.carrier !== this.#carrier || call.unattended !== waits || (waits && call.cancelled)) {
      return false;
    }
    call.unattended = !waits;
    this.unattended += waits ? -1 : 1;
    return true;
  }

  /** All calls in flight, in the order of their ids. */
  get calls(): LaneCall[] {
    return this.#calls.filter((call) => call !== undefined);
  }

  /** Removes all calls. Returns them in the order of their submission. */
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
