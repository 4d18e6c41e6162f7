/**
 * The engine of a pool runs its calls. A pool validates, counts and settles calls. Its engine decides where each call
 * runs, and has its own kind of call object, so that no second object per call is needed.
 */
import type { Call } from "../call/call";
import type { WorkerInfo } from "../runtime/worker-info";
import type { TimeLimit } from "../task/time-limit";

export interface Engine<OwnCall extends Call = Call> {
  /** Creates a call of the task with this index. The call has no argument yet. */
  createCall(task: number, limit: TimeLimit | undefined): OwnCall;
  /** Takes over a call with its argument. The call's promise rejects if the argument can't be sent. */
  start(call: OwnCall): void;
  /** The calls that were started and are not over. */
  readonly calls: readonly OwnCall[];
  /** A snapshot of the workers' current state. */
  readonly workers: readonly WorkerInfo[];
  /** See `Workers.alloc`. */
  alloc(byteLength: number): Uint8Array;
  /** Rejects all calls, ends the workers, and resolves when they are gone. */
  close(): Promise<unknown>;
}
