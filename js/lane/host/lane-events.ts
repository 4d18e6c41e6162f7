/** The events of a lane's host end. */
import type { ProtocolViolationError } from "../../base/errors";
import type { KillOrder } from "../../call/call";
import type { Flood } from "../../native/addon";
import type { BacklogEvents } from "./backlog";
import type { LaneCall } from "./lane-call";

/** What a lane reports to its owner. The owner may not use the lane before the callback has returned. */
export interface LaneEvents extends BacklogEvents {
  /** The worker has mapped its memory and imports the tasks next. */
  attached(): void;
  /** The worker is ready for calls. */
  ready(): void;
  /** The worker could not boot. `fault` is the worker's report: a `BootFault` if the worker is honest. */
  bootFailed(fault: unknown): void;
  /** An error outside of any call is about to end the worker, as the worker says. */
  fatal(error: unknown): void;
  /** The worker broke the protocol. The lane does nothing any more. */
  violated(error: ProtocolViolationError): void;
  /** The worker has sent more messages than it may. Reported at most once. */
  flooded(flood: Flood): void;
  /** The lane was abandoned while this call was being made. */
  refused(call: LaneCall): void;
  /** No call is in flight any more for which somebody waits. Only on a lane that is leaving. */
  rested(): void;
  /** The task of this call is to be ended with its worker. */
  kill(call: LaneCall, order: KillOrder): void;
  /**
   * A task has run longer than the hard limit, or the worker has started no calls for that long. `suspects` are the
   * tasks of which one has held the worker up, as far as the worker reports that.
   */
  overdue(suspects: readonly number[]): void;
}
