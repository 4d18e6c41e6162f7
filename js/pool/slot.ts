/**
 * A slot of a pool: a lane with a worker behind it, and its replacement when it dies.
 *
 * ```text
 *   booting --ready--> ready --dies--> booting (at once, if it had been of use)
 *      |                     |
 *      +--dies or fails------+--> restarting --delay--> booting    MAX_BOOT_FAILURES in a row, or in vain: broken
 * ```
 */
import { clearTimeout, now, setTimeout } from "../clock";
import { PoolClosedError, type ProtocolViolationError, WorkerBootError, WorkerCrashedError } from "../errors";
import { DEFAULT_ARENA_BYTES } from "../generated/layout";
import { type Call, HostEnd, type LaneEvents } from "../lane/host-end";
import { hold, release } from "../lane/keep-alive";
import type { TaskSource } from "../native";
import { type Exit, startProcess, startThread, type Worker } from "./worker";

/** Failed boots in a row after which a slot gives up. */
const MAX_BOOT_FAILURES = 3;
/** Delay before the second attempt; it doubles. */
const RESTART_MILLIS = 100;
/** A worker that has been ready for so long before it died without a call was in order. */
const STEADY_MILLIS = 10_000;
/** Workers that may die before they start a call, until the call gives up. */
const MAX_MOVES = 3;

/** What a slot needs of its pool. */
export interface SlotOwner {
  readonly runtime: "thread" | "process";
  readonly tasks: TaskSource[];
  /** Finds another place for a call that its worker had not started. */
  reroute(call: Call, from: Slot): void;
}

export class Slot {
  readonly #owner: SlotOwner;
  #lane!: HostEnd;
  #worker!: Worker;
  #state: "booting" | "ready" | "restarting" | "broken" | "closed" = "booting";
  #readySince = 0;
  #bootFailures = 0;
  #bootError: unknown;
  /** How the worker broke the protocol. */
  #violation: ProtocolViolationError | undefined;
  /** What the worker says went wrong in its boot. */
  #bootFault: Error | undefined;
  #backlog: Call[] = [];
  #restart: NodeJS.Timeout | undefined;
  #ended: Promise<unknown> = Promise.resolve();

  constructor(owner: SlotOwner) {
    this.#owner = owner;
    this.#start();
  }

  /** Whether there is a worker, or one on its way. */
  get available(): boolean {
    return this.#state === "booting" || this.#state === "ready";
  }

  /** Whether calls are answered now. */
  get ready(): boolean {
    return this.#state === "ready";
  }

