/**
 * A slot of a pool: a lane with a worker behind it, and its replacement when it dies.
 *
 * ```text
 *   booting --ready--> ready --dies--> booting (at once)
 *      |
 *      +--dies or fails--> restarting --delay--> booting      at most MAX_BOOT_FAILURES in a row, then broken
 *      +--would fail again---------------------------------------------------------------------> broken
 * ```
 */
import { PoolClosedError, WorkerBootError, WorkerCrashedError } from "../errors";
import { DEFAULT_ARENA_BYTES } from "../generated/layout";
import { type Call, HostEnd, type LaneEvents } from "../lane/host-end";
import { hold, release } from "../lane/keep-alive";
import type { TaskSource } from "../native";
import { type Exit, startProcess, startThread, type Worker } from "./worker";

/** Failed boots in a row after which a slot gives up. */
const MAX_BOOT_FAILURES = 3;
/** Delay before the second attempt; it doubles. */
const RESTART_MILLIS = 100;
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
  #bootFailures = 0;
  #bootError: unknown;
  /** Why the pool ended the worker itself. */
  #fault: unknown;
  #backlog: Call[] = [];
  #restart: NodeJS.Timeout | undefined;
  #ended: Promise<unknown> = Promise.resolve();

  constructor(owner: SlotOwner) {
    this.#owner = owner;
    this.#start();
  }

  /** Why no worker can be started here, if that is so. */
  get broken(): { readonly error: unknown } | undefined {
    return this.#state === "broken" ? { error: this.#bootError } : undefined;
  }

  /** Whether calls are answered now. */
  get ready(): boolean {
    return this.#state === "ready";
  }

  submit(call: Call): void {
    switch (this.#state) {
      case "booting":
      case "ready":
        this.#lane.submit(call);
        break;
      case "restarting":
        this.#backlog.push(call);
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
      const running = this.#state === "booting" || this.#state === "ready";
      this.#state = "closed";
      clearTimeout(this.#restart);
      for (const call of this.#takeBacklog()) {
        call.reject(new PoolClosedError());
      }
      if (running) {
        this.#lane.drain();
        // Stopped first: closing the lane would kill a process at once.
        this.#worker.stop();
        const lane = this.#lane;
        this.#ended = holding(this.#worker.exited.then(() => lane.close()));
        const { started, unstarted } = lane.abandon();
        for (const call of [...started, ...unstarted]) {
          call.reject(new PoolClosedError());
        }
      }
    }
    await this.#ended;
  }

  #start(): void {
    this.#state = "booting";
    this.#fault = undefined;
    let worker: Worker | undefined;
    const events: LaneEvents = {
      ready: () => {
        this.#state = "ready";
        this.#bootFailures = 0;
        lane.native.attached();
      },
      bootFailed: (error) => {
        this.#fault = error;
        worker?.stop();
      },
      violated: (error) => {
        this.#fault = error;
        worker?.kill();
      },
    };
    const lane = new HostEnd(DEFAULT_ARENA_BYTES, events);
    this.#lane = lane;
    try {
      const start = this.#owner.runtime === "thread" ? startThread : startProcess;
      worker = start(lane, this.#owner.tasks);
    } catch (cause) {
      lane.close();
      throw cause;
    }
    this.#worker = worker;
    for (const call of this.#takeBacklog()) {
      lane.submit(call);
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
    if (wasReady && (lane.served > 0 || started.length > 0)) {
      this.#start();
      this.#move(unstarted, worker, exit);
      return;
    }
    this.#backlog.push(...unstarted);
    this.#bootError = this.#describeBoot(worker, exit, wasReady);
    if (++this.#bootFailures >= MAX_BOOT_FAILURES || exit.deterministic) {
      this.#state = "broken";
      for (const call of this.#takeBacklog()) {
        call.reject(this.#bootError);
      }
      return;
    }
    this.#state = "restarting";
    const delay = RESTART_MILLIS * 2 ** (this.#bootFailures - 1);
    this.#restart = setTimeout(() => this.#tryAgain(), delay);
    if (this.#backlog.length === 0) {
      this.#restart.unref();
    }
  }

  #tryAgain(): void {
    try {
      this.#start();
    } catch (error) {
      this.#state = "broken";
      this.#bootError = error;
      for (const call of this.#takeBacklog()) {
        call.reject(error);
      }
    }
  }

  /** Finds a new worker for calls that the dead one had not started. */
  #move(calls: readonly Call[], worker: Worker, exit: Exit): void {
    for (const call of calls) {
      if (++call.moves > MAX_MOVES) {
        call.reject(this.#crash(worker, exit, call, false));
      } else {
        this.#owner.reroute(call, this);
      }
    }
  }

  #crash(worker: Worker, exit: Exit, call: Call, started: boolean): unknown {
    if (this.#fault !== undefined) {
      return this.#fault;
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
    if (this.#fault !== undefined) {
      const fault = this.#fault as Error;
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
