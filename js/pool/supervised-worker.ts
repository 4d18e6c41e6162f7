/**
 * A worker of a pool that is replaced when it ends.
 *
 * ```text
 *   booting --ready--> ready --ends--> booting (at once, if it had been of use)
 *      |                 '--or soon, and of no use-------> restarting --delay--> booting
 *      '--ends or fails--> restarting --delay--> booting   maxBootFailures in a row, or not retryable: broken
 * ```
 */
import { inspect } from "node:util";
import { clearTimeout, setTimeout } from "../base/clock";
import { debugLog } from "../base/debug-log";
import { PoolClosedError } from "../base/errors";
import { allocate } from "../lane/arena-buffers";
import type { LaneCall } from "../lane/host/lane-call";
import { hold, release } from "../lane/keep-alive";
import type { NativeHostLane } from "../native/addon";
import { systemError } from "../native/system-error";
import type { WorkerInfo } from "../runtime/worker-info";
import { MAX_MOVES } from "../spawn/exit-error";
import type { Plan } from "../spawn/worker";
import { type EndedExit, type RunEnd, WorkerRun, wrapperOf } from "../spawn/worker-run";
import { workerContextOf } from "./debug-trace";
import type { Listeners } from "./events";

/** Delay before the second attempt. It doubles with each attempt, up to the longest delay. */
const RESTART_MILLIS = 100;
const LONGEST_RESTART_MILLIS = 5_000;
/** A worker that had been ready for this long before it died without a call is considered sound. */
const STEADY_MILLIS = 10_000;

/** What a supervised worker needs from its engine. */
export interface Supervisor {
  readonly plan: Plan;
  readonly listeners: Listeners;
  /** Finds another worker for a call that its worker had not started. */
  reroute(call: LaneCall, from: SupervisedWorker): void;
  /** Whether another worker runs calls now. */
  hasReady(except: SupervisedWorker): boolean;
}

export class SupervisedWorker {
  readonly #supervisor: Supervisor;
  readonly #index: number;
  #run!: WorkerRun;
  #state: WorkerInfo["state"] = "booting";
  #starts = 0;
  #bootFailures = 0;
  /** Number of consecutive workers that died soon after they were ready, without having done anything. */
  #shortLives = 0;
  #bootError: unknown;
  /** Encoded calls that wait for the next worker. */
  #backlog: LaneCall[] = [];
  #restart: NodeJS.Timeout | undefined;
  #ended: Promise<unknown> = Promise.resolve();

  /** Starts a worker. Throws if none can be started. */
  constructor(supervisor: Supervisor, index: number) {
    this.#supervisor = supervisor;
    this.#index = index;
    this.#start();
  }

  /** A snapshot of the worker's current state. */
  readonly info = (): WorkerInfo => {
    const run = this.available ? this.#run : undefined;
    return {
      index: this.#index,
      // The function may be called while the run is being made, when there is no process yet.
      pid: run?.pid ?? null,
      runtime: this.#supervisor.plan.worker.runtime,
      state: this.#state,
      served: run?.lane.served ?? 0,
      startedAt: run?.startedAt ?? null,
    };
  };

  /** Whether a worker runs or is being started. */
  get available(): boolean {
    return this.#state === "booting" || this.#state === "ready";
  }

  /** Whether calls are answered now. */
  get ready(): boolean {
    return this.#state === "ready";
  }

  /** Whether the worker was given up, so that no worker will be started any more. */
  get broken(): boolean {
    return this.#state === "broken";
  }

  /** Whether this is the lane of the current worker. */
  has(lane: NativeHostLane): boolean {
    return this.available && this.#run.lane.native === lane;
  }

