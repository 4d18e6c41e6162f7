/**
 * A place in a pool: a worker that is replaced when it ends.
 *
 * ```text
 *   booting --ready--> ready (or spare) --ends--> booting (at once, if it had been of use)
 *      |                 |  |  '--or soon, and of no use--> restarting --delay--> booting
 *      |                 |  '--retire--> retiring --its calls are over--> ends
 *      |                 '--halt--> is killed, and ends
 *      '--ends or fails--> restarting --delay--> booting   maxBootFailures in a row, or not retryable: broken
 * ```
 *
 * A spare worker takes no calls until another worker ends and it takes that one's role. The other place then boots a
 * spare. A place that leaves is not filled again.
 */
import { clearTimeout, queueMicrotask, setTimeout } from "../base/clock";
import { debugLog } from "../base/debug-log";
import type { KillOrder } from "../call/call";
import { allocate } from "../lane/arena-buffers";
import type { HostLane } from "../lane/host/host-lane";
import type { LaneCall } from "../lane/host/lane-call";
import type { NativeHostLane } from "../native/addon";
import { systemError } from "../native/system-error";
import type { WorkerInfo } from "../runtime/worker-info";
import { type Halt, MAX_MOVES } from "../spawn/exit-error";
import type { Plan, Usage } from "../spawn/worker";
import { type Excess, type RunEnd, WorkerRun, wrapperOf } from "../spawn/worker-run";
import { workerContextOf } from "./debug-trace";
import type { RetireReason, Supervisor } from "./supervisor";
import { EndReporter, holding, isBlameless, isRecycled } from "./worker-ends";

/** Delay before the second attempt. It doubles with each attempt, up to the longest delay. */
const RESTART_MILLIS = 100;
const LONGEST_RESTART_MILLIS = 5_000;
/** A worker that had been ready for this long before it died without a call is considered sound. */
const STEADY_MILLIS = 10_000;

export class SupervisedWorker {
  readonly #supervisor: Supervisor<SupervisedWorker>;
  readonly #reporter: EndReporter;
  readonly #maxExecutions: number;
  readonly index: number;
  /** Whether the worker takes no calls until it replaces another. */
  #isSpare: boolean;
  /** Whether the place is not filled again. */
  #leaves = false;
  #run!: WorkerRun;
  #state: WorkerInfo["state"] = "booting";
  #starts = 0;
  #bootFailures = 0;
  /** Number of consecutive workers that died soon after they were ready, without having done anything. */
  #shortLives = 0;
  /** Why the place was given up. */
  bootError: Error | undefined;
  #restart: NodeJS.Timeout | undefined;
  #drain: NodeJS.Timeout | undefined;
  /** Why the worker retires. */
  #retirement: RetireReason | undefined;
  /** Resolves when the worker that runs now has ended. */
  #gone!: Promise<void>;
  #markGone!: () => void;
  #ended: Promise<unknown> = Promise.resolve();
  /** Number of calls of the workers that have ended: given to them, answered. */
  readonly past = { sent: 0, served: 0 };

  /** Starts a worker. Throws if none can be started. */
  constructor(supervisor: Supervisor<SupervisedWorker>, index: number, isSpare: boolean) {
    this.#supervisor = supervisor;
    this.#reporter = new EndReporter(supervisor.listeners, supervisor.plan.worker);
    this.#maxExecutions = supervisor.limits.maxExecutions;
    this.index = index;
    this.#isSpare = isSpare;
    this.#start();
  }

