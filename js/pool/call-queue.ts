/**
 * The queue of a pool: the calls for which no worker is free. A call leaves it when a worker has room for it, or when it
 * is given up.
 *
 * A call with an affinity that is bound to a worker waits for that worker alone. All others wait for any worker.
 */
import { clearTimeout, now, setTimeout } from "../base/clock";
import { QueueFullError } from "../base/errors";
import type { Carrier, LaneCall } from "../lane/host/lane-call";
import type { Tally } from "../lane/host/tally";
import { hold, release } from "../lane/keep-alive";
import { CallHeap, goesBefore } from "./call-heap";

/** What the queue needs to know of a worker. */
export type Place = object;

/** How a call waits. */
interface Wait {
  readonly since: number;
  /** The worker for which it waits; `undefined`: for any. */
  readonly place: Place | undefined;
}

export class CallQueue implements Carrier {
  readonly #timeoutMs: number | undefined;
  readonly #tally: Tally;
  readonly #overdue: (call: LaneCall) => void;
  readonly #waits = (call: LaneCall) => call.carrier === this;
  readonly #heap = new CallHeap(this.#waits);
  readonly #bound = new Map<Place, CallHeap>();
  /** All calls that wait, in the order in which they began to. */
  readonly #all = new Map<LaneCall, Wait>();
  /** Bytes of the copied arguments. */
  bytes = 0;
  #timer: NodeJS.Timeout | undefined;

  /** A call that has waited for `timeoutMs` is passed to `overdue`, and waits no more. */
  constructor(timeoutMs: number | undefined, tally: Tally, overdue: (call: LaneCall) => void) {
    this.#timeoutMs = timeoutMs;
    this.#tally = tally;
    this.#overdue = overdue;
  }

  get size(): number {
    return this.#all.size;
  }

  /** Whether a call waits that any worker may take. */
  get isOpen(): boolean {
    return this.#heap.first !== undefined;
  }

  /** The calls that wait, in the order in which they began to. */
  get calls(): LaneCall[] {
    return [...this.#all.keys()];
  }

  /** For how long the first of the calls has waited, in milliseconds. */
  get oldestWaitMs(): number {
    const oldest = this.#oldest;
    return oldest === undefined ? 0 : now() - oldest[1].since;
  }

  get #oldest(): readonly [LaneCall, Wait] | undefined {
    for (const waiting of this.#all) {
      return waiting;
    }
    return undefined;
  }

  /** Adds a call. If `place` is given, it waits for that worker. */
  add(call: LaneCall, place: Place | undefined): void {
    if (this.#all.size === 0) {
      hold();
    }
    this.#all.set(call, { since: now(), place });
    this.bytes += bytesOf(call);
    call.carrier = this;
    this.#heapOf(place).add(call);
    this.#watch();
  }

  /** The call that goes next on this worker. */
  next(place: Place): LaneCall | undefined {
    const any = this.#heap.first;
    const bound = this.#bound.get(place)?.first;
    return any === undefined || (bound !== undefined && goesBefore(bound, any)) ? bound : any;
  }

  /** Removes the call that `next` has returned. */
  take(call: LaneCall): void {
    const wait = this.#all.get(call);
    this.#forget(call);
    this.#heapOf(wait?.place).removeFirst();
  }

  /** The call that `next` has returned, which any worker could take, waits for this one alone from now on. */
  bind(call: LaneCall, place: Place): void {
    this.#heap.removeFirst();
    const { since } = this.#all.get(call) as Wait;
    this.#all.set(call, { since, place });
    this.#heapOf(place).add(call);
  }

  /** The worker ends, so that calls which wait for it alone can go anywhere. */
  unbind(place: Place): void {
    if (this.#bound.delete(place)) {
      for (const [call, wait] of this.#all) {
        if (wait.place === place) {
          this.#all.set(call, { since: wait.since, place: undefined });
          this.#heap.add(call);
        }
      }
    }
  }

  /** Removes all calls. */
  clear(): LaneCall[] {
    const { calls } = this;
    for (const call of calls) {
      this.#giveUp(call);
    }
    return calls;
  }

  // The queue as the carrier of a call.

  cancelled(call: LaneCall): void {
    this.#tally.failed++;
    this.#giveUp(call);
  }

  kill(): void {
    // No worker has it.
  }

  askToStop(): boolean {
    return false;
  }

  #heapOf(place: Place | undefined): CallHeap {
    if (place === undefined) {
      return this.#heap;
    }
    let heap = this.#bound.get(place);
    if (heap === undefined) {
      heap = new CallHeap(this.#waits);
      this.#bound.set(place, heap);
    }
    return heap;
  }

  #giveUp(call: LaneCall): void {
    const wait = this.#all.get(call);
    this.#forget(call);
    this.#heapOf(wait?.place).gaveUp();
  }

  #forget(call: LaneCall): void {
    this.#all.delete(call);
    this.bytes -= bytesOf(call);
    call.carrier = undefined;
    if (this.#all.size === 0) {
      release();
      clearTimeout(this.#timer);
      this.#timer = undefined;
    }
  }

  #watch(): void {
    const oldest = this.#oldest;
    if (this.#timeoutMs !== undefined && this.#timer === undefined && oldest !== undefined) {
      const left = oldest[1].since + this.#timeoutMs - now();
      this.#timer = setTimeout(this.#look, Math.max(left, 0));
    }
  }

  readonly #look = (): void => {
    this.#timer = undefined;
    const since = now() - (this.#timeoutMs as number);
    for (let oldest = this.#oldest; oldest !== undefined && oldest[1].since <= since; oldest = this.#oldest) {
      const [call] = oldest;
      this.#giveUp(call);
      this.#overdue(call);
    }
    this.#watch();
  };
}

/** Bytes of the argument that wait with the call. */
export function bytesOf({ encoded }: LaneCall): number {
  return encoded?.byteLength ?? 0;
}

/** The error of a call that can't wait because `depth` calls wait. */
export function tooManyCalls({ name }: LaneCall, depth: number): QueueFullError {
  const message =
    `${depth} calls wait for a worker, as many as workerPoolConfig.maxQueueSize allows: the call of task ` +
    `"${name}" was not accepted. Try it again later`;
  return new QueueFullError(message, "maxQueueSize", name);
}

/** The error of a call that can't wait because the arguments would then take so many bytes. */
export function tooManyBytes({ name }: LaneCall, bytes: number, most: number): QueueFullError {
  const message =
    `the arguments of the calls that wait for a worker would take ${bytes} bytes with that of task "${name}", ` +
    `more than maxQueueBytes allows, which is ${most}. With the call option \`copy: false\` an argument is not ` +
    "copied before it is sent";
  return new QueueFullError(message, "maxQueueBytes", name);
}
