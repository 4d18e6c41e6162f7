/** A worker as its run sees it: a thread or a process that is started, may be asked to stop, and ends once. */
import type { AsyncScope } from "../base/async-scope";
import type { DebugContext } from "../base/debug-log";
import type { Pace } from "../lane/host/pace";
import type { Tally } from "../lane/host/tally";
import type { Flood } from "../native/addon";
import type { ResolvedPayload } from "../payload/options";
import type { Enforcement } from "../permission/enforce";
import type { ResolvedWorker } from "../runtime/options";
import type { Program } from "../task/program";

/** How long a worker without a teardown function may take to end by itself before it is killed, in milliseconds. */
export const GRACE_MILLIS = 250;

/** What every worker of a pool is started with. */
export interface Plan {
  readonly program: Program;
  readonly worker: ResolvedWorker;
  /** The runtime's executable; empty for threads. */
  readonly executable: string;
  /** How the workers' permissions are enforced. */
  readonly enforcement: Enforcement;
  readonly payload: ResolvedPayload;
  /** Number of calls that a worker may have begun and not settled. */
  readonly concurrency: number;
  /** Whether there may be more than one worker, so that calls can move from one to another. */
  readonly shared: boolean;
  /** How quickly the tasks are done with. */
  readonly pace: Pace;
  /** What has become of the calls. */
  readonly tally: Tally;
  /** The stores of `createPool`, in which the functions among its options run. */
  readonly scope: AsyncScope;
  /** The debug context of the pool. `program.debug` is that of a worker. */
  readonly debug: DebugContext | undefined;
}

/** What a worker reports to its run while it lives. */
export interface WorkerEvents {
  /** The worker's thread or command runs. */
  spawned(): void;
  /** The worker wrote a line. Only if lines are reported as events. */
  output(stream: "stdout" | "stderr", line: string): void;
  /** The worker has written more lines than it may. */
  flooded(flood: Flood): void;
  /**
   * The worker's memory is watched from now on. `memoryBytes` is what the worker uses; `null` if that can't be seen
   * from here.
   */
  watched(memoryBytes: number | null): void;
  /** The worker uses more memory than it may. If that is far too much, it has to be killed, or was killed. */
  overMemory(memoryBytes: number, isFar: boolean): void;
}

/** What a worker uses. */
export interface Usage {
  /** Bytes of memory. `null` if that is not known. */
  readonly memoryBytes: number | null;
  /** Milliseconds of processor time. `null` if that is not known. */
  readonly cpuMs: number | null;
}

/** How a worker ended. */
export interface Exit {
  readonly exitCode: number | null;
  readonly signal: string | null;
  readonly stderrTail: string;
  /** The error that has ended the worker, or why a process could not be started. */
  readonly cause?: unknown;
  /** Whether another start may succeed. */
  readonly retryable: boolean;
}

export interface Worker {
  /**
   * Process id of the worker, or of its wrapper until the worker inside is known. Null for a thread, and until the
   * process runs.
   */
  readonly pid: number | null;
  /** Number of the thread in its process. Null for a process. */
  readonly threadId: number | null;
  /** The worker's command line; empty for a thread. */
  readonly argv: readonly string[];
  /** The program of the wrapper, if there is one. */
  readonly wrapper: string | undefined;
  /** The worker has booted. If its memory is limited, the event `watched` follows. */
  booted(): void;
  /** What the worker uses now. */
  usage(): Usage;
  /** Asks the worker to end, and kills it if it has not ended within so many milliseconds. */
  stop(graceMillis: number): void;
  /** Kills the worker at once. */
  kill(): void;
  /** Resolves when the worker has ended. */
  readonly exited: Promise<Exit>;
}