  /** A snapshot of the worker's current state. */
  readonly info = (): WorkerInfo => {
    const run = this.isRunning ? this.#run : undefined;
    return {
      index: this.index,
      // The function may be called while the run is being made, when there is no process yet.
      pid: run?.pid ?? null,
      threadId: run?.threadId ?? null,
      start: Math.max(this.#starts - 1, 0),
      runtime: this.#supervisor.plan.worker.runtime,
      state: this.#state,
      served: run?.lane.served ?? 0,
      startedAt: run?.startedAt ?? null,
    };
  };

  get state(): WorkerInfo["state"] {
    return this.#state;
  }

  get isSpare(): boolean {
    return this.#isSpare;
  }

  /** Whether a worker runs or is being started. */
  get isRunning(): boolean {
    return this.takesSoon || this.#state === "spare" || this.#state === "retiring";
  }

  /** Whether a worker takes calls, or will when it has booted. */
  get takesSoon(): boolean {
    return this.#state === "booting" || this.#state === "ready";
  }

  /** Whether the worker can have a call of this task now. */
  isFree(task: number): boolean {
    return this.#state === "ready" && this.#run.lane.isFree(task);
  }

  /**
   * Whether the worker can have a call of this task, as of the exchange that its lane has just made. With `isReady` the
   * call may lie ready behind another one.
   */
  takesNow(task: number, isReady: boolean): boolean {
    return this.#state === "ready" && this.#run.lane.takesNow(task, isReady);
  }

  /** Whether the worker has nothing to do, as of that exchange. */
  get isIdle(): boolean {
    return this.#state === "ready" && this.#run.lane.isIdle;
  }

  /** Whether the worker has nothing to do now. */
  get isFreeNow(): boolean {
    return this.#state === "ready" && this.#run.lane.isFreeNow;
  }

  /** Whether this is the lane of the current worker, and the worker takes calls or will. */
  has(lane: NativeHostLane): boolean {
    return this.takesSoon && this.#run.lane.native === lane;
  }

  /** Allocates an array in the worker's memory. Returns undefined if there is no space now. */
  alloc(byteLength: number): Uint8Array | undefined {
    return allocate(this.#run.lane.native, byteLength, this.#supervisor.plan.payload);
  }

  /** What the worker uses. There must be one. */
  get usage(): Usage {
    return this.#run.usage();
  }

  /** Number of calls that the worker has and has not answered. */
  get load(): number {
    return this.isRunning ? this.#run.lane.load : 0;
  }

  /** The lane of the worker that runs now. */
  get lane(): HostLane | undefined {
    return this.isRunning ? this.#run.lane : undefined;
  }

  /** The calls that the worker has and has not answered. */
  get calls(): LaneCall[] {
    return this.isRunning ? this.#run.lane.calls : [];
  }

  /** Number of calls that the workers of this place were given and have answered. */
  get totals(): { readonly sent: number; readonly served: number } {
    const { sent, served } = this.past;
    const lane = this.isRunning ? this.#run.lane : undefined;
    return { sent: sent + (lane?.sent ?? 0), served: served + (lane?.served ?? 0) };
  }

  /** Takes over a call. Returns false if there is no space for it now. */
  submit(call: LaneCall): boolean {
    const { lane } = this.#run;
    const isTaken = this.takesSoon && lane.submit(call);
    if (isTaken && lane.sent >= this.#maxExecutions) {
      void this.retire("executions");
    }
    return isTaken;
  }

  /** Takes back calls that the worker has not begun: half of them if `isHalf` is set. */
  takeBack(isHalf: boolean): LaneCall[] {
    return this.isRunning ? this.#run.lane.takeBack(isHalf) : [];
  }

  /** Says whether calls wait that this worker could get. */
  want(wanted: boolean): void {
    if (this.#state === "ready") {
      this.#run.lane.want(wanted);
    }
  }

  /** Looks at what the worker does, if nobody looks before it rings. */
  look(): void {
    if (this.#state === "ready") {
      this.#run.lane.look();
    }
  }

  /** Lets a spare worker take calls. */
  activate(): void {
    this.#isSpare = false;
    if (this.#state === "spare") {
      this.#state = "ready";
      this.#supervisor.ready(this);
    }
  }

  /** From now on this place has spare workers. */
  demote(): void {
    this.#isSpare = true;
  }

  /** The place is not filled again. */
  leave(): void {
    this.#leaves = true;
  }

  /**
   * Replaces the worker as soon as its calls are over. Calls that it has not begun go elsewhere. Resolves when the worker
   * is gone. A worker that boots is new, and stays.
   */
  retire(reason: RetireReason): Promise<void> {
    if (this.#state === "ready" || this.#state === "spare") {
      this.#state = "retiring";
      this.#retirement = reason;
      const { lane } = this.#run;
      // A worker that has all the calls that it may have runs them.
      this.#supervisor.gone(this, reason === "executions" ? [] : lane.takeBack(false));
      const { drainMs } = this.#supervisor.limits;
      if (drainMs !== undefined) {
        const why = `it was to be replaced (${reason}), and its calls took longer than workerPoolConfig.gracefulShutdownTimeout, which is ${drainMs}`;
        this.#drain = setTimeout(() => this.halt({ reason, why }), drainMs).unref();
      }
      lane.isLeaving = true;
      if (lane.isDone) {
        this.#rested();
      }
    }
    return this.#state === "retiring" ? this.#gone : Promise.resolve();
  }

  /**
   * Kills the worker. Calls that it has begun reject with a `WorkerKilledError`, the others go elsewhere. Resolves when
   * the worker is gone.
   */
  halt(halt: Halt): Promise<void> {
    if (!this.isRunning) {
      return Promise.resolve();
    }
    const run = this.#run;
    // Its end comes by itself.
    run.lane.isLeaving = false;
    if (this.takesSoon || this.#state === "spare") {
      this.#state = "retiring";
      this.#supervisor.gone(this, run.lane.takeBack(false));
    }
    run.halt(halt);
    return this.#gone;
  }

  /** Ends the worker of this call, once `graceMs` have passed and its task has not settled by then. */
  #kill(run: WorkerRun, call: LaneCall, { reason, why, graceMs }: KillOrder): void {
    const { lane } = run;
    const isRunning = lane.watch(call);
    const kill = (): void => {
      if (run === this.#run && isRunning()) {
        void this.halt({ reason, why });
      }
    };
    if (graceMs === 0) {
      kill();
    } else {
      setTimeout(kill, graceMs).unref();
    }
  }

  /** A worker that retires has no calls any more for which somebody waits. */
  #rested(): void {
    const run = this.#run;
    // The lane that reports it is not finished yet.
    queueMicrotask(() => {
      if (run === this.#run && this.#state === "retiring" && run.lane.isLeaving) {
        this.#stop(this.#retirement as RetireReason);
      }
    });
  }

