/** The host's ends of the streams of calls: the sender of an argument, and the receiver of a result. */
import type { Part } from "../../base/payload-errors";
import {
  FLAG_REJECTED,
  ROLE_CANCEL,
  ROLE_CREDIT,
  ROLE_END,
  ROLE_ITEM,
  ROLE_PROGRESS,
  ROLE_STREAM,
} from "../../native/layout";
import { StreamReceiver } from "../../stream/receiver";
import type { StreamSender } from "../../stream/sender";
import type { LaneCall } from "./lane-call";

/** The lane that carries the streams. */
export interface StreamLane {
  /** Sends a value for a call in flight. Returns the units that the value takes. Throws if it can't be sent. */
  send(call: LaneCall, flags: number, value: unknown): number;
  /** Sends the reason why a value can't be sent, in its place. */
  sendReason(call: LaneCall, flags: number, value: unknown, error: unknown): void;
  /** The error of a value that is this part of a call, with the name of the task. */
  explain(call: LaneCall, part: Part, error: unknown): unknown;
  /** Publishes what is staged, if enough is staged. */
  flushEarly(): void;
  /** Records whether somebody waits for the call or for the next item of its stream. */
  attend(call: LaneCall, waits: boolean): void;
  /** Tells the worker that nobody waits for a call any more, if the call is still in flight. */
  abort(call: LaneCall): void;
}

export class StreamEndpoints {
  readonly #lane: StreamLane;

  constructor(lane: StreamLane) {
    this.#lane = lane;
  }

  /**
   * Handles a slot that belongs to a call but doesn't end it. `isLost`: the value could not be sent or decoded, and
   * `value` is the reason.
   */
  receive(call: LaneCall, role: number, value: unknown, units: number, isLost: boolean): void {
    switch (role) {
      case ROLE_STREAM:
        call.startedAt = 0;
        call.openResultStream(this.#receiver(call));
        this.#lane.attend(call, false);
        break;
      case ROLE_ITEM:
        call.startedAt = 0;
        if (isLost) {
          call.cancel(() => call.reject(value));
        } else {
          call.resultStream?.push(value, units);
        }
        break;
      case ROLE_CREDIT:
        if (!call.cancelled) {
          this.#sender(call).grant(value as number);
        }
        break;
      case ROLE_CANCEL:
        this.#sender(call).cancel(isLost ? undefined : value);
        break;
      case ROLE_PROGRESS:
        if (isLost) {
          call.cancel(() => call.reject(value));
        } else {
          call.emitProgress(value);
        }
    }
  }

  /** Tells the worker that the streams of a call are over, because nobody waits for the call any more. */
  cancel(call: LaneCall): void {
    if (call.resultStream !== undefined) {
      this.#lane.send(call, ROLE_CANCEL, undefined);
    }
    if (call.argumentStream !== undefined) {
      const reason = new DOMException("nobody waits for this call any more", "AbortError");
      this.#end(call, FLAG_REJECTED, reason);
    }
  }

  /** Ends the argument of a call. Something is sent in any case. */
  #end(call: LaneCall, flags: number, value: unknown): void {
    try {
      this.#lane.send(call, ROLE_END | flags, value);
    } catch (error) {
      this.#lane.sendReason(call, ROLE_END | flags, value, this.#lane.explain(call, "argument", error));
    }
  }

  #receiver(call: LaneCall): StreamReceiver {
    return new StreamReceiver(
      {
        grant: (units) => this.#lane.send(call, ROLE_CREDIT, units),
        cancel: (value) => {
          this.#lane.send(call, ROLE_CANCEL, value);
          // The task may be waiting for something that its abort signal ends.
          this.#lane.abort(call);
        },
        attend: (waits) => this.#lane.attend(call, waits),
      },
      0,
    );
  }

  /** The sender of a call's argument. The worker has asked for some of the argument, so the call has one. */
  #sender(call: LaneCall): StreamSender {
    const source = call.argumentStream as StreamSender;
    if (source.hasBegun) {
      return source;
    }
    source.connect({
      send: (item) => {
        call.startedAt = 0;
        try {
          const units = this.#lane.send(call, ROLE_ITEM, item);
          this.#lane.flushEarly();
          return units;
        } catch (error) {
          throw this.#lane.explain(call, "item of the argument", error);
        }
      },
      end: (flags, value) => this.#end(call, flags, value),
    });
    return source;
  }
}
