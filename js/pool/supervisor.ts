/** What a supervised worker and its engine tell each other. */
import type { RecycleReason } from "../base/errors";
import type { LaneCall } from "../lane/host/lane-call";
import type { WorkerInfo } from "../runtime/worker-info";
import type { Plan } from "../spawn/worker";
import type { EndedExit } from "../spawn/worker-run";
import type { Listeners } from "./events";

/** Reasons for which the pool itself ends a worker. */
export type RetireReason = RecycleReason | "idle";

/** What a supervised worker needs from its engine. */
export interface Supervisor<Worker> {
  readonly plan: Plan;
  readonly listeners: Listeners;
  readonly limits: SupervisionLimits;
  /** Whether the pool was shut down. */
  readonly isClosed: boolean;
  /** The worker takes calls from now on. */
  ready(worker: Worker): void;
  /** The worker takes no more calls: it ends, or has ended. `calls` are those that it had not begun, in their order. */
  gone(worker: Worker, calls: readonly LaneCall[]): void;
  /** The worker's place has no worker now, and gets none, or not at once. */
  unfilled(worker: Worker, error: Error | undefined, tooSlow: boolean): void;
  /** The worker has ended, and its place is not filled again. */
  left(worker: Worker): void;
  /** A call was refused by a lane that is being abandoned. */
  start(call: LaneCall): void;
  /** The worker has died with a call that it had begun. */
  crashed(call: LaneCall, error: Error, exit: EndedExit): void;
  /** The lane of the worker may have room while calls wait. */
  room(worker: Worker): void;
  /** The worker has not answered for a while, and has calls that it has not begun. */
  late(worker: Worker): void;
  /** The worker has answered again. */
  caughtUp(worker: Worker): void;
  /** The pool has replaced the worker. */
  recycled(worker: WorkerInfo, reason: RecycleReason): void;
}

/** The limits that a place keeps. */
export interface SupervisionLimits {
  /** Number of calls after which a worker is replaced. */
  readonly maxExecutions: number;
  /** Milliseconds that the calls of a worker which retires may take. `undefined`: as long as they want. */
  readonly drainMs: number | undefined;
}