  /** Ends a worker in order. */
  #stop(reason: RetireReason): void {
    const run = this.#run;
    const info = this.info();
    clearTimeout(this.#drain);
    const { exited } = run.stop();
    this.#state = "restarting";
    this.#supervisor.caughtUp(this);
    this.#count(run);
    this.#ended = holding(
      exited.then((exit) => {
        this.#reporter.stopped(info, { ...exit, reason });
        this.#markGone();
        if (reason !== "idle") {
          this.#supervisor.recycled(info, reason);
        }
        if (this.#state !== "closed") {
          this.#next();
        }
      }),
    );
  }

  /** Rejects every call, ends the worker, and resolves when it is gone. Returns the calls. */
  close(): { readonly calls: readonly LaneCall[]; readonly ended: Promise<unknown> } {
    let calls: readonly LaneCall[] = [];
    if (this.#state !== "closed") {
      const { isRunning } = this;
      const info = { ...this.info(), state: "closed" as const };
      this.#state = "closed";
      clearTimeout(this.#restart);
      clearTimeout(this.#drain);
      if (isRunning) {
        const stopped = this.#run.stop();
        this.#count(this.#run);
        this.#ended = holding(
          stopped.exited.then((exit) => {
            this.#reporter.stopped(info, exit);
            this.#markGone();
          }),
        );
        calls = stopped.calls;
      }
    }
    return { calls, ended: this.#ended };
  }

  /** What this worker is started with. */
  #plan(): Plan {
    const { plan } = this.#supervisor;
    const place = { index: this.index, start: this.#starts };
    const debug = plan.debug === undefined ? undefined : workerContextOf(plan.debug, this.index);
    return { ...plan, program: { ...plan.program, place, debug } };
  }

  /** Starts a worker. Throws if none can be started now. */
  #start(): void {
    const supervisor = this.#supervisor;
    const { listeners } = supervisor;
    const plan = this.#plan();
    // The user's function may make calls and shut the pool down, so it is called before anything of the new worker
    // exists.
    const wrapper = wrapperOf(plan, this.index, this.#starts);
    if (supervisor.isClosed) {
      this.#state = "closed";
      return;
    }
    this.#state = "booting";
    const run = new WorkerRun(plan, wrapper, this.info, {
      spawned: () => listeners.emit("spawn", { worker: this.info() }),
      output: (stream, line) => listeners.emit("output", { worker: this.info(), stream, line }),
      ready: () => this.#ready(),
      refused: (call) => supervisor.start(call),
      exceeded: (excess) => this.#exceeded(excess),
      room: () => supervisor.room(this),
      late: () => supervisor.late(this),
      caughtUp: () => supervisor.caughtUp(this),
      rested: () => this.#rested(),
      kill: (call, order) => this.#kill(run, call, order),
      ended: (end) => this.#runEnded(run, end),
    });
    this.#starts++;
    this.#run = run;
    this.#retirement = undefined;
    this.#gone = new Promise((resolve) => {
      this.#markGone = resolve;
    });
  }

  #ready(): void {
    if (this.#state === "retiring") {
      // It was killed when it was about to be ready.
      return;
    }
    this.#state = this.#isSpare ? "spare" : "ready";
    this.#bootFailures = 0;
    this.#supervisor.listeners.emit("ready", { worker: this.info() });
    this.#supervisor.ready(this);
  }

  #exceeded({ reason, isFar, why }: Excess): void {
    if (isFar || this.#state === "booting") {
      void this.halt({ reason, why });
    } else {
      void this.retire(reason);
    }
  }

  #count({ lane }: WorkerRun): void {
    this.past.sent += lane.sent;
    this.past.served += lane.served;
  }

  #runEnded(run: WorkerRun, end: RunEnd): void {
    const { exit, started, unstarted, bootError } = end;
    const supervisor = this.#supervisor;
    clearTimeout(this.#drain);
    const info = this.info();
    this.#reporter.ended(info, exit, started.length);
    this.#markGone();
    this.#count(run);
    // Nothing is given to this place while it has no worker.
    const before = this.#state;
    this.#state = "restarting";
    for (const call of started) {
      supervisor.crashed(call, run.crash(call, exit, true), exit);
    }
    if (bootError !== undefined && !isBlameless(exit.reason)) {
      supervisor.gone(this, unstarted);
      if (!supervisor.isClosed) {
        this.#bootEnded(bootError, end.retryable, run.tooSlow);
      }
      return;
    }
    const moved = unstarted.filter((call) => {
      const moves = ++call.moves <= MAX_MOVES;
      if (!moves) {
        call.reject(run.crash(call, exit, false));
      }
      return moves;
    });
    supervisor.gone(this, moved);
    if (isRecycled(exit.reason)) {
      supervisor.recycled(info, exit.reason);
    }
    if (supervisor.isClosed) {
      // A getter of an argument that was given to another worker has shut the pool down.
      return;
    }
    const hasWorked =
      run.lane.served > 0 ||
      started.length > 0 ||
      end.readyMillis > STEADY_MILLIS ||
      before === "retiring" ||
      isBlameless(exit.reason);
    this.#shortLives = hasWorked ? 0 : this.#shortLives + 1;
    if (this.#shortLives <= 1) {
      this.#next();
    } else {
      this.#restartLater(this.#shortLives - 1, undefined);
    }
  }

  /** Starts the next worker at once, unless the place leaves. */
  #next(): void {
    if (this.#leaves) {
      this.#supervisor.left(this);
      return;
    }
    this.#state = "restarting";
    this.#emitRestart(0, undefined);
    this.#replace();
  }

  /** Handles a failed boot: another one follows, unless that would fail in the same way. */
  #bootEnded(error: Error, retryable: boolean, tooSlow: boolean): void {
    const { maxBootFailures } = this.#supervisor.plan.worker;
    if (++this.#bootFailures >= maxBootFailures || !retryable) {
      this.bootError = error;
      this.#state = "broken";
      debugLog(this.#plan().program.debug, "lifecycle", `is given up: ${error.message}`);
    } else {
      this.#restartLater(this.#bootFailures, error);
    }
    this.#supervisor.unfilled(this, error, tooSlow);
  }

  #restartLater(attempt: number, error: Error | undefined): void {
    if (this.#leaves) {
      this.#supervisor.left(this);
      return;
    }
    const delay = Math.min(RESTART_MILLIS * 2 ** (attempt - 1), LONGEST_RESTART_MILLIS);
    this.#state = "restarting";
    // A call that waits for it keeps the process alive.
    this.#restart = setTimeout(() => this.#replace(), delay).unref();
    this.#emitRestart(delay, error);
  }

  #emitRestart(delayMs: number, error: Error | undefined): void {
    this.#supervisor.listeners.emit("restart", { worker: this.info(), delayMs, error });
  }

  /** Starts a worker in place of one that has ended. */
  #replace(): void {
    try {
      this.#start();
    } catch (error) {
      if (this.#state !== "closed") {
        this.#bootEnded(systemError(error) as Error, true, false);
      }
    }
  }
}
