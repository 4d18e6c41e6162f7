/**
 * Sends values for calls in flight, in order. A value is staged at once if there is space; otherwise it is kept encoded
 * until there is. A lack of memory affects only the call that the value belongs to.
 */
import { PayloadTooLargeError } from "../base/errors";
import { FLAG_REJECTED } from "../native/layout";
import { essenceOf } from "../payload/thrown";
import type { EncodedValue } from "./encoded-value";
import { lackOf, placeholder } from "./no-memory";
import type { Outbox } from "./outbox";

/** A value that waits for space. */
export interface QueuedValue {
  readonly call: number;
  readonly generation: number;
  value: EncodedValue;
  isStaged: boolean;
}

export class SendQueue {
  readonly #outbox: Outbox;
  readonly #isCurrent: (call: number, generation: number) => boolean;
  #waiting: QueuedValue[] = [];

  /** `isCurrent` tells whether a call is still in flight. Waiting values of a call that is over are dropped. */
  constructor(outbox: Outbox, isCurrent: (call: number, generation: number) => boolean) {
    this.#outbox = outbox;
    this.#isCurrent = isCurrent;
  }

  get isEmpty(): boolean {
    return this.#waiting.length === 0;
  }

  /** The value that was queued last. */
  get newest(): QueuedValue | undefined {
    return this.#waiting.at(-1);
  }

  /**
   * Sends a value for a call. Returns the units of its stream's credit that the value takes. Throws if it can't be
   * sent.
   */
  send(call: number, generation: number, flags: number, value: unknown): number {
    const outbox = this.#outbox;
    const encoded =
      this.#waiting.length === 0 && outbox.hasRoom
        ? outbox.stage(call, generation, 0, flags, value)
        : outbox.encode(flags, value);
    if (encoded === undefined) {
      return outbox.units;
    }
    this.#waiting.push({ call, generation, value: encoded, isStaged: false });
    return encoded.units;
  }

  /**
   * Sends the reason why a value can't be sent, in its place: the error that `send` has thrown for it, or a description
   * if that can't be sent either. Something is sent in any case.
   */
  sendReason(call: number, generation: number, flags: number, value: unknown, error: unknown): void {
    let lack = lackOf(value) ?? lackOf(error);
    const rejected = flags | FLAG_REJECTED;
    for (const reason of lack === undefined ? reasonsFor(reasonFor(flags, value, error)) : []) {
      try {
        this.send(call, generation, rejected, reason());
        return;
      } catch (failure) {
        lack ??= lackOf(failure);
      }
    }
    this.#put(call, generation, placeholder(lack ?? { bytes: 0, flags: rejected }, rejected));
  }

  /** Stages a value that needs no space in the arena, or keeps it. */
  #put(call: number, generation: number, value: EncodedValue): void {
    if (this.#waiting.length > 0 || !this.#outbox.hasRoom) {
      this.#waiting.push({ call, generation, value, isStaged: false });
    } else {
      this.#outbox.stageEncoded(call, generation, 0, value);
    }
  }

  /** Stages waiting values as far as there is space now. */
  stageWaiting(): void {
    if (this.#waiting.length === 0) {
      return;
    }
    const outbox = this.#outbox;
    let done = 0;
    for (const queued of this.#waiting) {
      const { call, generation, value } = queued;
      if (this.#isCurrent(call, generation)) {
        if (!outbox.hasRoom || !this.#stage(call, generation, value)) {
          break;
        }
        queued.isStaged = true;
      }
      done++;
    }
    this.#waiting.splice(0, done);
  }

  /** Stages a value, or what takes its place if there is no memory for it. Returns false if there is no space yet. */
  #stage(call: number, generation: number, value: EncodedValue): boolean {
    try {
      return this.#outbox.stageEncoded(call, generation, 0, value);
    } catch (error) {
      const lack = lackOf(error);
      if (lack === undefined) {
        throw error;
      }
      return this.#outbox.stageEncoded(call, generation, 0, placeholder(lack, value.flags));
    }
  }

  /** Drops all waiting values. */
  clear(): void {
    this.#waiting = [];
  }
}

/** The errors that say why something can't be sent, best first: what was thrown, and a description of that. */
export function reasonsFor(error: unknown): (() => Error)[] {
  return [
    () => (error instanceof Error ? error : new Error(String(error))),
    () => new Error("something was thrown that can't be sent"),
  ];
}

/** Why a value could not be sent. A thrown error that is too large keeps what it is known by. */
function reasonFor(flags: number, value: unknown, error: unknown): unknown {
  return (flags & FLAG_REJECTED) !== 0 && error instanceof PayloadTooLargeError
    ? essenceOf(value, error)
    : error;
}
