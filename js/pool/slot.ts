/**
 * A slot of a pool: a lane with a worker behind it, and its replacement when it dies.
 *
 * ```text
 *   booting --ready--> ready --dies--> booting (at once, if it had been of use)
 *      |                 '--or soon, and of no use-------> restarting --delay--> booting
 *      '--dies or fails--> restarting --delay--> booting   maxBootFailures in a row, or in vain: broken
 * ```
 */
import { stripVTControlCharacters } from "node:util";
import { clearTimeout, now, setTimeout } from "../clock";
import { say } from "../debug";
import {
  PoolClosedError,
  type ProtocolViolationError,
  WorkerBootError,
  WorkerCrashedError,
  WorkerKilledError,
} from "../errors";
import type { Call } from "../lane/call";
import { HostEnd, type LaneEvents } from "../lane/host-end";
import { hold, release } from "../lane/keep-alive";
import { lend } from "../lane/room";
import type { NativeHostLane } from "../native";
import { isRecord } from "../validate";
import type { Listeners } from "./events";
import type { WorkerInfo } from "./info";
import { workerOf } from "./narration";
import { startProcess, wrapperFor } from "./process";
import { startThread } from "./thread";
import type { Exit, Plan, Worker, WorkerEvents } from "./worker";

/** Delay before the second attempt; it doubles up to the longest. */
const RESTART_MILLIS = 100;
const LONGEST_RESTART_MILLIS = 5_000;
/** A worker that has been ready for so long before it died without a call was in order. */
const STEADY_MILLIS = 10_000;
/** Workers that may die before they start a call, until the call gives up. */
const MAX_MOVES = 3;

/** What a slot needs of its pool. */
export interface SlotOwner {
  readonly plan: Plan;
  readonly listeners: Listeners;
  /** Finds another place for a call that its worker had not started. */
  reroute(call: Call, from: Slot): void;
  /** Whether another worker serves calls now. */
  hasReady(except: Slot): boolean;
}

export class Slot {
  readonly #owner: SlotOwner;
  readonly #index: number;
  #lane!: HostEnd;
  #worker!: Worker;
  #state: WorkerInfo["state"] = "booting";
  #starts = 0;
  #startedAt: Date | null = null;
  #readySince = 0;
  #attached = false;
  #bootFailures = 0;
  /** Workers in a row that died soon after they were ready, and had done nothing. */
  #shortLives = 0;
  #bootError: unknown;
  #bootTimer: NodeJS.Timeout | undefined;
  /** The boot took longer than it may. */
  #tooSlow = false;
  /** How the worker broke the protocol. */
  #violation: ProtocolViolationError | undefined;
  /** What the worker says went wrong in its boot. */
  #bootFault: Error | undefined;
  /** And that another worker would say the same. */
  #inVain = false;
  /** The task that ran for too long. */
  #overdue: string | undefined;
  #backlog: Call[] = [];
  #restart: NodeJS.Timeout | undefined;
  #ended: Promise<unknown> = Promise.resolve();

  constructor(owner: SlotOwner, index: number) {
    this.#owner = owner;
    this.#index = index;
    this.#start();
  }

  /** The worker as it is now. */
  readonly info = (): WorkerInfo => {
    const runs = this.available;
    return {
      index: this.#index,
      pid: runs ? this.#worker.pid : null,
      runtime: this.#owner.plan.worker.runtime,
      state: this.#state,
      served: runs ? this.#lane.served : 0,
      startedAt: runs ? this.#startedAt : null,
    };
  };

  /** Whether there is a worker, or one on its way. */
  get available(): boolean {
    return this.#state === "booting" || this.#state === "ready";
  }

  /** Whether calls are answered now. */
  get ready(): boolean {
    return this.#state === "ready";
  }

  /** Whether it was given up: there will be no worker any more. */
  get broken(): boolean {
    return this.#state === "broken";
  }

  /** Whether that is the lane of its worker. */
  has(lane: NativeHostLane): boolean {
    return this.available && this.#lane.native === lane;
  }

