/**
 * The engine of a pool on this machine: its workers, and the queue of calls for which none is free.
 *
 * ```text
 *   start -> a worker is free: its lane                    (the balancer chooses among the free ones)
 *       '--> the queue ------> the first worker that is    (asked whenever a lane has heard from its worker)
 *                 ^  free
 *                 '--- calls that a worker has not begun: it has died, it retires, or it is late and another is idle
 * ```
 *
 * A call whose argument lies in the memory of a lane goes there in any case, because then nothing is copied.
 */
import { queueMicrotask } from "../base/clock";
import { InvalidOptionError, QueueTimeoutError, type RecycleReason } from "../base/errors";
import type { CallPlan } from "../call/call";
import { isAnyAllocated, laneOf } from "../lane/arena-buffers";
import { LaneCall } from "../lane/host/lane-call";
import { HostReferrer } from "../lane/host/shared-memory";
import { systemError } from "../native/system-error";
import type { WorkerInfo } from "../runtime/worker-info";
import type { Plan } from "../spawn/worker";
import type { EndedExit } from "../spawn/worker-run";
import { Affinities } from "./affinities";
import { Attempts } from "./attempts";
import { balancer, type Strategy } from "./balancer";
import { bytesOf, CallQueue, tooManyBytes, tooManyCalls } from "./call-queue";
import type { ResolvedConfig } from "./config";
import type { Engine } from "./engine";
import type { Listeners } from "./events";
import { allocateIn, freeIndex, remove, workerOf } from "./places";
import { Sizer } from "./sizer";
import { statsOf } from "./snapshot";
import type { PoolStats } from "./stats";
import { SupervisedWorker } from "./supervised-worker";
import type { SupervisionLimits, Supervisor } from "./supervisor";

/** What an engine is created from. */
export interface EnginePlan extends Plan {
  readonly config: ResolvedConfig;
  readonly strategy: Strategy;
  readonly maxQueueBytes: number;
  /** How often a call is tried in all. */
  readonly attempts: number;
  readonly spareWorkers: number;
}

export class LocalEngine implements Engine<LaneCall>, Supervisor<SupervisedWorker> {
  readonly limits: SupervisionLimits;
  /** All places, spare ones included. */
  readonly #workers: SupervisedWorker[] = [];
  /** The places whose workers take calls. */
  readonly #active: SupervisedWorker[] = [];
  readonly #pick: (task: number) => SupervisedWorker | undefined;
  readonly #queue: CallQueue;
  readonly #affinities = new Affinities<SupervisedWorker>();
  readonly #attempts: Attempts;
  /** Whether arguments are kept for further attempts. */
  readonly #areKept: boolean;
  readonly #referrer: HostReferrer;
  readonly #sizer: Sizer;
  /** Workers that have not answered for a while, and have calls that they have not begun. */
  readonly #late = new Set<SupervisedWorker>();
  /** Whether the lanes tell when they have heard from their workers. */
  #wanted = false;
  isClosed = false;
  #calls = 0;
  /** Number of calls of the places that are gone: given to their workers, answered. */
  readonly #past = { sent: 0, served: 0 };
  readonly #recycled: Partial<Record<RecycleReason, number>> = {};

