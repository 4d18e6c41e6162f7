/** Describes why a worker has ended: for a boot that has failed, and for the calls that the worker had. */
import { stripVTControlCharacters } from "node:util";
import {
  KnittingError,
  type ProtocolViolationError,
  WorkerBootError,
  WorkerCrashedError,
  type WorkerEndReason,
  WorkerKilledError,
} from "../base/errors";
import type { Call } from "../call/call";
import type { Exit, Plan, Worker } from "./worker";

/** Number of workers that may die before they start a call, until the call rejects. */
export const MAX_MOVES = 3;

/** Why the pool has killed a worker. */
export interface Halt {
  readonly reason: WorkerKilledError["reason"];
  /** The reason as a clause, for messages: `task "f" ran longer than …`. */
  readonly why: string;
}

/** What is known about a run. */
export interface RunFacts {
  readonly plan: Plan;
  /** Whether the worker has mapped its memory. */
  readonly attached: boolean;
  /** Whether the boot took longer than it may. */
  readonly tooSlow: boolean;
  /** How the worker broke the protocol. */
  readonly violation: ProtocolViolationError | undefined;
  /** What the worker reports about its failed boot, and whether another start may succeed. */
  readonly bootFault: { readonly error: Error; readonly retryable: boolean } | undefined;
  /** Why the pool has killed the worker, if it has. */
  readonly halt: Halt | undefined;
  /** The error that the worker was about to end by, as it reports itself. */
  readonly fatal: { readonly error: unknown } | undefined;
}

/** Why a worker has ended that nobody had stopped. */
export function endReason(facts: RunFacts, exit: Exit): WorkerEndReason {
  const { exitCode, signal, cause } = exit;
  if (facts.halt !== undefined) {
    return facts.halt.reason;
  }
  if (ranOutOfMemory(exit)) {
    return "memory";
  }
  if (facts.violation !== undefined || facts.bootFault !== undefined || signal !== null) {
    return "crash";
  }
  if (facts.fatal !== undefined) {
    return "fatalError";
  }
  return exitCode === 0 && cause === undefined ? "natural" : "crash";
}

/**
 * What a runtime prints before it ends because it has no more memory for its heap or for itself: V8 in Node and in
 * Deno, Bun, and the libraries of Rust and C++ in them.
 */
const LAST_WORDS = [
  /^FATAL ERROR: .*out of memory/im,
  /^# Fatal .*out of memory/m,
  /^(oh no: Bun|Bun|panic\(.*\):).* out of memory/im,
  /^memory allocation of \d+ bytes failed/m,
  /^terminate called after throwing an instance of 'std::bad_alloc'/m,
];
/** Statuses from here on tell of a signal, behind a wrapper that passes on how its command has ended. */
const FIRST_SIGNAL_STATUS = 128;

/**
 * Whether the runtime of a worker has ended it for lack of memory. A worker can pretend that; it only ends as it could
 * anyway.
 */
function ranOutOfMemory({ exitCode, signal, cause, stderrTail }: Exit): boolean {
  if ((cause as NodeJS.ErrnoException | undefined)?.code === "ERR_WORKER_OUT_OF_MEMORY") {
    return true;
  }
  const isKilled = signal !== null || (exitCode ?? 0) > FIRST_SIGNAL_STATUS;
  return isKilled && LAST_WORDS.some((words) => words.test(stderrTail));
}

/** The limits that a runtime that has run out of memory may have met. */
function memoryLimits({ worker: { limits, resourceLimits } }: Plan): string {
  const given = {
    "workerPoolConfig.memoryLimitPerWorker": limits?.memoryBytes,
    "worker.resourceLimits.maxOldGenerationSizeMb": resourceLimits?.maxOldGenerationSizeMb,
  };
  const set = Object.entries(given).filter(([, limit]) => limit !== undefined);
  return set.length === 0 ? "" : ` (${set.map(([name, limit]) => `${name} is ${limit}`).join(", ")})`;
}

/** The error of a call whose worker has ended. `started`: whether the worker had started the call. */
export function crashError(facts: RunFacts, worker: Worker, exit: Exit, call: Call, started: boolean): Error {
  const { violation, halt, plan, bootFault } = facts;
  if (violation !== undefined) {
    return violation;
  }
  if (bootFault !== undefined) {
    // The worker was quicker than what has found out that it can't be used.
    return bootError(facts, worker, exit);
  }
  const { task } = plan.program.tasks[call.task];
  const unstarted = started ? "" : `, like ${MAX_MOVES} before it, without having started the call`;
  if (halt !== undefined) {
    const { reason, why } = halt;
    return new WorkerKilledError(`the worker of task "${task}" was killed${unstarted}: ${why}`, reason, task);
  }
  const { exitCode, signal, stderrTail, cause } = exit;
  const options = cause === undefined ? undefined : { cause };
  const end = `the worker of task "${task}" ${how(exit, worker)}${unstarted}`;
  if (ranOutOfMemory(exit)) {
    const message = `${end}, because its runtime ran out of memory${memoryLimits(plan)}${tail(stderrTail)}`;
    return new WorkerKilledError(message, "memory", task, options);
  }
  const { pid } = worker;
  const details = { exitCode, signal, pid, stderrTail, task, started };
  return new WorkerCrashedError(end + tail(stderrTail), details, options);
}

