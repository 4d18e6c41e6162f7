/**
 * Where a worker begins, if this file is the program that was started. The worker attaches to its lane, removes the
 * data that it attached with, installs the guards, runs `worker.bootstrap`, imports the tasks' modules, reports that it
 * is ready, and serves calls.
 *
 * ```text
 *   thread    workerData names the memory and the tasks
 *   process   the boot payload in the environment names them; a refusal goes to stderr, with an exit status of its own
 * ```
 */

import { identify, type WorkerIdentity } from "../base/side";
import { WorkerLane } from "../lane/worker/worker-lane";
import { IS_NODE, native } from "../native/addon";
import { BOOT_VARIABLES, type BootFault, type Program, type ThreadData } from "../task/program";
import { forgetBootData } from "./boot-data";
import { answerDeniedLookUps } from "./denied-look-ups";
import { installGuards } from "./exit-guards";
import { reportFatalErrors } from "./fatal-errors";
import { loadTasks, loadTeardown, runBootstrap } from "./load";
import { isWorker } from "./mark";
import { printAtOnce, printToLane } from "./output";
import { reportHeap } from "./thread-heap";

/** Exported for esbuild alone, which takes a module without exports for CommonJS and then merges none. */
export async function main(): Promise<void> {
  const thread = thisThread();
  const end = thread === undefined ? attachProcess() : attachThread(thread.data);
  const program = thread?.data.program ?? end.program;
  const fault = await boot(program, end, thread);
  if (fault !== undefined) {
    end.fail(fault);
    if (thread === undefined) {
      process.exitCode = 1;
    }
  }
}

/** A worker thread: its number, and what it was started with. */
interface WorkerThread {
  readonly threadId: number;
  readonly data: ThreadData;
}

/** This thread; `undefined` in a process, which can tell without `node:worker_threads`: loading that takes it 2 ms. */
function thisThread(): WorkerThread | undefined {
  if (BOOT_VARIABLES.every((name) => name in process.env)) {
    return undefined;
  }
  const { isMainThread, threadId, workerData } =
    require("node:worker_threads") as typeof import("node:worker_threads");
  return isMainThread ? undefined : { threadId, data: workerData };
}

/** Returns the fault if the boot has failed. */
async function boot(
  program: Program,
  end: WorkerLane,
  thread: WorkerThread | undefined,
): Promise<BootFault | undefined> {
  const { bootstrap, teardown, tasks, home, place, debug } = program;
  let retryable = true;
  try {
    identify({
      ...place,
      runtime: thread === undefined ? processRuntime() : "thread",
      threadId: thread?.threadId ?? null,
      pid: process.pid,
    });
    reportFatalErrors(end);
    if (home !== undefined) {
      answerDeniedLookUps(home);
    }
    installGuards();
    retryable = false;
    if (bootstrap !== undefined) {
      await runBootstrap(bootstrap, debug);
    }
    const last = teardown === undefined ? undefined : await loadTeardown(teardown, debug);
    retryable = true;
    const found = await loadTasks(tasks, debug);
    if (thread?.data.heapReports !== undefined) {
      reportHeap(end, thread.data.heapReports);
    }
    end.serve(found, program, last);
    return undefined;
  } catch (error) {
    return { error, retryable };
  }
}

function processRuntime(): WorkerIdentity["runtime"] {
  const { bun, deno } = process.versions;
  return bun !== undefined ? "bun" : deno !== undefined ? "deno" : "node";
}

function attachThread({ token, port }: ThreadData): WorkerLane {
  const lane = new WorkerLane((wake) => native().WorkerLane.attachThread(token, wake), port);
  printToLane(lane);
  return lane;
}

function attachProcess(): WorkerLane {
  try {
    printAtOnce();
    return new WorkerLane((wake) => native().WorkerLane.attachProcess(IS_NODE, wake));
  } catch (error) {
    process.stderr.write(`knitting-native worker: ${(error as Error).message}\n`);
    return process.exit(native().EXIT_REFUSED);
  } finally {
    forgetBootData();
  }
}

if (isWorker) {
  void main();
}
