/**
 * Where a worker begins: attach, forget how, put up the guards, run `worker.bootstrap`, import the tasks' modules, report ready,
 * serve.
 *
 * ```text
 *   thread    workerData names the lent memory and the tasks
 *   process   the boot payload in the environment does; what is refused goes to stderr, with an exit status of its own
 * ```
 */
import "./mark";
import { isMainThread, workerData } from "node:worker_threads";
import { WorkerEnd } from "../lane/worker-end";
import { native } from "../native";
import { forgetBootData } from "./boot-data";
import { installGuards } from "./guards";
import { loadTasks, runBootstrap } from "./load";
import type { BootFault, Program } from "./program";
import type { ThreadData } from "./thread-data";

async function main(): Promise<void> {
  const thread = isMainThread ? undefined : (workerData as ThreadData);
  const end = thread === undefined ? attachProcess() : attachThread(thread);
  const program = thread?.program ?? end.program;
  const fault = await boot(program, end);
  if (fault !== undefined) {
    end.fail(fault);
    if (thread === undefined) {
      process.exitCode = 1;
    }
  }
}

/** Returns what went wrong, if anything has. */
async function boot(program: Program, end: WorkerEnd): Promise<BootFault | undefined> {
  const { bootstrap, tasks, debug } = program;
  let inVain = false;
  try {
    installGuards();
    if (bootstrap !== undefined) {
      inVain = true;
      await runBootstrap(bootstrap, debug);
      inVain = false;
    }
    end.serve(await loadTasks(tasks, debug), program);
    return undefined;
  } catch (error) {
    return { error, inVain };
  }
}

function attachThread({ token, port }: ThreadData): WorkerEnd {
  return new WorkerEnd((wake) => native().WorkerLane.attachThread(token, wake), port);
}

function attachProcess(): WorkerEnd {
  try {
    return new WorkerEnd((wake) => native().WorkerLane.attachProcess(wake));
  } catch (error) {
    process.stderr.write(`knitting-native worker: ${(error as Error).message}\n`);
    return process.exit(native().EXIT_REFUSED);
  } finally {
    forgetBootData();
  }
}

void main();