/**
 * Why a worker with a teardown function, which was told to end, has not ended in order; `undefined` if it has, and for
 * other workers.
 */
export function teardownError({ plan, fatal }: RunFacts, { exitCode, signal }: Exit): unknown {
  const { teardown, stopMillis } = plan.worker;
  if (teardown === undefined || fatal !== undefined || (exitCode === 0 && signal === null)) {
    return fatal?.error;
  }
  return new KnittingError(
    "KNITTING_TEARDOWN_FAILED",
    `a worker has ended before worker.teardown, "${teardown.name}", had finished: it may take ${stopMillis} ` +
      "milliseconds to end (workerPoolConfig.gracefulShutdownTimeout), and is killed after that",
  );
}

/** The tasks of which one ran for too long. */
export function blame(suspects: readonly string[]): string {
  const names = suspects.map((task) => `"${task}"`);
  return names.length === 1
    ? `task ${names[0]}`
    : `one of the tasks ${names.join(", ")} (in the worker's event loop, so that it can't be known which)`;
}

/** The error of a worker that could not be started. */
export function bootError(facts: RunFacts, worker: Worker, exit: Exit): WorkerBootError {
  const { exitCode, signal, stderrTail } = exit;
  const details = { argv: worker.argv, exitCode, signal, stderrTail };
  const fault = facts.bootFault?.error ?? facts.violation;
  if (fault !== undefined) {
    return new WorkerBootError(fault.message + command(worker.argv), details, { cause: fault });
  }
  const { halt, tooSlow } = facts;
  const message =
    halt !== undefined
      ? `a worker was killed before it was ready: ${halt.why}`
      : tooSlow
        ? describeDelay(facts, worker)
        : describeEnd(facts, worker, exit);
  const options = exit.cause === undefined ? undefined : { cause: exit.cause };
  return new WorkerBootError(message + command(worker.argv) + tail(stderrTail), details, options);
}

function describeDelay({ plan, attached }: RunFacts, { wrapper }: Worker): string {
  const limit = `within worker.startupTimeoutMs, which is ${plan.worker.startupTimeoutMs}`;
  if (attached) {
    const first = plan.program.bootstrap === undefined ? "" : "finished worker.bootstrap and ";
    return `a worker has not ${first}imported its tasks ${limit}`;
  }
  return wrapper === undefined
    ? `a worker has not attached to its memory ${limit}`
    : `the wrapper ${JSON.stringify(wrapper)} of worker.processCommandPrefix has not brought a worker to ` +
        `attach to its memory ${limit}`;
}

function describeEnd({ attached }: RunFacts, worker: Worker, exit: Exit): string {
  const { wrapper } = worker;
  if (wrapper === undefined || attached) {
    return `a worker could not be started: it ${how(exit, worker)}`;
  }
  return (
    `the wrapper ${JSON.stringify(wrapper)} of worker.processCommandPrefix ${how(exit, worker)} before a ` +
    "worker had attached to its memory"
  );
}

function how({ exitCode, signal, cause }: Exit, { pid }: Worker): string {
  const who = pid === null ? "" : ` (pid ${pid})`;
  if (cause instanceof Error) {
    return `ended${who}: ${cause.message}${advice(cause)}`;
  }
  return signal === null ? `exited with status ${exitCode}${who}` : `was killed by ${signal}${who}`;
}

/** Node starts no thread in a working directory that was deleted, whatever is at its path now. */
function advice(cause: Error): string {
  const isNowhere = (cause as NodeJS.ErrnoException).syscall === "uv_cwd";
  return isNowhere
    ? ". The working directory of this process was deleted, and Node starts no thread without one: change to " +
        "one that exists by process.chdir()"
    : "";
}

function command(argv: readonly string[]): string {
  return argv.length === 0 ? "" : `\n  command: ${argv.join(" ")}`;
}

/**
 * The end of what a worker wrote, for a message. Escape sequences are removed, because the message may reach a
 * terminal.
 */
function tail(stderrTail: string): string {
  const lines = stripVTControlCharacters(stderrTail).trimEnd().split("\n");
  return stderrTail === "" ? "" : `\n  stderr: ${lines.join("\n          ")}`;
}
