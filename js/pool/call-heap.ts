/**
 * Calls in the order in which they go: those with a lower priority number first, and calls of one priority in the order in
 * which they were made. It is a binary heap. A call that was given up stays in it until it comes to the top, or until
 * more than half of the calls are such.
 */
import type { LaneCall } from "../lane/host/lane-call";

export class CallHeap {
  readonly #waits: (call: LaneCall) => boolean;
  #calls: LaneCall[] = [];
  #left = 0;

  /** `waits` tells whether a call was not given up. */
  constructor(waits: (call: LaneCall) => boolean) {
    this.#waits = waits;
  }

  /** The call that goes next. */
  get first(): LaneCall | undefined {
    while (this.#calls.length > 0 && !this.#waits(this.#calls[0])) {
      this.#left--;
      this.removeFirst();
    }
    return this.#calls[0];
  }

  add(call: LaneCall): void {
    const calls = this.#calls;
    let at = calls.length;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!goesBefore(call, calls[parent])) {
        break;
      }
      calls[at] = calls[parent];
      at = parent;
    }
    calls[at] = call;
  }

  removeFirst(): void {
    const calls = this.#calls;
    const last = calls.pop() as LaneCall;
    const { length } = calls;
    if (length === 0) {
      return;
    }
    let at = 0;
    for (let child = 1; child < length; child = 2 * at + 1) {
      if (child + 1 < length && goesBefore(calls[child + 1], calls[child])) {
        child++;
      }
      if (!goesBefore(calls[child], last)) {
        break;
      }
      calls[at] = calls[child];
      at = child;
    }
    calls[at] = last;
  }

  /** A call was given up. */
  gaveUp(): void {
    if (++this.#left * 2 > this.#calls.length) {
      const calls = this.#calls.filter(this.#waits);
      this.#calls = [];
      this.#left = 0;
      for (const call of calls) {
        this.add(call);
      }
    }
  }
}

/** Whether one call goes before another. */
export function goesBefore(a: LaneCall, b: LaneCall): boolean {
  const difference = (a.plan.terms?.priority ?? 0) - (b.plan.terms?.priority ?? 0);
  return difference === 0 ? a.order < b.order : difference < 0;
}