  /** Allocates an array in the worker's memory. Returns undefined if there is no space now. */
  alloc(byteLength: number): Uint8Array | undefined {
    return allocate(this.#run.lane.native, byteLength, this.#supervisor.plan.payload);
  }

  /** Number of calls that the worker has and has not answered. */
  get load(): number {
    return this.available ? this.#run.lane.load : this.#backlog.length;
  }

  /** The calls that the worker has and has not answered. */
  get calls(): LaneCall[] {
    return this.available ? this.#run.lane.calls : this.#backlog;
  }

  /** Takes over a call. The call's promise rejects if its argument can't be sent. */
  submit(call: LaneCall): void {
    if (call.cancelled) {
      return;
    }
    switch (this.#state) {
      case "booting":
      case "ready":
        this.#run.lane.submit(call);
        break;
      case "restarting":
        if (call.encode(this.#run.lane.shares, this.#supervisor.plan.program.tasks)) {
          this.#keep(call);
        }
        break;
      case "broken":
        call.reject(this.#bootError);
        break;
      case "closed":
        call.reject(new PoolClosedError());
    }
  }

  /** Keeps a call for the next worker. */
  #keep(call: LaneCall): void {
    if (this.#state !== "restarting") {
      // A getter of the argument has shut the pool down.
      this.submit(call);
      return;
    }
    this.#backlog.push(call);
    // Somebody waits for the restart now.
    this.#restart?.ref();
  }

  /** Rejects every call, ends the worker, and resolves when it is gone. */
  async close(): Promise<void> {
    if (this.#state !== "closed") {
      const running = this.available;
      const info = { ...this.info(), state: "closed" as const };
      this.#state = "closed";
      clearTimeout(this.#restart);
      let calls = this.#takeBacklog();
      if (running) {
        const stopped = this.#run.stop();
        this.#ended = holding(stopped.exited.then((exit) => this.#emitExit(info, exit)));
        calls = calls.concat(stopped.calls);
      }
      for (const call of calls) {
        call.reject(new PoolClosedError());
      }
    }
    await this.#ended;
  }

  /** What this worker is started with. */
  #plan(): Plan {
    const { plan } = this.#supervisor;
    return plan.debug === undefined
      ? plan
      : { ...plan, program: { ...plan.program, debug: workerContextOf(plan.debug, this.#index) } };
  }

  /** Starts a worker. Throws if none can be started now. */
  #start(): void {
    const { listeners } = this.#supervisor;
    const plan = this.#plan();
    // The user's function may make calls and shut the pool down, so it is called before anything of the new worker
    // exists.
    const wrapper = wrapperOf(plan, this.#index, this.#starts);
    if (this.#state === "closed") {
      return;
    }
    this.#state = "booting";
    const run = new WorkerRun(plan, wrapper, this.info, {
      spawned: () => listeners.emit("spawn", { worker: this.info() }),
      output: (stream, line) => listeners.emit("output", { worker: this.info(), stream, line }),
      ready: () => {
        this.#state = "ready";
        this.#bootFailures = 0;
        listeners.emit("ready", { worker: this.info() });
      },
      refused: (call) => this.submit(call),
      exceeded: ({ reason, why }) => run.halt({ reason, why }),
      ended: (end) => this.#runEnded(run, end),
    });
    this.#starts++;
    this.#run = run;
    for (const call of this.#takeBacklog()) {
      run.lane.submit(call);
    }
  }

  #runEnded(run: WorkerRun, end: RunEnd): void {
    const { exit, started, unstarted, bootError } = end;
    this.#emitExit(this.info(), exit);
    if (started.length === 0) {
      this.#tellFatal(exit);
    }
    for (const call of started) {
      call.reject(run.crash(call, exit, true));
    }
    if (bootError !== undefined) {
      this.#bootEnded(bootError, end.retryable, unstarted, run.tooSlow);
      return;
    }
    const hasWorked = run.lane.served > 0 || started.length > 0 || end.readyMillis > STEADY_MILLIS;
    this.#shortLives = hasWorked ? 0 : this.#shortLives + 1;
    if (this.#shortLives <= 1) {
      this.#state = "restarting";
      this.#emitRestart(0, undefined);
      this.#replace();
    } else {
      this.#restartLater(this.#shortLives - 1, undefined);
    }
    for (const call of unstarted) {
      if (++call.moves > MAX_MOVES) {
        call.reject(run.crash(call, exit, false));
      } else {
        this.#supervisor.reroute(call, this);
      }
    }
  }

  /**
   * Handles a failed boot. Its calls wait for another boot, unless that would fail in the same way or they have waited
   * for the full time limit.
   */
  #bootEnded(error: Error, retryable: boolean, calls: readonly LaneCall[], tooSlow: boolean): void {
    const { maxBootFailures } = this.#supervisor.plan.worker;
    this.#bootError = error;
    if (++this.#bootFailures >= maxBootFailures || !retryable) {
      this.#state = "broken";
      debugLog(this.#plan().program.debug, "lifecycle", `is given up: ${error.message}`);
      calls = calls.concat(this.#takeBacklog());
    } else {
      this.#restartLater(this.#bootFailures, error);
    }
    for (const call of calls) {
      if (tooSlow && !this.#supervisor.hasReady(this)) {
        call.reject(error);
      } else {
        this.#supervisor.reroute(call, this);
      }
    }
  }

  #restartLater(attempt: number, error: Error | undefined): void {
    const delay = Math.min(RESTART_MILLIS * 2 ** (attempt - 1), LONGEST_RESTART_MILLIS);
    this.#state = "restarting";
    this.#restart = setTimeout(() => this.#replace(), delay);
    if (this.#backlog.length === 0) {
      this.#restart.unref();
    }
    this.#emitRestart(delay, error);
  }

  #emitRestart(delayMs: number, error: Error | undefined): void {
    this.#supervisor.listeners.emit("restart", { worker: this.info(), delayMs, error });
  }

  #emitExit(worker: WorkerInfo, { exitCode, signal, reason, cause, stderrTail }: EndedExit): void {
    this.#supervisor.listeners.emit("exit", { worker, exitCode, signal, reason, cause, stderrTail });
  }

  /** Prints the error that has ended the worker if nobody would learn of it: no call, no listener, no stream. */
  #tellFatal({ reason, cause }: EndedExit): void {
    const { listeners, plan } = this.#supervisor;
    const { runtime, stdio } = plan.worker;
    const isPrinted = runtime !== "thread" && stdio === "inherit";
    if (reason === "fatalError" && !listeners.has("exit") && !isPrinted) {
      process.emitWarning(
        `a worker was ended by an error outside of any call, and is replaced. pool.on("exit") reports such ends: ` +
          inspect(cause),
        { code: "KNITTING_FATAL_ERROR" },
      );
    }
  }

  /** Starts a worker in place of one that has ended. */
  #replace(): void {
    try {
      this.#start();
    } catch (error) {
      if (this.#state !== "closed") {
        this.#bootEnded(systemError(error) as Error, true, [], false);
      }
    }
  }

  #takeBacklog(): LaneCall[] {
    const backlog = this.#backlog;
    this.#backlog = [];
    return backlog;
  }
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
