/** How the end of a worker is told, and what it says of the worker. */
import { inspect } from "node:util";
import type { RecycleReason, WorkerEndReason } from "../base/errors";
import { hold, release } from "../lane/keep-alive";
import type { ResolvedWorker } from "../runtime/options";
import type { WorkerInfo } from "../runtime/worker-info";
import type { EndedExit } from "../spawn/worker-run";
import type { Listeners } from "./events";

/** Tells of the ends of a pool's workers: by the event `exit`, or by a warning where nobody else would learn of it. */
export class EndReporter {
  readonly #listeners: Listeners;
  readonly #options: ResolvedWorker;

  constructor(listeners: Listeners, options: ResolvedWorker) {
    this.#listeners = listeners;
    this.#options = options;
  }

  /** A worker has ended by itself, or was killed, with so many calls that it had begun. */
  ended(worker: WorkerInfo, exit: EndedExit, calls: number): void {
    this.#emit(worker, exit);
    const { runtime, stdio } = this.#options;
    const isPrinted = runtime !== "thread" && stdio === "inherit";
    if (exit.reason === "fatalError" && calls === 0 && !this.#listeners.has("exit") && !isPrinted) {
      process.emitWarning(
        `a worker was ended by an error outside of any call, and is replaced. pool.on("exit") reports such ends: ` +
          inspect(exit.cause),
        { code: "KNITTING_FATAL_ERROR" },
      );
    }
  }

  /** A worker that was told to end has ended. Nobody else would learn of what has kept it from its teardown function. */
  stopped(worker: WorkerInfo, exit: EndedExit): void {
    this.#emit(worker, exit);
    if (this.#options.teardown !== undefined && exit.cause !== undefined && !this.#listeners.has("exit")) {
      process.emitWarning(
        `a worker has not ended in order. pool.on("exit") reports such ends: ${inspect(exit.cause)}`,
        { code: "KNITTING_TEARDOWN_FAILED" },
      );
    }
  }

  #emit(worker: WorkerInfo, { exitCode, signal, reason, cause, stderrTail }: EndedExit): void {
    this.#listeners.emit("exit", { worker, exitCode, signal, reason, cause, stderrTail });
  }
}

const RECYCLED: Readonly<Record<RecycleReason, true>> = {
  hardTimeout: true,
  timeout: true,
  abort: true,
  memory: true,
  messages: true,
  executions: true,
  recycled: true,
  killed: true,
};

/** Whether it is the pool that has replaced the worker. */
export function isRecycled(reason: WorkerEndReason): reason is RecycleReason {
  return Object.hasOwn(RECYCLED, reason);
}

/** Whether the pool has replaced the worker for another reason than what it uses and sends by itself. */
export function isBlameless(reason: WorkerEndReason): boolean {
  return isRecycled(reason) && reason !== "memory" && reason !== "messages";
}

/** Keeps the process alive until the promise is settled. */
export async function holding(promise: Promise<unknown>): Promise<void> {
  hold();
  try {
    await promise;
  } finally {
    release();
  }
}
