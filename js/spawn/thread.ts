/** Worker threads of this process. */
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { MessageChannel, Worker as Thread, type WorkerOptions } from "node:worker_threads";
import type { HostLane } from "../lane/host/host-lane";
import { workerEntry } from "../native/package";
import { environmentOf, isUnrestricted, valuesOf } from "../runtime/environment";
import { inheritedExecArgv } from "../runtime/exec-argv";
import type { ThreadData } from "../task/program";
import type { Exit, Plan, Worker, WorkerEvents } from "./worker";

/** Starts a worker thread behind a lane. */
export function startThread(lane: HostLane, plan: Plan, events: WorkerEvents): Worker {
  const token = lane.native.issueThreadToken();
  const { stdio, resourceLimits, execArgv } = plan.worker;
  const permissions = plan.enforcement.flags ?? [];
  const { port1, port2 } = new MessageChannel();
  lane.shares.connect(port1);
  const data: ThreadData = { token, port: port2, program: plan.program };
  const piped = stdio !== "inherit";
  const options: WorkerOptions = {
    workerData: data,
    transferList: [port2],
    name: "knitting",
    stdout: piped,
    stderr: piped,
    // If it is undefined, Node copies the host's environment.
    env: isUnrestricted(plan.worker) ? undefined : valuesOf(environmentOf(plan.worker)),
    resourceLimits,
  };
  const thread =
    execArgv === undefined
      ? createThread(options, permissions)
      : new Thread(workerEntry, { ...options, execArgv: [...execArgv, ...permissions] });
  // The lane keeps the process alive while somebody waits.
  thread.unref();
  if (piped) {
    letEnd(thread.stdout);
    letEnd(thread.stderr);
  }
  if (stdio === "ignore") {
    thread.stdout.resume();
    thread.stderr.resume();
  } else if (stdio === "pipe") {
    for (const stream of ["stdout", "stderr"] as const) {
      createInterface({ input: thread[stream] }).on("line", (line) => events.output(stream, line));
    }
  }
  let cause: unknown;
  thread.on("online", () => events.spawned());
  thread.on("error", (error) => {
    cause = error;
  });
  const exited = new Promise<Exit>((resolve) => {
    thread.on("exit", (exitCode) => {
      resolve({ exitCode, signal: null, stderrTail: "", cause, retryable: true });
    });
  });
  return {
    pid: null,
    argv: [],
    wrapper: undefined,
    exited,
    stop: () => void thread.terminate(),
    kill: () => void thread.terminate(),
  };
}

/**
 * Lets the process end while a thread's stream is being read. Node gives each such stream a hold of its own, whatever
 * `unref` says, and has no other way to remove it. `lifecycle.test.ts` fails if a version of Node renames it.
 */
function letEnd(stream: Readable): void {
  const symbols = Object.getOwnPropertySymbols(stream);
  const holds = symbols.find(({ description }) => description === "kIncrementsPortRef");
  if (holds !== undefined) {
    Object.assign(stream, { [holds]: false });
  }
}

let inherited: string[] | undefined;

/**
 * Flags of the whole process, V8's among them, can't be given to a thread and hold for it anyway. Only Node knows which
 * flags those are: it names them when it refuses them.
 */
function createThread(options: WorkerOptions, permissions: readonly string[]): Thread {
  inherited ??= inheritedExecArgv(process.execArgv);
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