  /** Takes a call over; its argument is in its parcel if it has one. */
  submit(call: Call, argument: unknown): void {
    switch (this.#state) {
      case "booting":
      case "ready":
        this.#lane.submit(call, argument);
        break;
      case "restarting":
        if (call.parcel !== undefined || call.pack(argument)) {
          this.#backlog.push(call);
          // Somebody waits now.
          this.#restart?.ref();
        }
        break;
      case "broken":
        call.reject(this.#bootError);
        break;
      case "closed":
        call.reject(new PoolClosedError());
    }
  }

  /** Rejects every call, ends the worker, and resolves when it is gone. */
  async close(): Promise<void> {
    if (this.#state !== "closed") {
      const running = this.available;
      this.#state = "closed";
      clearTimeout(this.#restart);
      const calls = this.#takeBacklog();
      if (running) {
        const [lane, worker] = [this.#lane, this.#worker];
        lane.drain();
        // Stopped first: closing the lane would kill a process at once.
        worker.stop();
        this.#ended = holding(worker.exited.then(() => lane.close()));
        const { started, unstarted } = lane.abandon();
        for (const call of started.concat(unstarted)) {
          calls.push(call);
        }
      }
      for (const call of calls) {
        call.reject(new PoolClosedError());
      }
    }
    await this.#ended;
  }

  /** Starts a worker. Throws if there can be none now. */
  #start(): void {
    this.#state = "booting";
    this.#violation = undefined;
    this.#bootFault = undefined;
    let worker: Worker | undefined;
    const events: LaneEvents = {
      ready: () => {
        this.#state = "ready";
        this.#readySince = now();
      },
      bootFailed: (error) => {
        this.#bootFault = error instanceof Error ? error : new Error(String(error));
        worker?.stop();
      },
      violated: (error) => {
        this.#violation = error;
        worker?.kill();
      },
      refused: (call) => this.submit(call, undefined),
    };
    const lane = new HostEnd(DEFAULT_ARENA_BYTES, events);
    try {
      const start = this.#owner.runtime === "thread" ? startThread : startProcess;
      worker = start(lane, this.#owner.tasks);
    } catch (cause) {
      lane.close();
      throw cause;
    }
    this.#lane = lane;
    this.#worker = worker;
    for (const call of this.#takeBacklog()) {
      lane.submit(call, undefined);
    }
    void worker.exited.then((exit) => this.#workerEnded(lane, worker as Worker, exit));
  }

  #workerEnded(lane: HostEnd, worker: Worker, exit: Exit): void {
    if (this.#state === "closed") {
      return;
    }
    // What it had answered before it died counts.
    lane.drain();
    const wasReady = this.#state === "ready";
    const { started, unstarted } = lane.abandon();
    lane.close();
    for (const call of started) {
      call.reject(this.#crash(worker, exit, call, true));
    }
    const hasWorked = lane.served > 0 || started.length > 0 || now() - this.#readySince > STEADY_MILLIS;
    if (wasReady && hasWorked) {
      this.#bootFailures = 0;
      this.#replace();
      for (const call of unstarted) {
        if (++call.moves > MAX_MOVES) {
          call.reject(this.#crash(worker, exit, call, false));
        } else {
          this.#owner.reroute(call, this);
        }
      }
    } else {
      this.#retry(this.#describeBoot(worker, exit, wasReady), exit.deterministic);
      for (const call of unstarted) {
        this.#owner.reroute(call, this);
      }
    }
  }

  #replace(): void {
    try {
      this.#start();
    } catch (error) {
      this.#retry(error, false);
    }
  }

  /** Tries another start after a while, unless that is in vain. */
  #retry(error: unknown, inVain: boolean): void {
    this.#bootError = error;
    if (++this.#bootFailures >= MAX_BOOT_FAILURES || inVain) {
      this.#state = "broken";
      for (const call of this.#takeBacklog()) {
        this.#owner.reroute(call, this);
      }
      return;
    }
    this.#state = "restarting";
    const delay = RESTART_MILLIS * 2 ** (this.#bootFailures - 1);
    this.#restart = setTimeout(() => this.#replace(), delay);
    if (this.#backlog.length === 0) {
      this.#restart.unref();
    }
  }

  #crash(worker: Worker, exit: Exit, call: Call, started: boolean): unknown {
    if (this.#violation !== undefined) {
      return this.#violation;
    }
    const task = this.#owner.tasks[call.task].task;
    const { exitCode, signal, stderrTail, cause } = exit;
    const { pid } = worker;
    const message =
      `the worker of task "${task}" ${how(exit, worker)}` +
      (started ? "" : `, like ${MAX_MOVES} before it, without having started the call`) +
      tail(stderrTail);
    return new WorkerCrashedError(
      message,
      { exitCode, signal, pid, stderrTail, task, started },
      cause === undefined ? undefined : { cause },
    );
  }

  #describeBoot(worker: Worker, exit: Exit, wasReady: boolean): unknown {
    const { exitCode, signal, stderrTail } = exit;
    const details = { argv: worker.argv, exitCode, signal, stderrTail };
    const fault = this.#bootFault ?? this.#violation;
    if (fault !== undefined) {
      return new WorkerBootError(fault.message + command(worker.argv), details, { cause: fault });
    }
    const message = wasReady
      ? `a worker ${how(exit, worker)} before its first call`
      : `a worker could not be started: it ${how(exit, worker)}`;
    const options = exit.cause === undefined ? undefined : { cause: exit.cause };
    return new WorkerBootError(message + command(worker.argv) + tail(stderrTail), details, options);
  }

  #takeBacklog(): Call[] {
    const backlog = this.#backlog;
    this.#backlog = [];
    return backlog;
  }
}

function how({ exitCode, signal, cause }: Exit, { pid }: Worker): string {
  const who = pid === null ? "" : ` (pid ${pid})`;
  if (cause instanceof Error) {
    return `ended${who}: ${cause.message}`;
  }
  return signal === null ? `exited with status ${exitCode}${who}` : `was killed by ${signal}${who}`;
}

function command(argv: readonly string[]): string {
  return argv.length === 0 ? "" : `\n  command: ${argv.join(" ")}`;
}

function tail(stderrTail: string): string {
  return stderrTail === "" ? "" : `\n  stderr: ${stderrTail.trimEnd().split("\n").join("\n          ")}`;
}

/** Keeps the process alive until the promise is settled. */
async function holding(promise: Promise<unknown>): Promise<void> {
  hold();
  try {
    await promise;
  } finally {
    release();
  }
}
