/**
 * Worker threads of this process.
 *
 * A thread is asked to end, and terminated if it doesn't. Its last output comes after the thread itself is gone, and its
 * end is reported after that.
 */
import { MessageChannel, Worker as Thread, type WorkerOptions } from "node:worker_threads";
import { afterRunning } from "../base/clock";
import type { HostLane } from "../lane/host/host-lane";
import { workerEntry } from "../native/package";
import { systemError } from "../native/system-error";
import { environmentOf, isUnrestricted, valuesOf } from "../runtime/environment";
import { inheritedFlags } from "../runtime/exec-argv";
import type { HeapReports, ThreadData } from "../task/program";
import { linesOf } from "./output-lines";
import { ThreadMemory, tellsOfThreads } from "./thread-memory";
import type { Exit, Plan, Worker, WorkerEvents } from "./worker";

const MEGABYTE = 1024 * 1024;

/** Starts a worker thread behind a lane. */
export function startThread(lane: HostLane, plan: Plan, events: WorkerEvents): Worker {
  const { stdio, resourceLimits, execArgv, argv, limits } = plan.worker;
  let end!: (stderrTail: string) => void;
  const outputEnded = new Promise<string>((resolve) => {
    end = resolve;
  });
  const token = lane.native.issueThreadToken(stdio, (event) => {
    if (event.kind === "output") {
      for (const line of linesOf(event.lines)) {
        events.output(event.isStderr ? "stderr" : "stdout", line);
      }
    } else if (event.kind === "flooded") {
      events.flooded(event);
    } else if (event.kind === "exited") {
      end(event.stderrTail);
    }
  });
  const permissions = plan.enforcement.flags ?? [];
  const { port1, port2 } = new MessageChannel();
  lane.shares.connect(port1);
  const data: ThreadData = { token, port: port2, heapReports: heapReports(plan), program: plan.program };
  // What the thread writes before it has its pipes, such as in a module that `--import` loads, goes the way of Node.
  const dropped = stdio === "ignore";
  const options: WorkerOptions = {
    workerData: data,
    transferList: [port2],
    name: "knitting",
    stdout: dropped,
    stderr: dropped,
    // If it is undefined, Node copies the host's environment.
    env: isUnrestricted(plan.worker) ? undefined : valuesOf(environmentOf(plan.worker)),
    argv: [...argv],
    resourceLimits,
  };
  const thread =
    execArgv === undefined
      ? createThread(options, permissions)
      : new Thread(workerEntry, { ...options, execArgv: [...execArgv, ...permissions] });
  // The lane keeps the process alive while somebody waits.
  thread.unref();
  // Once the thread has ended it has no number any more.
  const { threadId } = thread;
  const memory = new ThreadMemory(thread, lane.native);
  let cause: unknown;
  thread.on("online", () => events.spawned());
  thread.on("error", (error) => {
    cause = systemError(error);
  });
  const exitCode = new Promise<number>((resolve) => {
    thread.on("exit", (code) => {
      memory.stop();
      lane.native.threadEnded();
      resolve(code);
    });
  });
  const exited = Promise.all([exitCode, outputEnded]).then(
    ([exitCode, stderrTail]): Exit => ({ exitCode, signal: null, stderrTail, cause, retryable: true }),
  );
  const kill = () => void thread.terminate();
  return {
    pid: null,
    threadId,
    argv: [],
    wrapper: undefined,
    exited,
    booted: () => {
      warnOfHeapLimit(plan, lane.native.heapLimit);
      if (limits !== undefined) {
        void memory.watch(limits, events);
      }
    },
    usage: () => ({ memoryBytes: memory.bytes, cpuMs: lane.native.usage().cpuMillis ?? null }),
    stop: (graceMillis) => {
      lane.native.stop(graceMillis);
      void exitCode.then(afterRunning(graceMillis, kill));
    },
    kill,
  };
}

/** What the thread is to report about its heap. `undefined`: nothing. */
function heapReports({ worker: { limits, resourceLimits } }: Plan): HeapReports | undefined {
  const everyMillis =
    limits?.memoryBytes === undefined || tellsOfThreads ? undefined : limits.memoryCheckMillis;
  const isLimited = resourceLimits?.maxOldGenerationSizeMb !== undefined;
  return everyMillis === undefined && !isLimited ? undefined : { everyMillis, isLimited };
}

let hasWarned = false;

/** Warns, once, that the heaps of threads may grow beyond what `worker.resourceLimits` says. */
function warnOfHeapLimit({ worker: { resourceLimits } }: Plan, heapLimit: number | null): void {
  if (heapLimit !== null && !hasWarned) {
    hasWarned = true;
    process.emitWarning(
      `worker.resourceLimits.maxOldGenerationSizeMb is ${resourceLimits?.maxOldGenerationSizeMb}, and the heap of a ` +
        `worker thread may grow to ${Math.round(heapLimit / MEGABYTE)} MB: V8's flags for the size of heaps, on the ` +
        "command line or in NODE_OPTIONS, hold for threads as well and go before their limits. Leave them out, or " +
        "use process workers",
      { code: "KNITTING_HEAP_LIMIT" },
    );
  }
}

let inherited: string[] | undefined;

/**
 * Flags of the whole process, V8's among them, can't be given to a thread and hold for it anyway. Only Node knows which
 * flags those are: it names them when it refuses them.
 */
function createThread(options: WorkerOptions, permissions: readonly string[]): Thread {
  inherited ??= inheritedFlags();
  try {
    return new Thread(workerEntry, { ...options, execArgv: [...inherited, ...permissions] });
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code !== "ERR_WORKER_INVALID_EXEC_ARGV" || inherited.length === 0) {
      throw error;
    }
    const refused = new Set(message.match(/--?[\w-]+/g));
    const accepted = inherited.filter((argument) => !refused.has(argument.split("=", 1)[0]));
    inherited = accepted.length < inherited.length ? accepted : [];
    return createThread(options, permissions);
  }
}
