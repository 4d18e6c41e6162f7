/**
 * Tells the host of an error outside of any call, which ends the worker: a late throw, or a rejection that nobody
 * handles. The runtime then ends the worker as it always does, after it has printed the error.
 *
 * An error that a listener of the task's own handles ends nothing, and is not reported.
 */
import type { WorkerLane } from "../lane/worker/worker-lane";

/** Reports fatal errors of this worker through its lane. */
export function reportFatalErrors(lane: WorkerLane): void {
  process.on("uncaughtExceptionMonitor", (error) => {
    const isHandled =
      process.listenerCount("uncaughtException") > 0 || process.hasUncaughtExceptionCaptureCallback();
    if (!isHandled) {
      lane.reportFatal(error);
    }
  });
  if (process.versions.bun !== undefined) {
    // Bun ends on such a rejection without telling the monitor. Thrown, it is an uncaught exception like any other.
    process.on("unhandledRejection", (reason) => {
      if (process.listenerCount("unhandledRejection") === 1) {
        throw reason;
      }
    });
  }
}
