/** A worker as its run sees it: a thread or a process that is started, asked to stop, and ends once. */
import type { DebugContext } from "../base/debug-log";
import type { ResolvedPayload } from "../payload/options";
import type { Enforcement } from "../permission/enforce";
import type { ResolvedWorker } from "../runtime/options";
import type { Program } from "../task/program";

/** What every worker of a pool is started with. */
export interface Plan {
  readonly program: Program;
  readonly worker: ResolvedWorker;
  /** The runtime's executable; empty for threads. */
  readonly executable: string;
  /** How what the workers may do is enforced. */
  readonly enforcement: Enforcement;
  readonly payload: ResolvedPayload;
  /** What the pool is to say of itself; `program.debug` is what a worker is. */
  readonly debug: DebugContext | undefined;
}

/** What a worker tells its run while it lives. */
export interface WorkerEvents {
  /** Its thread or its command runs. */
  spawned(): void;
  /** It wrote a line; only if lines are to be events. */
  output(stream: "stdout" | "stderr", line: string): void;
}

/** How a worker ended. */
export interface Exit {
  readonly exitCode: number | null;
  readonly signal: string | null;
  readonly stderrTail: string;
  /** What it threw, if it was a thread that did; why it could not be started, if it was a process. */
  readonly cause?: unknown;
  /** Whether another start may go better. */
  readonly retryable: boolean;
}

export interface Worker {
  /** Process id; of a wrapper until the worker in it is known. Null for a thread, and until the process runs. */
  readonly pid: number | null;
  /** Its command line; empty for a thread. */
  readonly argv: readonly string[];
  /** The program of its wrapper, if it has one. */
  readonly wrapper: string | undefined;
  /** Asks it to end, and sees to it. */
  stop(): void;
  /** Ends it at once. */
  kill(): void;
  /** Resolves once it has ended. */
  readonly exited: Promise<Exit>;
}
