/**
 * One start of one worker: its lane, its thread or process, the time limit of its boot, and what is known about it when
 * it ends. A worker that is started again has another run.
 *
 * ```text
 *   booting --ready--> ready --ends--> ended
 *      '--ends, fails, takes too long------^
 * ```
 */
import { afterRunning, now } from "../base/clock";
import { InvalidOptionError, type ProtocolViolationError, type WorkerEndReason } from "../base/errors";
import { isRecord } from "../base/validate";
import { HostLane } from "../lane/host/host-lane";
import type { LaneCall } from "../lane/host/lane-call";
import type { LaneEvents } from "../lane/host/lane-events";
import { type Flood, native } from "../native/addon";
import type { WorkerInfo, WorkerStart } from "../runtime/worker-info";
import {
  blame,
  bootError,
  crashError,
  endReason,
  type Halt,
  type RunFacts,
  teardownError,
} from "./exit-error";
import { startProcess, wrapperFor } from "./process";
import { startThread } from "./thread";
import { type Exit, GRACE_MILLIS, type Plan, type Usage, type Worker, type WorkerEvents } from "./worker";

/** What a run reports to its owner, which may not use the run before its constructor has returned. */
export interface RunEvents
  extends Omit<WorkerEvents, "flooded" | "watched" | "overMemory">,
    Pick<LaneEvents, "ready" | "refused" | "room" | "late" | "caughtUp" | "rested" | "kill"> {
  /** The worker has exceeded one of its limits. If that is far, it has to be killed. */
  exceeded(excess: Excess): void;
  /** The worker has ended, and not because `stop` was called. */
  ended(end: RunEnd): void;
}

/** A limit that a worker has exceeded. */
export interface Excess {
  readonly reason: "memory" | "messages";
  /** Whether the worker can't go on. Otherwise it may finish its calls. */
  readonly isFar: boolean;
  /** What the worker has used and what it may use, as a clause, for messages. */
  readonly why: string;
}

/** How a worker that was started has ended. */
export interface EndedExit extends Exit {
  readonly reason: WorkerEndReason;
}

/** How a run has ended. */
export interface RunEnd {
  readonly exit: EndedExit;
  /** Whether the worker had been ready. */
  readonly wasReady: boolean;
  /** Milliseconds for which the worker was ready. */
  readonly readyMillis: number;
  /** Why the boot has failed, if the worker was never ready. */
  readonly bootError: Error | undefined;
  /** Whether another start may succeed, if the worker was never ready. */
  readonly retryable: boolean;
  /** Calls that the worker had started, as far as it reports that. Each rejects with `crash(call, true)`. */
  readonly started: readonly LaneCall[];
  /** The other calls, in their order. */
  readonly unstarted: readonly LaneCall[];
}

/** The command of the wrapper; empty if there is none. Throws `InvalidOptionError` if the user's function fails. */
export function wrapperOf(plan: Plan, index: number, start: number): readonly string[] {
  const { runtime } = plan.worker;
  const workerStart = { index, start, runtime } as WorkerStart;
  return runtime === "thread" ? [] : wrapperFor(plan, workerStart);
}

let flushesAtExit = false;

/** What the workers have written is passed on before the host ends, also if it ends by `process.exit()`. */
function flushAtExit(): void {
  if (!flushesAtExit) {
    flushesAtExit = true;
    process.once("exit", () => native().flushOutput());
  }
}

export class WorkerRun {
  readonly lane: HostLane;
  readonly startedAt = new Date();
  readonly #worker: Worker;
  readonly #events: RunEvents;
  readonly #stopBootTimer: () => void;
  readonly #facts: { -readonly [Fact in keyof RunFacts]: RunFacts[Fact] };
  #readySince: number | undefined;
  #stopped = false;

