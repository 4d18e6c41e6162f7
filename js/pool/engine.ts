/**
 * The engine of a pool runs its calls. A pool validates, counts and settles calls. Its engine decides where and when each
 * call runs, and has its own kind of call object, so that no second object per call is needed.
 */
import type { Call, CallPlan } from "../call/call";
import type { WorkerInfo } from "../runtime/worker-info";
import type { PoolStats } from "./stats";

export interface Engine<OwnCall extends Call = Call> {
  /** Creates a call, which has no argument yet. */
  createCall(plan: CallPlan): OwnCall;
  /** Takes over a call with its argument. The call's promise rejects if the argument can't be sent. */
  start(call: OwnCall): void;
  /** The same, and detaches these buffers once the argument is copied. */
  startWithout(call: OwnCall, buffers: readonly ArrayBuffer[]): void;
  /** The calls that were started and are not over. */
  readonly calls: readonly OwnCall[];
  /** A snapshot of the workers' current state. */
  readonly workers: readonly WorkerInfo[];
  /** A snapshot of the workers, the queue, and what has happened so far. */
  stats(): PoolStats;
  /** See `Workers.alloc`. */
  alloc(byteLength: number): Uint8Array;
  /** Kills this worker. Resolves when it is gone, and at once if it was replaced already. */
  kill(worker: WorkerInfo): Promise<void>;
  /** Replaces this worker, or all, when their calls are over. Resolves when they are gone. */
  recycle(worker: WorkerInfo | undefined): Promise<void>;
  /** Ends the workers, and resolves when they are gone. The calls that were left are passed to `cut`. */
  close(cut: (calls: readonly OwnCall[]) => void): Promise<unknown>;
}