  /** An array in its worker's memory; undefined if there is no room now. */
  alloc(byteLength: number): Uint8Array | undefined {
    return lend(this.#lane.native, byteLength, this.#owner.plan.payload);
  }

  /** Calls that it has and has not answered. */
  get load(): number {
    return this.available ? this.#lane.load : this.#backlog.length;
  }

  /** The same, one by one. */
  get calls(): Call[] {
    return this.available ? this.#lane.calls : this.#backlog;
  }

  /** Takes a call over; its argument is in its parcel if it has one. */
  submit(call: Call, argument: unknown): void {
    if (call.forsaken) {
      return;
    }
    switch (this.#state) {
      case "booting":
      case "ready":
        this.#lane.submit(call, argument);
        break;
      case "restarting":
        if (call.parcel !== undefined || call.pack(argument, this.#lane.shares.referrer)) {
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
  #keep(call: Call): void {
    if (this.#state !== "restarting") {
      // A getter of the argument has shut the pool down.
      this.submit(call, undefined);
      return;
    }
    this.#backlog.push(call);
    // Somebody waits now.
    this.#restart?.ref();
  }

  /** Rejects every call, ends the worker, and resolves when it is gone. */
  async close(): Promise<void> {
    if (this.#state !== "closed") {
      const running = this.available;
      const info = { ...this.info(), state: "closed" as const };
      this.#state = "closed";
      clearTimeout(this.#restart);
      clearTimeout(this.#bootTimer);
      const calls = this.#takeBacklog();
      if (running) {
        const [lane, worker] = [this.#lane, this.#worker];
        lane.drain();
        // Stopped first: closing the lane would kill a process at once.
        worker.stop();
        this.#ended = holding(
          worker.exited.then((exit) => {
            lane.close();
            this.#tellExit(info, exit);
          }),
        );
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

  /** What this slot's workers are started with. */
  #plan(): Plan {
    const { plan } = this.#owner;
    return plan.debug === undefined
      ? plan
      : { ...plan, program: { ...plan.program, debug: workerOf(plan.debug, this.#index) } };
  }

  /** Starts a worker. Throws if there can be none now. */
  #start(): void {
    const { listeners } = this.#owner;
    const plan = this.#plan();
    const { sharedMemory, hardTimeoutMs, startupTimeoutMs, runtime, spinMicroseconds } = plan.worker;
    this.#attached = false;
    this.#tooSlow = false;
    this.#violation = undefined;
    this.#bootFault = undefined;
    this.#inVain = false;
    this.#overdue = undefined;
    // The user's function may make calls, and shut the pool down: it is asked before there is anything of the new worker.
    const wrapper =
      runtime === "thread" ? [] : wrapperFor(plan, { index: this.#index, start: this.#starts, runtime });
    if (this.#state === "closed") {
      return;
    }
    this.#state = "booting";
    this.#startedAt = new Date();
    let worker: Worker | undefined;
    const named = sharedMemory.mode === "named" ? sharedMemory : undefined;
    const laneEvents: LaneEvents = {
      attached: () => {
        this.#attached = true;
        this.#lane.native.attached(named?.unlinkOnShutdown === true);
      },
      ready: () => {
        clearTimeout(this.#bootTimer);
        if (this.#state !== "booting") {
          // The last that came from a worker of a pool that has been shut down.
          return;
        }
        this.#state = "ready";
        this.#bootFailures = 0;
        this.#readySince = now();
        listeners.emit("ready", { worker: this.info() });
      },
      bootFailed: (fault) => {
        const { error, inVain } = isRecord(fault) ? fault : { error: fault, inVain: false };
        this.#bootFault = error instanceof Error ? error : new Error(String(error));
        this.#inVain = inVain === true;
        worker?.stop();
      },
      violated: (error) => {
        this.#violation = error;
        worker?.kill();
      },
      refused: (call) => this.submit(call, undefined),
      overdue: (task) => {
        this.#overdue = plan.program.tasks[task].task;
        worker?.kill();
      },
    };
    const workerEvents: WorkerEvents = {
      spawned: () => listeners.emit("spawn", { worker: this.info() }),
      line: (stream, line) => listeners.emit("output", { worker: this.info(), stream, line }),
    };
    const lane = new HostEnd(
      {
        ...plan.payload,
        namePrefix: named?.namePrefix,
        isThread: runtime === "thread",
        hardTimeoutMs,
        spinMicroseconds,
      },
      laneEvents,
    );
    try {
      lane.prepare();
      worker =
        runtime === "thread"
          ? startThread(lane, plan, workerEvents)
          : startProcess(lane, plan, wrapper, this.info, workerEvents);
    } catch (cause) {
      lane.close();
      throw cause;
    }
    this.#starts++;
    this.#lane = lane;
    this.#worker = worker;
    this.#bootTimer = setTimeout(() => {
      lane.catchUp();
      if (this.#state === "booting" && this.#bootFault === undefined) {
        this.#tooSlow = true;
        worker.kill();
      }
    }, startupTimeoutMs).unref();
    for (const call of this.#takeBacklog()) {
      lane.submit(call, undefined);
    }
    void worker.exited.then((exit) => this.#workerEnded(lane, worker, exit));
  }

  #workerEnded(lane: HostEnd, worker: Worker, exit: Exit): void {
    if (this.#state === "closed") {
      return;
    }
    clearTimeout(this.#bootTimer);
    // What it had answered before it died counts.
    lane.drain();
    const wasReady = this.#state === "ready";
    this.#tellExit(this.info(), exit);
    const { started, unstarted } = lane.abandon();
    lane.close();
    for (const call of started) {
      call.reject(this.#crash(worker, exit, call, true));
    }
    if (!wasReady) {
      this.#bootEnded(this.#describeBoot(worker, exit), this.#inVain || exit.deterministic, unstarted);
      return;
    }
    const hasWorked = lane.served > 0 || started.length > 0 || now() - this.#readySince > STEADY_MILLIS;
    this.#shortLives = hasWorked ? 0 : this.#shortLives + 1;
    if (this.#shortLives <= 1) {
      this.#replace(0);
    } else {
      this.#restartLater(this.#shortLives - 1, undefined);
    }
    for (const call of unstarted) {
      if (++call.moves > MAX_MOVES) {
        call.reject(this.#crash(worker, exit, call, false));
      } else {
        this.#owner.reroute(call, this);
      }
    }
  }

  /** A boot has failed: its calls wait for another, unless that is in vain or they have waited for as long as they may. */
  #bootEnded(error: Error, inVain: boolean, calls: Call[]): void {
    const { maxBootFailures } = this.#owner.plan.worker;
    this.#bootError = error;
    if (++this.#bootFailures >= maxBootFailures || inVain) {
      this.#state = "broken";
      say(this.#plan().program.debug, "lifecycle", `is given up: ${error.message}`);
      calls = calls.concat(this.#takeBacklog());
    } else {
      this.#restartLater(this.#bootFailures, error);
    }
    for (const call of calls) {
      if (this.#tooSlow && !this.#owner.hasReady(this)) {
        call.reject(error);
      } else {
        this.#owner.reroute(call, this);
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
    this.#tellRestart(delay, error);
  }

  #tellRestart(delayMs: number, error: Error | undefined): void {
    this.#owner.listeners.emit("restart", { worker: this.info(), delayMs, error });
  }

  #tellExit(worker: WorkerInfo, { exitCode, signal }: Exit): void {
    this.#owner.listeners.emit("exit", { worker, exitCode, signal });
  }

  /** Starts a worker in the place of one that has ended; `delayMs` if that has not been told yet. */
  #replace(delayMs?: number): void {
    if (delayMs !== undefined) {
      this.#state = "restarting";
      this.#tellRestart(delayMs, undefined);
    }
    try {
      this.#start();
    } catch (error) {
      if (this.#state !== "closed") {
        this.#bootEnded(error as Error, false, []);
      }
    }
  }

  #crash(worker: Worker, exit: Exit, call: Call, started: boolean): unknown {
    if (this.#violation !== undefined) {
      return this.#violation;
    }
    const task = this.#owner.plan.program.tasks[call.task].task;
    if (this.#overdue !== undefined && started) {
      const { hardTimeoutMs } = this.#owner.plan.worker;
      return new WorkerKilledError(
        `the worker of task "${task}" was killed: task "${this.#overdue}" ran longer than worker.hardTimeoutMs, which is ${hardTimeoutMs}`,
        "hardTimeout",
        task,
      );
    }
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

  #describeBoot(worker: Worker, exit: Exit): WorkerBootError {
    const { exitCode, signal, stderrTail } = exit;
    const details = { argv: worker.argv, exitCode, signal, stderrTail };
    const fault = this.#bootFault ?? this.#violation;
    if (fault !== undefined) {
      return new WorkerBootError(fault.message + command(worker.argv), details, { cause: fault });
    }
    const message = this.#tooSlow ? this.#describeDelay(worker) : this.#describeEnd(worker, exit);
    const options = exit.cause === undefined ? undefined : { cause: exit.cause };
    return new WorkerBootError(message + command(worker.argv) + tail(stderrTail), details, options);
  }

  #describeDelay({ wrapper }: Worker): string {
    const limit = `within worker.startupTimeoutMs, which is ${this.#owner.plan.worker.startupTimeoutMs}`;
    if (this.#attached) {
      const first = this.#owner.plan.program.bootstrap === undefined ? "" : "finished worker.bootstrap and ";
      return `a worker has not ${first}imported its tasks ${limit}`;
    }
    return wrapper === undefined
      ? `a worker has not attached to its memory ${limit}`
      : `the wrapper ${JSON.stringify(wrapper)} of worker.processCommandPrefix has not brought a worker to attach to its memory ${limit}`;
  }

  #describeEnd(worker: Worker, exit: Exit): string {
    const { wrapper } = worker;
    if (wrapper === undefined || this.#attached) {
      return `a worker could not be started: it ${how(exit, worker)}`;
    }
    return `the wrapper ${JSON.stringify(wrapper)} of worker.processCommandPrefix ${how(exit, worker)} before a worker had attached to its memory`;
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

/** What a worker wrote, for a message: it may be colours, or worse, on its way to a terminal. */
function tail(stderrTail: string): string {
  const lines = stripVTControlCharacters(stderrTail).trimEnd().split("\n");
  return stderrTail === "" ? "" : `\n  stderr: ${lines.join("\n          ")}`;
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