  /** Starts the workers. Throws if one can't be started at all, after it has ended those before. */
  constructor(
    readonly plan: EnginePlan,
    readonly listeners: Listeners,
  ) {
    const { config, strategy, spareWorkers, attempts, worker } = plan;
    this.limits = { maxExecutions: config.maxExecutions, drainMs: config.gracefulShutdownMs };
    this.#referrer = new HostReferrer(worker.runtime === "thread");
    this.#attempts = new Attempts(attempts);
    this.#areKept = attempts > 1;
    this.#pick = balancer(strategy, this.#active);
    this.#queue = new CallQueue(config.queueTimeoutMs, plan.tally, (call) => this.#overdue(call));
    this.#sizer = new Sizer(config, this.#active, this.#queue, {
      grow: () => this.#add(false),
      shrink: (worker) => this.#remove(worker),
      stuck: (error) => this.#rejectAll(systemError(error)),
    });
    try {
      for (let count = 0; count < config.minWorkers + spareWorkers; count++) {
        this.#add(count >= config.minWorkers);
      }
    } catch (error) {
      void this.close(() => {});
      throw systemError(error);
    }
  }

  createCall(plan: CallPlan): LaneCall {
    return new LaneCall(plan, this.#calls++);
  }

  startWithout(call: LaneCall, buffers: readonly ArrayBuffer[]): void {
    if (!this.#encode(call)) {
      return;
    }
    try {
      structuredClone(undefined, { transfer: [...buffers] });
    } catch (cause) {
      const message = `pool.call.${call.name}: one of the buffers of "transfer" can't be detached: ${(cause as Error).message}`;
      this.#fail(call, new InvalidOptionError(message, { cause }));
      return;
    }
    this.start(call);
  }

  start(call: LaneCall): void {
    const { task, terms } = call.plan;
    if (isAnyAllocated() && this.#startInPlace(call)) {
      return;
    }
    if (terms !== undefined || this.#areKept) {
      this.#startBound(call);
      return;
    }
    if (!this.#queue.isOpen && this.#free(task)?.submit(call) === true) {
      return;
    }
    this.#enqueue(call);
  }

  /** A worker that is free for a call of this task. */
  #free(task: number): SupervisedWorker | undefined {
    const active = this.#active;
    return active.length !== 1 ? this.#pick(task) : active[0].isFree(task) ? active[0] : undefined;
  }

  /** Gives a call to the worker in whose memory its argument lies. Returns false if there is none. */
  #startInPlace(call: LaneCall): boolean {
    const lane = laneOf(call.argument);
    const worker = lane && this.#active.find((worker) => worker.has(lane));
    return worker?.submit(call) === true;
  }

  /** Starts a call whose argument is kept, or that goes to a certain worker. */
  #startBound(call: LaneCall): void {
    if (this.#areKept && !this.#encode(call)) {
      return;
    }
    this.#attempts.keep(call);
    const word = call.plan.terms?.affinity;
    if (word === undefined) {
      if (this.#queue.isOpen || this.#pick(call.task)?.submit(call) !== true) {
        this.#enqueue(call);
      }
      return;
    }
    const worker = this.#affinities.workerOf(word) ?? this.#pick(call.task);
    if (worker !== undefined && this.#queue.next(worker) === undefined && worker.isFree(call.task)) {
      this.#affinities.bind(word, worker);
      if (worker.submit(call)) {
        return;
      }
    }
    this.#enqueue(call);
  }

  /** Has a call wait, if it may. */
  #enqueue(call: LaneCall): void {
    if (call.cancelled || this.#refuse(call)) {
      return;
    }
    const { config, maxQueueBytes } = this.plan;
    if (config.maxQueueSize !== Number.POSITIVE_INFINITY && this.#depth >= config.maxQueueSize) {
      this.#fail(call, tooManyCalls(call, this.#depth));
      return;
    }
    if (call.plan.terms?.copy !== false && !this.#encode(call)) {
      return;
    }
    // A getter of the argument may have shut the pool down.
    if (call.cancelled || this.#refuse(call)) {
      return;
    }
    const bytes = this.#queue.bytes + bytesOf(call);
    if (bytes > maxQueueBytes) {
      this.#fail(call, tooManyBytes(call, bytes, maxQueueBytes));
      return;
    }
    this.#wait(call);
  }

  /** Number of calls that wait: in the queue, and on lanes behind the call that their worker runs. */
  get #depth(): number {
    return this.#workers.reduce((sum, worker) => sum + (worker.lane?.waiting ?? 0), this.#queue.size);
  }

  #encode(call: LaneCall): boolean {
    return call.encode(this.#referrer, this.plan.program.tasks);
  }

  /** Has calls wait that were accepted already, before those that were made later. */
  #return(calls: readonly LaneCall[]): void {
    for (const call of calls) {
      if (!call.cancelled && !this.#refuse(call)) {
        this.#wait(call);
      }
    }
  }

  #wait(call: LaneCall): void {
    this.#queueUp(call);
    for (const worker of this.#active) {
      if (this.#queue.size === 0) {
        break;
      }
      this.#ask(worker);
    }
  }

  #queueUp(call: LaneCall): void {
    const word = call.plan.terms?.affinity;
    this.#queue.add(call, word === undefined ? undefined : this.#affinities.workerOf(word));
    this.#sizer.waits();
    this.#want();
  }

  /** Lets a worker take calls that wait, if it can. One that has no calls would not ask for them. */
  #ask(worker: SupervisedWorker): void {
    if (worker.load === 0) {
      this.#fill(worker);
    } else {
      worker.look();
    }
  }

  /** Rejects a call that no worker will ever take. Returns false if there may be one. */
  #refuse(call: LaneCall): boolean {
    if (this.isClosed) {
      call.cutOff();
      return true;
    }
    const broken = this.#brokenBy();
    if (broken !== undefined) {
      this.#fail(call, broken);
    }
    return broken !== undefined;
  }

  /** Why no worker will ever take a call; undefined if one may. */
  #brokenBy(): Error | undefined {
    const isHopeless = this.#workers.length > 0 && this.#workers.every(({ state }) => state === "broken");
    return isHopeless ? this.#workers[0].bootError : undefined;
  }

  #fail(call: LaneCall, error: unknown): void {
    this.plan.tally.failed++;
    call.reject(error);
  }

  #overdue(call: LaneCall): void {
    this.plan.tally.timedOut++;
    this.#fail(call, new QueueTimeoutError(call.name, this.plan.config.queueTimeoutMs as number));
  }

  /** Has the lanes tell when they have heard from their workers, as long as somebody wants to know. */
  #want(): void {
    const wanted = this.#queue.size > 0 || this.#late.size > 0;
    if (wanted !== this.#wanted) {
      this.#wanted = wanted;
      for (const worker of this.#active) {
        worker.want(wanted);
      }
    }
  }

  // Members for the workers.

  room(worker: SupervisedWorker): void {
    if (this.#late.size > 0) {
      this.#relieve(worker);
    }
    this.#fill(worker);
    this.#want();
  }

  /**
   * Gives a worker the calls that wait, as far as it can take them now, and no more than its share of them: the other
   * workers will ask as well.
   */
  #fill(worker: SupervisedWorker): void {
    const queue = this.#queue;
    const isReady = this.#letsLieReady;
    for (let share = Math.ceil(queue.size / this.#active.length); share > 0; ) {
      const call = queue.next(worker);
      if (call === undefined || !worker.takesNow(call.task, isReady)) {
        return;
      }
      const word = call.plan.terms?.affinity;
      const owner = word === undefined ? worker : (this.#affinities.workerOf(word) ?? worker);
      if (owner !== worker) {
        // Another call with this word has gone there while this one was waiting.
        queue.bind(call, owner);
        this.#ask(owner);
        continue;
      }
      share--;
      queue.take(call);
      if (word !== undefined) {
        this.#affinities.bind(word, worker);
      }
      if (!worker.submit(call)) {
        if (!call.cancelled && !this.#refuse(call)) {
          this.#queueUp(call);
        }
        return;
      }
    }
  }

  /**
   * Whether a call may lie ready behind one that its worker runs: if that takes long, an idle worker gets it. It may not
   * where the time that it waits counts, or may call for one more worker.
   */
  get #letsLieReady(): boolean {
    const { queueTimeoutMs, maxWorkers } = this.plan.config;
    return queueTimeoutMs === undefined && this.#active.length >= maxWorkers;
  }

  /** Gives an idle worker calls that a late one has not begun. */
  #relieve(idle: SupervisedWorker): void {
    for (const late of this.#late) {
      if (!idle.isIdle) {
        return;
      }
      if (late !== idle) {
        this.#move(late.takeBack(true), idle);
      }
    }
  }

  #move(calls: readonly LaneCall[], to: SupervisedWorker): void {
    this.#return(calls.filter((call) => !to.takesNow(call.task, true) || !to.submit(call)));
  }

  late(worker: SupervisedWorker): void {
    this.#late.add(worker);
    this.#want();
    for (const other of this.#active) {
      if (other !== worker && other.isFreeNow) {
        this.#move(worker.takeBack(true), other);
      }
    }
    if (this.#active.length < this.plan.config.maxWorkers) {
      // Those that wait behind a long call are a reason to start another worker.
      this.#return(worker.takeBack(false));
    }
  }

  caughtUp(worker: SupervisedWorker): void {
    this.#late.delete(worker);
  }

  ready(worker: SupervisedWorker): void {
    if (worker.state === "spare") {
      const vacant = this.#active.find(({ state }) => state !== "ready");
      if (vacant !== undefined) {
        this.#replace(vacant);
      }
      return;
    }
    worker.want(this.#wanted);
    this.room(worker);
    this.#sizer.waits();
  }

  gone(worker: SupervisedWorker, calls: readonly LaneCall[]): void {
    this.#late.delete(worker);
    this.#affinities.release(worker);
    this.#queue.unbind(worker);
    this.#replace(worker);
    this.#return(calls);
    this.#want();
  }

  /** A spare worker takes the place of one that takes no more calls. */
  #replace(worker: SupervisedWorker): void {
    const at = this.#active.indexOf(worker);
    const spare = this.#workers.find(({ state }) => state === "spare");
    if (at >= 0 && spare !== undefined) {
      worker.demote();
      this.#active[at] = spare;
      spare.activate();
    }
  }

  unfilled(worker: SupervisedWorker, error: Error | undefined, tooSlow: boolean): void {
    const isHopeless = this.#brokenBy() !== undefined;
    const isServed = this.#workers.some(({ state }) => state === "ready" || state === "spare");
    if (isHopeless || (tooSlow && !isServed)) {
      this.#rejectAll(error);
    }
    if (worker.isSpare || isHopeless) {
      return;
    }
    this.#replace(worker);
  }

  #rejectAll(error: unknown): void {
    for (const call of this.#queue.clear()) {
      this.#fail(call, error);
    }
    this.#want();
  }

  left(worker: SupervisedWorker): void {
    this.#past.sent += worker.totals.sent;
    this.#past.served += worker.totals.served;
    remove(this.#workers, worker);
  }

  crashed(call: LaneCall, error: Error, exit: EndedExit): void {
    const failure = this.#attempts.failed(call, error, exit);
    if (failure === undefined) {
      this.#return([call]);
    } else {
      this.#fail(call, failure);
    }
  }

  recycled(worker: WorkerInfo, reason: RecycleReason): void {
    this.#recycled[reason] = (this.#recycled[reason] ?? 0) + 1;
    const { onWorkerRecycled } = this.plan.config;
    if (onWorkerRecycled !== undefined) {
      this.plan.scope(() => queueMicrotask(() => onWorkerRecycled(reason, worker)));
    }
  }

  /** Adds a place. Throws if no worker can be started. */
  #add(isSpare: boolean): void {
    const worker = new SupervisedWorker(this, freeIndex(this.#workers), isSpare);
    this.#workers.push(worker);
    this.#workers.sort((a, b) => a.index - b.index);
    if (!isSpare) {
      this.#active.push(worker);
    }
  }

  /** Ends an idle worker, whose place is not filled again. */
  #remove(worker: SupervisedWorker): void {
    remove(this.#active, worker);
    worker.leave();
    void worker.retire("idle");
  }

  alloc(byteLength: number): Uint8Array {
    const picked = this.#pick(0);
    const others = this.#active.filter((worker) => worker !== picked && worker.takesSoon);
    return allocateIn(picked === undefined ? others : [picked, ...others], byteLength);
  }

  get calls(): LaneCall[] {
    return this.#workers.flatMap((worker) => worker.calls).concat(this.#queue.calls);
  }

  get workers(): readonly WorkerInfo[] {
    return this.#workers.map((worker) => worker.info());
  }

  stats(): PoolStats {
    const { program, tally } = this.plan;
    return statsOf(
      this.#workers,
      this.#queue,
      this.#depth,
      program.tasks,
      { ...this.#past, ...tally },
      this.#recycled,
    );
  }

  kill(info: WorkerInfo): Promise<void> {
    const worker = workerOf(this.#workers, info);
    return worker?.halt({ reason: "killed", why: "pool.kill was called for it" }) ?? Promise.resolve();
  }

  async recycle(info: WorkerInfo | undefined): Promise<void> {
    const found = info === undefined ? undefined : workerOf(this.#workers, info);
    const workers = info === undefined ? [...this.#workers] : found === undefined ? [] : [found];
    await Promise.all(workers.map((worker) => worker.retire("recycled")));
  }

  async close(cut: (calls: readonly LaneCall[]) => void): Promise<void> {
    this.isClosed = true;
    this.#sizer.stop();
    const ends = this.#workers.map((worker) => worker.close());
    cut(ends.flatMap(({ calls }) => calls).concat(this.#queue.clear()));
    await Promise.all(ends.map(({ ended }) => ended));
  }
}
