/**
 * What runs the calls of a pool. A pool checks, counts and settles calls; its engine decides where each of them runs, and has
 * a call object of its own kind, so that a call needs no second one beside it.
 */
import type { Call } from "../call/call";
import type { WorkerInfo } from "../runtime/worker-info";
import type { TimeLimit } from "../task/time-limit";

export interface Engine<OwnCall extends Call = Call> {
  /** A call of the task with this index; it has no argument yet. */
  createCall(task: number, limit: TimeLimit | undefined): OwnCall;
  /** Takes a call over, with its argument. Its promise rejects if the argument can't be sent. */
  start(call: OwnCall): void;
  /** The calls that were started and are not over. */
  readonly calls: readonly OwnCall[];
  /** The workers as they are now. */
  readonly workers: readonly WorkerInfo[];
  /** See `Workers.alloc`. */
  alloc(byteLength: number): Uint8Array;
  /** Rejects all calls, ends the workers, and resolves when they are gone. */
  close(): Promise<unknown>;
}
