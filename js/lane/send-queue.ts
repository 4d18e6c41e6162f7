/**
 * Sends values for calls in flight, in order. A value is staged at once if there is space; otherwise it is kept encoded
 * until there is.
 */
import { PayloadTooLargeError } from "../base/errors";
import { FLAG_REJECTED } from "../native/layout";
import { essenceOf } from "../payload/thrown";
import type { EncodedValue } from "./encoded-value";
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
        if (!outbox.hasRoom || !outbox.stageEncoded(call, generation, 0, value)) {
          break;
        }
        queued.isStaged = true;
      }
      done++;
    }
    this.#waiting.splice(0, done);
  }

  /** Drops all waiting values. */
  clear(): void {
    this.#waiting = [];
  }
}

/** Why a value could not be sent. A thrown error that is too large keeps what it is known by. */
export function reasonFor(flags: number, value: unknown, error: unknown): unknown {
  return (flags & FLAG_REJECTED) !== 0 && error instanceof PayloadTooLargeError
    ? essenceOf(value, error)
    : error;
}

/** Sends the reason why something could not be sent: the thrown error if it can be sent, otherwise a description. */
export function sendReason(error: unknown, send: (reason: Error) => void): void {
  try {
    send(error instanceof Error ? error : new Error(String(error)));
  } catch {
    send(new Error("something was thrown that can't be sent"));
  }
}
