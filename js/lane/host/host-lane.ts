import { setTimeout } from "../../base/clock";
import { KnittingError, ProtocolViolationError } from "../../base/errors";
import { errorOfPart, MalformedPayload, type Part } from "../../base/payload-errors";
import type { KillOrder } from "../../call/call";
import {
  type Exchange,
  type Flood,
  IS_NODE,
  type NativeHostLane,
  native,
  PUBLISH_ONLY,
  VIOLATED,
} from "../../native/addon";
import {
  FLAG_CLAIM,
  FLAG_NOT_RUN,
  FLAG_REJECTED,
  KIND_ATTACHED,
  KIND_BOOT_FAILED,
  KIND_FATAL,
  KIND_READY,
  RING_SLOTS,
  ROLE_MASK,
  ROLE_PROGRESS,
  STAGING_DEAF,
  STAGING_INBOX_AT,
  STAGING_MORE,
  STAGING_WINDOW,
} from "../../native/layout";
import { Decoder } from "../../payload/decode";
import type { TaskSource } from "../../task/program";
import { Idle, KEEP_WARM_BYTES } from "../idle";
import { Inbox, leftInArena } from "../inbox";
import { Outbox } from "../outbox";
import { SendQueue } from "../send-queue";
import { Backlog, type BackloggedLane } from "./backlog";
import { Deadlines, type WatchedLane } from "./deadlines";
import { InFlight } from "./in-flight";
import type { Carrier, LaneCall } from "./lane-call";
import type { LaneEvents } from "./lane-events";
import type { Pace } from "./pace";
import { type PolledLane, Poller } from "./poller";
import { type MeteredLane, ProgressMeter } from "./progress-meter";
import { HostShares } from "./shared-memory";
import { StreamEndpoints, type StreamLane } from "./stream-endpoints";
import type { Tally } from "./tally";

/** The options of a lane. */
export interface LaneOptions {
  /** The tasks, for messages. A call has the index of its task. */
  readonly tasks: readonly TaskSource[];
  /** Bytes of each arena. */
  readonly arenaBytes: number;
  /** Bytes that one encoded value may take. */
  readonly maxPayloadBytes: number;
  /** Bytes of the outgoing arena that are allocated at the start and kept. */
  readonly initialBytes: number;
  /** Prefix of the name of the lane's memory, if the memory gets a name. */
  readonly namePrefix?: string | undefined;
  /** Whether the worker is a thread of this process. */
  readonly isThread: boolean;
  /** How long a task may run, in milliseconds. */
  readonly hardTimeoutMs?: number | undefined;
  /** How long the worker may spin for its next call, in microseconds. The host never spins for longer. */
  readonly spinMicroseconds: number;
  /** Number of calls that may be in flight. */
  readonly concurrency: number;
  /** Whether another worker can take over calls that this one has not begun. */
  readonly shared: boolean;
  /** How quickly the tasks are done with. */
  readonly pace: Pace;
  /** What has become of the calls. */
  readonly tally: Tally;
  /** How many messages the worker may send in a second: progress values, and lines of output. */
  readonly messagesPerSecond?: number | undefined;
}

/**
 * At this many slots the lane publishes at once, before the microtask, so that the worker starts while the host goes
 * on.
 */
const EARLY_SLOTS = 64;

/** How long a worker that can't be woken any more may take to end. */
const DEAF_MILLIS = 1_000;

export class HostLane implements BackloggedLane, Carrier, MeteredLane, PolledLane, StreamLane, WatchedLane {
  readonly native: NativeHostLane;
  /** The memory that this host shares with the worker in addition to the lane. */
  readonly shares: HostShares;
  readonly inFlight = new InFlight(this);
  readonly #events: LaneEvents;
  readonly #tasks: LaneOptions["tasks"];
  readonly #exchange: Exchange;
  readonly #outbox: Outbox;
  readonly #inbox: Inbox;
  readonly #words: Uint32Array;
  readonly #poller: Poller;
  readonly #streams = new StreamEndpoints(this);
  readonly #deadlines: Deadlines;
  readonly #progressMeter: ProgressMeter | undefined;
  /** Whether each call is watched, also one without a time limit. */
  readonly #isWatched: boolean;
  readonly #queue: SendQueue;
  readonly #backlog: Backlog;
  readonly #tally: Tally;
  readonly #concurrency: number;
  readonly #isShared: boolean;
  /** Number of calls that were sent and not taken back. */
  sent = 0;
  /** The owner waits for the end of the calls. */
  isLeaving = false;
  /** False once the host doesn't read from the worker any more. */
  isOpen = true;
  #abandoned = false;
  #isViolated = false;
  /** The worker has sent too many messages. It is not read until it has ended, so that it is held up. */
  #isFlooded = false;
  /** Number of calls whose task was run, as far as the worker reports that. */
  served = 0;

