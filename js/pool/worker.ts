/** A worker as its pool sees it: a thread or a process that is started, asked to stop, and ends once. */
import { join } from "node:path";
import { Worker as Thread } from "node:worker_threads";
import type { HostEnd } from "../lane/host-end";
import { native, type TaskSource } from "../native";
import { LAUNCHER, nativePath } from "../platform";
import type { ThreadData } from "../worker/thread-data";
import { inheritedExecArgv } from "./exec-argv";

/** How a worker ended. */
export interface Exit {
  readonly exitCode: number | null;
  readonly signal: string | null;
  readonly stderrTail: string;
  /** What it threw, if it was a thread that did; why it could not be started, if it was a process. */
  readonly cause?: unknown;
  /** Another start would end the same way. */
  readonly deterministic: boolean;
}

export interface Worker {
  /** Process id; null for a thread, and until the process runs. */
  readonly pid: number | null;
  /** Its command line; empty for a thread. */
  readonly argv: readonly string[];
  /** Asks it to end, and sees to it. */
  stop(): void;
  /** Ends it at once. */
  kill(): void;
  /** Resolves once it has ended. */
  readonly exited: Promise<Exit>;
}

/** How long a process may take to end by itself before it is killed. */
const GRACE_MILLIS = 250;

const entry = join(__dirname, "..", "worker", "entry.js");

/** Starts a worker thread behind a lane. */
export function startThread(lane: HostEnd, tasks: readonly TaskSource[]): Worker {
  const token = lane.native.lend();
  const thread = createThread({ token, tasks });
  // The lane keeps the process alive while somebody waits.
  thread.unref();
  let cause: unknown;
  thread.on("error", (error) => {
    cause = error;
  });
  const exited = new Promise<Exit>((resolve) => {
    thread.on("exit", (exitCode) => {
      resolve({ exitCode, signal: null, stderrTail: "", cause, deterministic: false });
    });
  });
  return {
    pid: null,
    argv: [],
    exited,
    stop: () => void thread.terminate(),
    kill: () => void thread.terminate(),
  };
}

let threadExecArgv: string[] | undefined;

/**
 * Flags of the whole process, V8's among them, can't be given to a thread and hold for it all the same. Only Node knows which
 * they are: it names them when it refuses them.
 */
function createThread(data: ThreadData): Thread {
  threadExecArgv ??= inheritedExecArgv(process.execArgv);
  try {
    return new Thread(entry, { workerData: data, execArgv: threadExecArgv, name: "knitting" });
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code !== "ERR_WORKER_INVALID_EXEC_ARGV" || threadExecArgv.length === 0) {
      throw error;
    }
    const refused = new Set(message.match(/--?[\w-]+/g));
    const accepted = threadExecArgv.filter((argument) => !refused.has(argument.split("=", 1)[0]));
    threadExecArgv = accepted.length < threadExecArgv.length ? accepted : [];
    return createThread(data);
  }
}

/** Starts a Node process behind a lane. */
export function startProcess(lane: HostEnd, tasks: TaskSource[]): Worker {
  const command = [process.execPath, ...inheritedExecArgv(process.execArgv), entry];
  const launcher = nativePath(LAUNCHER);
  const env = Object.entries(process.env).filter(
    (entry): entry is [string, string] => entry[1] !== undefined,
  );
  let pid: number | null = null;
  let end!: (exit: Exit) => void;
  const exited = new Promise<Exit>((resolve) => {
    end = resolve;
  });
  native().launchWorker(lane.native, { launcher, command, env, tasks }, (event) => {
    if (event.kind === "spawned") {
      pid = event.pid ?? null;
      return;
    }
    end({
      exitCode: event.code ?? null,
      signal: event.signal ?? null,
      stderrTail: event.stderrTail ?? "",
      cause: event.kind === "failed" ? new Error(event.message) : undefined,
      deterministic:
        event.kind === "failed" ? event.transient !== true : event.code === native().EXIT_REFUSED,
    });
  });
  return {
    get pid() {
      return pid;
    },
    argv: [launcher, ...command],
    exited,
    stop: () => lane.native.stop(GRACE_MILLIS),
    kill: () => lane.native.stop(0),
  };
}