  /**
   * Starts a worker. `info` is the information about the worker for the user's stop command. Throws if no worker can be
   * started now.
   */
  constructor(plan: Plan, wrapper: readonly string[], info: () => WorkerInfo, events: RunEvents) {
    const { sharedMemory, hardTimeoutMs, startupTimeoutMs, runtime, spinMicroseconds, limits } = plan.worker;
    const named = sharedMemory.mode === "named" ? sharedMemory : undefined;
    this.#events = events;
    this.#facts = {
      plan,
      attached: false,
      tooSlow: false,
      violation: undefined,
      bootFault: undefined,
      halt: undefined,
      fatal: undefined,
    };
    this.lane = new HostLane(
      {
        ...plan.payload,
        tasks: plan.program.tasks,
        namePrefix: named?.namePrefix,
        isThread: runtime === "thread",
        hardTimeoutMs,
        spinMicroseconds,
        concurrency: plan.concurrency,
        shared: plan.shared,
        pace: plan.pace,
        tally: plan.tally,
        messagesPerSecond: limits?.messagesPerSecond,
      },
      {
        attached: () => {
          this.#facts.attached = true;
          this.lane.native.attached(named?.unlinkOnShutdown === true);
        },
        ready: () => this.#ready(),
        bootFailed: (fault) => this.#bootFailed(fault),
        violated: (error) => this.#violated(error),
        flooded: (flood) => this.#flooded(flood),
        refused: events.refused,
        room: events.room,
        late: events.late,
        caughtUp: events.caughtUp,
        rested: events.rested,
        kill: events.kill,
        fatal: (error) => {
          this.#facts.fatal = { error };
        },
        overdue: (suspects) => this.#overdue(suspects.map((task) => plan.program.tasks[task].task)),
      },
    );
    const workerEvents: WorkerEvents = {
      ...events,
      flooded: (flood) => this.#flooded(flood),
      watched: (memoryBytes) => this.#watched(memoryBytes),
      overMemory: (memoryBytes, isFar) => this.#overMemory(memoryBytes, isFar),
    };
    flushAtExit();
    try {
      this.lane.prepare();
      this.#worker =
        runtime === "thread"
          ? startThread(this.lane, plan, workerEvents)
          : startProcess(this.lane, plan, wrapper, info, workerEvents);
    } catch (cause) {
      this.lane.close();
      throw cause;
    }
    this.#stopBootTimer = afterRunning(startupTimeoutMs, () => this.#bootOverdue());
    void this.#worker.exited.then((exit) => this.#ended(exit));
  }

  /**
   * Process id of the worker, or of its wrapper until the worker inside is known. Null for a thread, and until the
   * process runs.
   */
  get pid(): number | null {
    return this.#worker.pid;
  }

  /** Number of the worker's thread. Null for a process. */
  get threadId(): number | null {
    return this.#worker.threadId;
  }

  /** Whether the worker runs calls. */
  get ready(): boolean {
    return this.#readySince !== undefined;
  }

  /** Whether the boot has taken too long. Its calls have then waited for the full time limit. */
  get tooSlow(): boolean {
    return this.#facts.tooSlow;
  }

  /**
   * Ends the worker. `exited` resolves when it is gone, with how it ended. `calls` are those that it had not answered.
   */
  stop(): { calls: LaneCall[]; exited: Promise<EndedExit> } {
    this.#stopped = true;
    this.#stopBootTimer();
    this.lane.drain();
    // The worker is stopped first, because closing the lane would kill a process at once.
    const { teardown, stopMillis } = this.#facts.plan.worker;
    this.#worker.stop(stopMillis);
    const exited = this.#worker.exited.then((exit): EndedExit => {
      if (teardown !== undefined) {
        this.lane.readReports();
      }
      this.lane.close();
      return { ...exit, cause: exit.cause ?? teardownError(this.#facts, exit), reason: "shutdown" };
    });
    const { started, unstarted } = this.lane.abandon();
    return { calls: started.concat(unstarted), exited };
  }

  /** What the worker uses now. Of a thread, the memory is that of the last look. */
  usage(): Usage {
    return this.#worker.usage();
  }

  /** The error of a call whose worker has ended like this. */
  crash(call: LaneCall, exit: Exit, started: boolean): Error {
    return crashError(this.#facts, this.#worker, exit, call, started);
  }

  #ready(): void {
    // This may be the last message of a worker that was stopped.
    if (!this.#stopped) {
      this.#worker.booted();
      if (this.#facts.plan.worker.limits?.memoryBytes === undefined) {
        this.#begin();
      }
    }
  }

  /** The worker's memory is watched. A limit that can't hold, or that no worker can keep to, is no limit. */
  #watched(memoryBytes: number | null): void {
    if (this.#stopped) {
      return;
    }
    const limit = this.#facts.plan.worker.limits?.memoryBytes as number;
    if (memoryBytes !== null && memoryBytes <= limit) {
      this.#begin();
      return;
    }
    const error = new InvalidOptionError(
      `workerPoolConfig.memoryLimitPerWorker is ${limit}, and ` +
        (memoryBytes === null
          ? "the process of a worker can't be seen from here, so that its memory can't be watched: leave the option " +
            "out and let the wrapper limit the memory"
          : `a worker uses ${memoryBytes} bytes before its first call: allow more`),
    );
    this.#facts.bootFault = { error, retryable: false };
    this.#worker.kill();
  }

  #begin(): void {
    this.#stopBootTimer();
    this.#readySince = now();
    this.#events.ready();
  }

  #overMemory(memoryBytes: number, isFar: boolean): void {
    if (this.#stopped) {
      return;
    }
    const limit = this.#facts.plan.worker.limits?.memoryBytes;
    const why = `it used ${memoryBytes} bytes of memory, and workerPoolConfig.memoryLimitPerWorker is ${limit}`;
    if (isFar) {
      // A process was killed as soon as that was seen.
      this.#facts.halt ??= { reason: "memory", why };
    }
    this.#events.exceeded({ reason: "memory", isFar, why });
  }

  #bootFailed(fault: unknown): void {
    if (fault === undefined) {
      // The worker had no memory to report it, and has printed it.
      this.#worker.stop(GRACE_MILLIS);
      return;
    }
    const { error, retryable } = isRecord(fault) ? fault : { error: fault, retryable: true };
    this.#facts.bootFault = {
      error: error instanceof Error ? error : new Error(String(error)),
      retryable: retryable !== false,
    };
    this.#worker.stop(GRACE_MILLIS);
  }

  #violated(error: ProtocolViolationError): void {
    this.#facts.violation = error;
    this.#worker.kill();
  }

  /** Kills the worker. The calls that it has started reject with a `WorkerKilledError` that says why. */
  halt(halt: Halt): void {
    this.#facts.halt ??= halt;
    this.#worker.kill();
  }

  #flooded({ messages, seconds }: Flood): void {
    const limit = this.#facts.plan.worker.limits?.messagesPerSecond;
    const time = seconds === 1 ? "a second" : `${seconds} seconds`;
    this.#events.exceeded({
      reason: "messages",
      isFar: true,
      why: `it sent ${messages} messages within ${time}, more than workerPoolConfig.maxMessagesPerSecond, which is ${limit}`,
    });
  }

  #overdue(suspects: readonly string[]): void {
    const { hardTimeoutMs } = this.#facts.plan.worker;
    this.halt({
      reason: "hardTimeout",
      why: `${blame(suspects)} ran longer than worker.hardTimeoutMs, which is ${hardTimeoutMs}`,
    });
  }

  #bootOverdue(): void {
    this.lane.catchUp();
    if (!this.ready && !this.#stopped && this.#facts.bootFault === undefined) {
      this.#facts.tooSlow = true;
      this.#worker.kill();
    }
  }

  #ended(how: Exit): void {
    if (this.#stopped) {
      return;
    }
    this.#stopBootTimer();
    // Results that the worker sent before it died count.
    this.lane.drain();
    if (this.#stopped) {
      // A listener or a getter has shut the pool down.
      return;
    }
    const { fatal } = this.#facts;
    const exit: EndedExit = {
      ...how,
      cause: how.cause ?? fatal?.error ?? this.#facts.violation ?? this.#facts.bootFault?.error,
      reason: endReason(this.#facts, how),
    };
    const wasReady = this.ready;
    const calls = this.lane.abandon();
    this.lane.close();
    this.#events.ended({
      exit,
      wasReady,
      readyMillis: this.#readySince === undefined ? 0 : now() - this.#readySince,
      bootError: wasReady ? undefined : bootError(this.#facts, this.#worker, exit),
      retryable: this.#facts.bootFault?.retryable !== false && exit.retryable,
      ...calls,
    });
  }
}
