/** Worker processes: Node, Deno or Bun, with or without a wrapper. */
import { execFile } from "node:child_process";
import { KnittingError } from "../base/errors";
import type { HostLane } from "../lane/host/host-lane";
import { native, type WorkerEvent } from "../native/addon";
import { workerEntry } from "../native/package";
import { launcherPath } from "../native/platform";
import { runtimeCommand } from "../runtime/command";
import { environmentOf, valuesOf } from "../runtime/environment";
import { commandFor, isDirectory } from "../runtime/resolve-options";
import { stackBytes } from "../runtime/resource-limits";
import type { WorkerInfo, WorkerStart } from "../runtime/worker-info";
import { linesOf } from "./output-lines";
import type { Exit, Plan, Worker, WorkerEvents } from "./worker";

/** How long the user's stop command may take. */
const STOP_COMMAND_MILLIS = 10_000;
/** Exit statuses of a launcher that could not do its work, and the beginning of its message. */
const LAUNCHER_FAILED = [125, 126, 127];
const LAUNCHER_SAYS = "knitting-launcher: ";

/** The command of the wrapper; empty if there is none. Throws `InvalidOptionError` if the user's function fails. */
export function wrapperFor({ worker: { prefix }, scope }: Plan, start: WorkerStart): readonly string[] {
  return prefix === undefined ? [] : scope(() => commandFor("worker.processCommandPrefix", prefix, start));
}

/** Starts a process behind a lane. `info` is the information about the worker for the user's stop command. */
export function startProcess(
  lane: HostLane,
  plan: Plan,
  wrapper: readonly string[],
  info: () => WorkerInfo,
  events: WorkerEvents,
): Worker {
  const { worker, program, executable, enforcement } = plan;
  const { stdio, cwd, nice, cgroup, limits } = worker;
  const command = runtimeCommand(worker, executable, workerEntry, enforcement.flags);
  const launcher = launcherPath();
  let end!: (exit: Exit) => void;
  const exited = new Promise<Exit>((resolve) => {
    end = resolve;
  });
  const onEvent = (event: WorkerEvent): void => {
    switch (event.kind) {
      case "spawned":
        events.spawned();
        break;
      case "attached":
        // Only the process id is new, and the lane knows that already.
        break;
      case "watched":
        events.watched(event.memory ?? null);
        break;
      case "exceeded":
        events.overMemory(event.memory, event.isFar);
        break;
      case "output":
        for (const line of linesOf(event.lines)) {
          events.output(event.isStderr ? "stderr" : "stdout", line);
        }
        break;
      case "flooded":
        events.flooded(event);
        break;
      case "outlives":
        // After a shutdown of the pool the information has no process id any more.
        stopBy(plan, { ...info(), pid: lane.native.pid });
        break;
      default:
        end(exitOf(event));
    }
  };
  native().launchWorker(
    lane.native,
    {
      launcher,
      wrapper: [...wrapper],
      command,
      sandbox: enforcement.sandbox,
      env: Object.entries(valuesOf(environmentOf(worker, enforcement.variables))),
      cwd,
      stdio,
      nice,
      stackBytes: stackBytes(worker),
      cgroup,
      program: JSON.stringify(program),
    },
    onEvent,
  );
  return {
    get pid() {
      return lane.native.pid;
    },
    threadId: null,
    argv: [launcher, ...wrapper, ...command],
    wrapper: wrapper[0],
    exited,
    booted: () => {
      if (limits?.memoryBytes !== undefined) {
        // Bun maps gigabytes beforehand, and then as little as it needs.
        lane.native.watchMemory(limits.memoryBytes, limits.memoryCheckMillis, worker.runtime !== "bun");
      }
    },
    usage: () => {
      const { memoryBytes = null, cpuMillis: cpuMs = null } = lane.native.usage();
      return { memoryBytes, cpuMs };
    },
    stop: (graceMillis) => lane.native.stop(graceMillis),
    kill: () => lane.native.stop(0),
  };
}

function exitOf(event: Extract<WorkerEvent, { kind: "failed" | "exited" }>): Exit {
  if (event.kind === "failed") {
    const { message, retryable } = event;
    return { exitCode: null, signal: null, stderrTail: "", cause: new Error(message), retryable };
  }
  const { code = null, signal = null, stderrTail, livesOn } = event;
  const failedToLaunch =
    code !== null && LAUNCHER_FAILED.includes(code) && stderrTail.startsWith(LAUNCHER_SAYS);
  let cause: Error | undefined;
  if (livesOn) {
    cause = livesOnError();
    process.emitWarning(cause);
  } else if (failedToLaunch) {
    cause = new Error(stderrTail.slice(LAUNCHER_SAYS.length).trimEnd());
  }
  const retryable = !failedToLaunch && code !== native().EXIT_REFUSED;
  return { exitCode: code, signal, stderrTail, cause, retryable };
}

/** Ends a worker that can't be killed from here, with the user's stop command. */
function stopBy({ worker: { stopCommand, cwd }, scope }: Plan, info: WorkerInfo): void {
  if (stopCommand === undefined) {
    return;
  }
  try {
    const [program, ...parameters] = scope(() => commandFor("worker.stopCommand", stopCommand, info));
    // It must run even where the pool's working directory is gone.
    const options = { timeout: STOP_COMMAND_MILLIS, cwd: isDirectory(cwd) ? cwd : "/" };
    execFile(program, parameters, options, (error) => {
      if (error) {
        process.emitWarning(error);
      }
    });
  } catch (error) {
    process.emitWarning(error as Error);
  }
}

function livesOnError(): Error {
  return new KnittingError(
    "KNITTING_WORKER_LIVES_ON",
    "a worker was given up: it, its wrapper or something else that holds its memory has not ended " +
      "although it was to be killed. It is out of this process's reach: worker.stopCommand can end it",
  );
}