  /** Whether there may be memory to give back, beside that of the outgoing arena: no timer runs for small values. */
  #hasBulk = false;
  readonly #idle = new Idle(() => {
    // While a call is in flight the lane sleeps with its doorbell armed, and an exchange would disarm it.
    if (this.isOpen && this.load === 0) {
      // The exchange hands the last results back to the worker.
      this.drain();
      this.native.trim(this.#keptBytes);
      native().trimBlocks();
      this.#hasBulk = false;
    }
  });

  /** Bytes of the outgoing arena that are allocated from the start. */
  readonly #initialBytes: number;
  /** Bytes of the outgoing arena that stay when the lane has been idle. */
  readonly #keptBytes: number;

  constructor(options: LaneOptions, events: LaneEvents) {
    const { arenaBytes, maxPayloadBytes, namePrefix, isThread, hardTimeoutMs, spinMicroseconds } = options;
    this.#concurrency = options.concurrency;
    this.#tally = options.tally;
    this.#isShared = options.shared;
    this.#initialBytes = options.initialBytes;
    this.#keptBytes = Math.max(KEEP_WARM_BYTES, options.initialBytes);
    this.#events = events;
    this.#tasks = options.tasks;
    const wake = () => {
      if (this.#words[STAGING_DEAF] !== 0) {
        this.#watchDeaf();
      }
      this.#poller.wake();
    };
    this.native = new (native().HostLane)(arenaBytes, namePrefix, isThread, IS_NODE, wake);
    this.#exchange = this.native.exchangeFunction();
    const staging = this.native.staging();
    this.#words = new Uint32Array(staging);
    this.shares = new HostShares(this.native, isThread);
    this.#outbox = new Outbox(this.native, staging, this.shares, maxPayloadBytes);
    const decoder = new Decoder(staging).sharing(this.shares);
    const payloads = {
      base: STAGING_INBOX_AT,
      isFar: leftInArena,
      near: () => decoder,
      fetch: (offset: number, length: number) => {
        this.#hasBulk = true;
        return this.native.copyOut(offset, length);
      },
    };
    this.#inbox = new Inbox(staging, payloads, this.shares, maxPayloadBytes);
    this.#queue = new SendQueue(this.#outbox, (id, generation) => this.inFlight.isCurrent(id, generation));
    this.#deadlines = new Deadlines(this, hardTimeoutMs ?? Number.POSITIVE_INFINITY);
    const { messagesPerSecond } = options;
    this.#progressMeter =
      messagesPerSecond === undefined
        ? undefined
        : new ProgressMeter(this, messagesPerSecond, (flood) => this.#flooded(flood));
    this.#isWatched = hardTimeoutMs !== undefined || messagesPerSecond !== undefined;
    this.#backlog = new Backlog(this, this.#words, options.pace, events);
    this.#poller = new Poller(this, this.#words, spinMicroseconds);
    this.#poller.sleep();
  }

  /** Allocates the initial memory of the outgoing arena. Throws if the system doesn't have that much. */
  prepare(): void {
    try {
      this.native.prepare(this.#initialBytes);
    } catch (cause) {
      throw new KnittingError(
        "KNITTING_NO_MEMORY",
        `createPool: the system has no memory for the ${this.#initialBytes} bytes that each worker begins with ` +
          `(payload.payloadInitialBytes, or all with payload.mode "fixed"): ${(cause as Error).message}`,
        { cause },
      );
    }
  }

  /** Number of calls in flight. */
  get load(): number {
    return this.inFlight.size;
  }

  /** The calls in flight. */
  get calls(): LaneCall[] {
    return this.inFlight.calls;
  }

  /**
   * Whether the worker can have a call of this task now. A lane that has calls takes more of a task that is known to be
   * quick; whether its worker is free nevertheless is known only while calls wait, from `takesNow`.
   */
  isFree(task: number): boolean {
    const { size } = this.inFlight;
    return (
      size === 0 ||
      (this.#backlog.hasRoomForQuick(task) && size < this.#concurrency && !this.#poller.isAsleep)
    );
  }

  /**
   * Whether the worker can have a call of this task, as of the exchange that was just made while calls wait. With
   * `isReady` one call may lie ready behind that which the worker runs.
   */
  takesNow(task: number, isReady: boolean): boolean {
    return this.#hasSpace && (this.inFlight.size === 0 || this.#backlog.hasRoomFor(task, isReady));
  }

  /** Whether the worker has nothing to do, as of that exchange. */
  get isIdle(): boolean {
    return this.#backlog.isEmpty;
  }

  /** Whether the worker has nothing to do now. */
  get isFreeNow(): boolean {
    return this.#backlog.isEmptyNow;
  }

  /** The calls that the worker has begun, as far as it reports that now. */
  get begun(): LaneCall[] {
    const started = this.firstUnstarted();
    // Sequence numbers wrap.
    return this.inFlight.calls.filter((call) => ((call.sequence - started) | 0) < 0);
  }

  /** Number of calls that wait behind one that the worker runs, as far as it reports that now. */
  get waiting(): number {
    const { length } = this.#unbegunCalls();
    return length > 0 && !this.isRunning ? length - 1 : length;
  }

  get #hasSpace(): boolean {
    return this.isOpen && this.#hasRoom() && this.inFlight.size < this.#concurrency;
  }

  /** Says whether calls wait that this lane could get. It then tells its owner whenever it has heard from its worker. */
  want(wanted: boolean): void {
    this.#backlog.want(wanted);
  }

  /** Looks at what the worker does, if nobody looks before it rings. */
  look(): void {
    if (this.isOpen && this.inFlight.size > 0 && this.#poller.isAsleep) {
      this.#poller.turnNow();
    }
  }

  /**
   * Takes over a call. Returns false if there is no space for it now. The call's promise rejects if its argument can't be
   * sent.
   */
  submit(call: LaneCall): boolean {
    if (!this.isOpen || !this.#hasRoom()) {
      return false;
    }
    try {
      if (!this.#stage(call)) {
        return false;
      }
    } catch (error) {
      call.reject(this.explain(call, "argument", error));
      return true;
    }
    if (this.#isWatched || call.limit !== undefined) {
      this.#deadlines.watch(call);
      this.#progressMeter?.watch();
    }
    if (this.#abandoned) {
      // A getter of the argument has shut the pool down.
      this.#events.refused(call);
    } else if (this.#outbox.staged >= EARLY_SLOTS) {
      this.#poller.turnNow();
    } else {
      this.#poller.flush();
    }
    return true;
  }

  /**
   * Takes back calls that the worker has not begun, oldest first: half of them if `isHalf` is set, since the worker may
   * go on with the others. Those with an affinity stay with their worker.
   */
  takeBack(isHalf: boolean): LaneCall[] {
    const unbegun = this.isOpen ? this.#unbegunCalls() : [];
    const movable = unbegun.filter((call) => call.plan.terms?.affinity === undefined && !call.hasStreamed);
    const most = isHalf ? Math.ceil(movable.length / 2) : movable.length;
    const taken = movable.slice(0, most).filter((call) => this.#takeBackOne(call));
    if (!this.isAttended) {
      this.#poller.release();
      this.#leave();
    }
    return taken;
  }

  #unbegunCalls(): LaneCall[] {
    const started = this.firstUnstarted();
    return (
      this.inFlight.calls
        // Sequence numbers wrap.
        .filter((call) => !call.cancelled && ((call.sequence - started) | 0) >= 0)
        .sort((a, b) => (a.sequence - b.sequence) | 0)
    );
  }

  #takeBackOne(call: LaneCall): boolean {
    try {
      if (!call.takeBack(this.native, this.shares.held(call.id))) {
        return false;
      }
    } catch {
      // Without memory for its argument it stays where it is.
      return false;
    }
    this.shares.withdraw(call.id);
    this.inFlight.remove(call);
    this.sent--;
    return true;
  }

  /** Receives what has arrived, without waiting. After the worker has ended, nothing more will arrive. */
  drain(): void {
    if (this.isOpen || this.#isFlooded) {
      this.#poller.disarmed();
      while (this.#receive(this.exchange(0)) && this.#words[STAGING_MORE] !== 0) {}
    }
  }

  /** Receives what arrived while the event loop was busy elsewhere, before the clock decides about the worker. */
  catchUp(): void {
    this.drain();
    if (this.isOpen) {
      this.#poller.turnNow();
    }
  }

  /**
   * Abandons the calls: those that the worker had started, as far as it reports that, and the others in their order.
   * The lane takes no more calls, but must still be closed.
   */
  abandon(): { started: LaneCall[]; unstarted: LaneCall[] } {
    const started: LaneCall[] = [];
    const unstarted: LaneCall[] = [];
    // A worker that broke the protocol may lie about what it has started, so none of its calls is given to another
    // worker.
    const firstUnstarted = this.#isViolated ? this.#outbox.sequence : this.firstUnstarted();
    for (const call of this.inFlight.clear()) {
      if (call.cancelled) {
        continue;
      }
      // Sequence numbers wrap.
      if (call.hasStreamed || ((call.sequence - firstUnstarted) | 0) < 0) {
        started.push(call);
        continue;
      }
      try {
        call.recover(this.native, this.shares.held(call.id));
        unstarted.push(call);
      } catch {
        // The argument is gone with the memory, so no other worker can get it.
        started.push(call);
      }
    }
    this.served += started.length;
    this.#abandoned = true;
    this.#queue.clear();
    this.#end();
    return { started, unstarted };
  }

  /**
   * Reads what the worker has reported about its end, once that has come and its calls are abandoned. Their answers are
   * dropped.
   */
  readReports(): void {
    // A worker that lives on all the same can't keep this busy.
    for (let left = RING_SLOTS, arrived = 1; left > 0 && arrived > 0; left -= arrived) {
      arrived = this.exchange(0);
      for (let index = 0; index < arrived; index++) {
        if (this.#inbox.kind(index) === KIND_FATAL) {
          this.#readReport(index);
        }
      }
    }
  }

  #readReport(index: number): void {
    try {
      this.#events.fatal(this.#inbox.value(index));
    } catch {
      // Whatever it was, it can't be read.
    }
  }

  /** Releases the memory. Kills the worker process if it is still running. */
  close(): void {
    this.#end();
    this.shares.close();
    this.native.close();
    this.#outbox.close();
  }

  /** The worker can't be woken any more: it ends, or a task has closed what it was given, and then it has to end. */
  #watchDeaf(): void {
    setTimeout(() => {
      if (this.isOpen) {
        this.native.condemn();
        this.#poller.turnNow();
      }
    }, DEAF_MILLIS).unref();
  }

  /** Keeps the process alive for the calls, until they are abandoned because the worker has ended. */
  #awaitEnd(): void {
    if (this.isAttended) {
      this.#poller.keepAlive();
    }
  }

  #end(): void {
    this.isOpen = false;
    this.#isFlooded = false;
    this.#poller.release();
    this.#idle.stop();
    this.#deadlines.stop();
    this.#backlog.stop();
    this.#progressMeter?.stop();
  }

  #hasRoom(): boolean {
    return this.#outbox.hasRoom && this.inFlight.hasRoom;
  }

  /**
   * Stages a call. Returns false if the arena has no space for it; its argument is encoded then, unless the caller keeps
   * it. Throws if the argument can't be sent.
   */
  #stage(call: LaneCall): boolean {
    const { inFlight } = this;
    const { task, terms } = call.plan;
    const flags = this.#isShared && terms?.affinity === undefined ? FLAG_CLAIM : 0;
    const id = inFlight.takeId();
    const generation = inFlight.nextGeneration(id);
    let isStaged = false;
    try {
      const { encoded } = call;
      if (encoded !== undefined) {
        isStaged = this.#outbox.stageEncoded(id, generation, task, encoded, flags);
      } else {
        const unsent = this.#outbox.stage(id, generation, task, flags, call.argument);
        isStaged = unsent === undefined;
        if (!isStaged && terms?.copy !== false) {
          call.argument = unsent;
        }
      }
    } finally {
      if (!isStaged) {
        this.shares.withdraw(id);
        inFlight.returnId(id);
      }
    }
    if (isStaged) {
      // A sent argument is not kept.
      call.argument = undefined;
      const sequence = (this.#outbox.sequence - 1) >>> 0;
      this.#backlog.add(task, sequence);
      this.sent++;
      inFlight.add(call, id, generation, sequence);
    }
    return isStaged;
  }

  // Members for the poller.

  get isAttended(): boolean {
    return this.load !== this.inFlight.unattended;
  }

  /** Whether nobody waits for a call any more. A stream that nobody reads at present can still be read. */
  get isDone(): boolean {
    return !this.isAttended && this.inFlight.calls.every(({ cancelled }) => cancelled);
  }

  get waitsForRoom(): boolean {
    return this.#backlog.isWanted || !this.#queue.isEmpty;
  }

  exchange(spinNanos: number): number {
    return this.#exchange(this.#outbox.takeStaged(), spinNanos);
  }

  publish(): void {
    this.#exchange(this.#outbox.takeStaged(), PUBLISH_ONLY);
  }

  takeIn(arrived: number): boolean {
    if (!this.#receive(arrived) || !this.isOpen) {
      return false;
    }
    const more = this.#words[STAGING_MORE] !== 0;
    // The worker's arena may be large as well. It is given back once this side has taken what lies there.
    this.#hasBulk ||= more;
    this.#queue.stageWaiting();
    this.#backlog.exchanged();
    return more || this.#outbox.staged > 0;
  }

  atRest(): void {
    if (this.#hasBulk || this.#words[STAGING_WINDOW] > this.#keptBytes) {
      this.#idle.touch();
    }
    this.#leave();
  }

  slept(): void {
    if (this.#isShared && !this.#poller.booting) {
      this.#backlog.slept();
    }
  }

  #leave(): void {
    if (this.isLeaving && this.isDone) {
      this.#events.rested();
    }
  }

  // Members for the backlog.

  get nextSequence(): number {
    return this.#outbox.sequence;
  }

  get isAsleep(): boolean {
    return this.#poller.isAsleep;
  }

  // Members for the deadlines.

  get isServing(): boolean {
    return this.isOpen && !this.#poller.booting;
  }

  firstUnstarted(): number {
    return this.native.started();
  }

  get isRunning(): boolean {
    return this.native.isRunning();
  }

  expired(): void {
    this.#tally.timedOut++;
  }

  overdue(suspects: readonly LaneCall[]): void {
    this.#events.overdue([...new Set(suspects.map(({ task }) => task))]);
  }

  // Members for calls and their streams.

  cancelled(call: LaneCall): void {
    this.#tally.failed++;
    this.attend(call, false);
    this.native.abort(call.id);
    this.#streams.cancel(call);
    if (!this.isAttended) {
      this.#poller.release();
      this.#leave();
    }
  }

  kill(call: LaneCall, order: KillOrder): void {
    // A worker that has not begun the call doesn't begin it any more.
    if (this.#hasBegun(call)) {
      this.#events.kill(call, order);
    }
  }

  askToStop(call: LaneCall): boolean {
    const hasBegun = this.#hasBegun(call);
    if (hasBegun) {
      this.native.abort(call.id);
    }
    return hasBegun;
  }

  #hasBegun(call: LaneCall): boolean {
    // Sequence numbers wrap.
    return ((call.sequence - this.firstUnstarted()) | 0) < 0;
  }

  attend(call: LaneCall, waits: boolean): void {
    if (this.inFlight.attend(call, waits) && waits) {
      this.#poller.attended();
    }
  }

  /** Returns a function that tells whether a call that is in flight now still is. */
  watch(call: LaneCall): () => boolean {
    const { id } = call;
    const generation = this.inFlight.generationOf(call);
    return () => this.inFlight.isCurrent(id, generation);
  }

  send(call: LaneCall, flags: number, value: unknown): number {
    if (call.carrier !== this) {
      // The call has been answered, or its worker is gone.
      return 0;
    }
    const units = this.#queue.send(call.id, this.inFlight.generationOf(call), flags, value);
    this.#poller.flushLater();
    return units;
  }

  sendReason(call: LaneCall, flags: number, value: unknown, error: unknown): void {
    if (call.carrier === this) {
      this.#queue.sendReason(call.id, this.inFlight.generationOf(call), flags, value, error);
      this.#poller.flushLater();
    }
  }

  explain(call: LaneCall, part: Part, error: unknown): unknown {
    return errorOfPart(error, part, this.#tasks[call.task].task);
  }

  flushEarly(): void {
    if (this.#outbox.staged >= EARLY_SLOTS) {
      this.#poller.turnNow();
    }
  }

  abort(call: LaneCall): void {
    if (call.carrier === this) {
      this.native.abort(call.id);
    }
  }

  /** Settles the calls whose results arrived. Returns false if the lane is lost. */
  #receive(arrived: number): boolean {
    if (arrived < 0) {
      if (arrived === VIOLATED) {
        this.#violated(this.native.violation() ?? "unknown");
      }
      return false;
    }
    const inbox = this.#inbox;
    let progressValues = 0;
    for (let index = 0; index < arrived; index++) {
      const kind = inbox.kind(index);
      let value: unknown;
      const flags = inbox.flags(index);
      let isLost = false;
      try {
        value = inbox.value(index);
      } catch (error) {
        if (error instanceof MalformedPayload) {
          this.#violated(`a value can't be decoded: ${error.message}`);
          return false;
        }
        const violation = this.native.violation();
        if (violation !== null) {
          // The value is gone with the memory.
          this.#violated(violation);
          return false;
        }
        // An error such as a lack of memory affects only this call.
        value = error;
        isLost = true;
      }
      if (kind === KIND_ATTACHED) {
        this.#events.attached();
        continue;
      }
      if (kind === KIND_READY) {
        this.#poller.booting = false;
        this.#events.ready();
        continue;
      }
      if (kind === KIND_FATAL) {
        this.#events.fatal(value);
        continue;
      }
      if (kind === KIND_BOOT_FAILED) {
        this.isOpen = false;
        this.#awaitEnd();
        this.#events.bootFailed(value);
        return false;
      }
      const call = this.inFlight.get(inbox.call(index));
      const role = flags & ROLE_MASK;
      value = isLost ? this.explain(call, role === 0 ? "result" : "item of the result", value) : value;
      const rejected = isLost || (flags & FLAG_REJECTED) !== 0;
      if (role !== 0) {
        progressValues += role === ROLE_PROGRESS ? 1 : 0;
        this.#streams.receive(call, role, value, inbox.units(index), rejected);
        continue;
      }
      this.shares.release(call.id);
      this.inFlight.remove(call);
      const wasRun = (flags & FLAG_NOT_RUN) === 0;
      this.served += wasRun ? 1 : 0;
      if (rejected) {
        this.#tally.failed += call.cancelled ? 0 : 1;
        // The abort has come before the task.
        call.reject(!wasRun && call.partial?.isAsked ? call.partial.reason : value);
      } else {
        call.resolve(value);
      }
    }
    if (progressValues > 0) {
      this.#progressMeter?.count(progressValues, this.#words[STAGING_MORE] === 0);
    }
    return true;
  }

  #flooded(flood: Flood): void {
    this.isOpen = false;
    this.#isFlooded = true;
    this.#awaitEnd();
    this.#events.flooded(flood);
  }

  #violated(what: string): void {
    this.isOpen = false;
    this.#isViolated = true;
    this.#awaitEnd();
    this.#events.violated(new ProtocolViolationError(`a worker broke the protocol of its lane: ${what}`));
  }
}
