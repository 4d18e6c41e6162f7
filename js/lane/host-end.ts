/**
 * The host's end of a lane: calls out, results in.
 *
 * ```text
 *   submit -> staged -> [microtask] exchange, spinning a few microseconds -> result in the same tick
 *                         nothing yet: setImmediate, some times over -> exchange
 *                         nothing yet: arm the doorbell; a native thread wakes the event loop
 * ```
 *
 * Calls for which the ring or the arena has no room wait here, encoded, in order.
 */
import { nextTick, now, queueMicrotask, setImmediate } from "../clock";
import { KnittingError, ProtocolViolationError } from "../errors";
import {
  FLAG_REJECTED,
  KIND_ATTACHED,
  KIND_BOOT_FAILED,
  KIND_READY,
  MAX_CALLS,
  ROLE_CANCEL,
  ROLE_CREDIT,
  ROLE_END,
  ROLE_ITEM,
  ROLE_MASK,
  ROLE_PROGRESS,
  ROLE_STREAM,
  STAGING_CROWDED,
  STAGING_INBOX_AT,
  STAGING_MORE,
  STAGING_WOKE,
} from "../generated/layout";
import { type Exchange, type NativeHostLane, native, VIOLATED } from "../native";
import { Decoder, MalformedPayload } from "../payload/decode";
import { HostShares } from "../shared/host-shares";
import type { Call, Carrier } from "./call";
import { Idle, KEEP_WARM_BYTES } from "./idle";
import { Inbox, leftInArena } from "./inbox";
import { hold, release } from "./keep-alive";
import { Limits } from "./limits";
import { giveReason, Outbox, type Parcel, unitsOfParcel } from "./outbox";
import { StreamReceiver } from "./stream-receiver";
import type { StreamSender } from "./stream-sender";

/** What a lane tells its slot, which may not use it before they have returned. */
export interface LaneEvents {
  /** The worker has its memory and imports the tasks next. */
  attached(): void;
  /** The worker is ready for calls. */
  ready(): void;
  /** The worker could not boot: what it says of it, a `BootFault` if it is honest. */
  bootFailed(fault: unknown): void;
  /** The worker broke the protocol; the lane does nothing any more. */
  violated(error: ProtocolViolationError): void;
  /** The lane was given up while this call was being made. */
  refused(call: Call): void;
  /** A task has run longer than the hard limit, or the worker takes no calls for so long. */
  overdue(task: number): void;
}

/** What a lane is made with. */
export interface LaneOptions {
  /** Bytes of each arena. */
  readonly arenaBytes: number;
  /** Bytes that one value may take, encoded. */
  readonly maxPayloadBytes: number;
  /** Bytes of the outgoing arena that are taken from the system at the start, and kept. */
  readonly initialBytes: number;
  /** What the name of its memory begins with, if that is to have one. */
  readonly namePrefix?: string | undefined;
  /** Whether the worker is a thread of this process. */
  readonly isThread: boolean;
  /** How long a task may run, in milliseconds. */
  readonly hardTimeoutMs?: number | undefined;
  /** How long the worker may spin for its next call, in microseconds: the host never spins for longer. */
  readonly spinMicroseconds: number;
}

/** The longest spin of the host, while few calls are in flight. */
const SPIN_NANOS = 5_000;
const NANOS_PER_MICRO = 1_000;
/** A poll looks once and lets another thread of its core run, if one wants to. */
const POLL_NANOS = 1;
/** With more calls in flight than this the host has better things to do than to spin. */
const SPIN_CALLS = 8;
/** Spins that brought something, one after the other, before the event loop gets a turn. */
const SPINS_PER_TURN = 64;
/** An answer that takes no longer than this counts as quick: the next call spins, and polls for as long. */
const QUICK_MILLIS = 0.2;
/** How long to poll for an answer of a worker that had to be woken, which says nothing about its tasks. */
const WAKE_POLL_MILLIS = 0.5;
/** How long to poll after a slow answer, or with no core to spare. */
const SLOW_POLL_MILLIS = 0.02;
/** Of the calls after a slow answer every so many'th spins, to see if answers are quick again. */
const SLOW_PROBE = 32;
/** How long the host may take results in before its event loop gets a turn. */
const TURN_MILLIS = 1;
/** Slots that are published at once, before the microtask, so that the worker begins while the host goes on. */
const EARLY_SLOTS = 64;

/** Something that is sent for a call in flight, and waits for room. */
interface Message {
  readonly call: Call;
  readonly generation: number;
  readonly parcel: Parcel;
}

export class HostEnd implements Carrier {
  readonly native: NativeHostLane;
  /** What this host shares with the worker, beside the lane. */
  readonly shares: HostShares;
  readonly #events: LaneEvents;
  readonly #exchange: Exchange;
  readonly #outbox: Outbox;
  readonly #inbox: Inbox;
  readonly #words: Uint32Array;
  readonly #calls: (Call | undefined)[] = [];
  readonly #generations = new Uint32Array(MAX_CALLS);
  readonly #freeIds: number[] = [];
  #inFlight = 0;
  /** Of those, how many keep no process alive. */
  #unattended = 0;
  #sequence = 0;
  #waiting: Call[] = [];
  #waitingFrom = 0;
  /** What waits to be sent for calls in flight. It goes before calls that wait: they may wait for those to be answered. */
  #messages: Message[] = [];
  /** False once the worker is not to be heard any more. */
  #open = true;
  #abandoned = false;
  #isViolated = false;
  /** Calls answered so far. */
  served = 0;

  readonly #idle = new Idle(() => {
    // While a call is in flight the lane sleeps with its doorbell armed, which an exchange would undo.
    if (this.#open && this.load === 0) {
      // An exchange first: it hands the last results back.
      this.drain();
      this.native.trim(Math.max(KEEP_WARM_BYTES, this.#initialBytes));
      native().trimBlocks();
    }
  });

  /** Bytes of the outgoing arena that have their memory from the start. */
  readonly #initialBytes: number;
  readonly #spinNanos: number;
  readonly #hardTimeoutMs: number;
  readonly #limits = new Limits(() => this.#enforceLimits());
  /** The call that was first in line when nothing was running, and since when. */
  #stalled = { sequence: -1, since: 0 };

  #flushScheduled = false;
  #pollScheduled = false;
  #booting = true;
  #asleep = false;
  #holding = false;
  #wantsRoom = false;
  #spinsThisTurn = 0;
  /** 0 while answers are quick; else the calls since the last slow one. */
  #slow = 0;
  /** When the host began to wait without spinning, 0 if it doesn't. */
  #waitingSince = 0;

  constructor(options: LaneOptions, events: LaneEvents) {
    const { arenaBytes, maxPayloadBytes, namePrefix, isThread, hardTimeoutMs, spinMicroseconds } = options;
    this.#spinNanos = Math.min(SPIN_NANOS, spinMicroseconds * NANOS_PER_MICRO);
    this.#initialBytes = options.initialBytes;
    this.#events = events;
    this.native = new (native().HostLane)(arenaBytes, namePrefix, this.#wake);
    this.#hardTimeoutMs = hardTimeoutMs ?? Number.POSITIVE_INFINITY;
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
      fetch: (offset: number, length: number) => this.native.copyOut(offset, length),
    };
    this.#inbox = new Inbox(staging, payloads, this.shares, maxPayloadBytes);
    this.#sleep();
  }

  /** Takes what its worker is to begin with from the system. Throws if it has not so much. */
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

  /** Calls that are in flight or wait for room. */
  get load(): number {
    return this.#inFlight + this.#waiting.length - this.#waitingFrom;
  }

  /** The same, one by one. */
  get calls(): Call[] {
    const inFlight = this.#calls.filter((call) => call !== undefined);
    return inFlight.concat(this.#waiting.slice(this.#waitingFrom));
  }

  /** Takes a call over. Its promise rejects if its argument can't be sent. */
  submit(call: Call, argument: unknown): void {
    if (call.forsaken) {
      return;
    }
    const first = this.#waitingFrom === this.#waiting.length;
    if (call.parcel === undefined) {
      if (!this.#open || !first || !this.#hasRoom()) {
        if (!call.pack(argument, this.shares)) {
          return;
        }
      } else {
        try {
          call.parcel = this.#stage(call, argument);
        } catch (error) {
          if (!this.#isLost(error)) {
            call.reject(error);
            return;
          }
          if (!call.pack(argument, this.shares)) {
            return;
          }
        }
      }
    }
    if (this.#abandoned) {
      // A getter of the argument has shut the pool down.
      this.#events.refused(call);
      return;
    }
    if (call.parcel !== undefined) {
      this.#waiting.push(call);
    }
    if (!this.#open) {
      return;
    }
    if (call.limit !== undefined || this.#hardTimeoutMs !== Number.POSITIVE_INFINITY) {
      this.#limits.watch(Math.min(call.limit?.millis ?? Number.POSITIVE_INFINITY, this.#hardTimeoutMs));
    }
    if (this.#outbox.staged >= EARLY_SLOTS) {
      this.#turn(0);
    } else if (!this.#flushScheduled) {
      this.#flushScheduled = true;
      queueMicrotask(this.#flush);
    }
  }

  /** Takes in what has arrived, without waiting. For a worker that has ended: the last there will be. */
  drain(): void {
    if (this.#open) {
      this.#asleep = false;
      while (
        this.#receive(this.#exchange(this.#outbox.takeStaged(), 0)) &&
        this.#words[STAGING_MORE] !== 0
      ) {}
    }
  }

  /** Takes in what has arrived while the event loop was held up elsewhere, before the worker is judged by the clock. */
  catchUp(): void {
    this.drain();
    if (this.#open) {
      this.#turn(0);
    }
  }

  /**
   * Gives up the calls: those the worker had started, as far as it says so, and the others in their order. The lane takes
   * no more; it is still to be closed.
   */
  abandon(): { started: Call[]; unstarted: Call[] } {
    const calls = { started: [] as Call[], unstarted: [] as Call[] };
    // What a liar says of what it has started is worth nothing: none of its calls is given to another worker.
    const firstUnstarted = this.#isViolated ? this.#sequence : this.native.started();
    const inFlight = this.#calls.filter((call) => call !== undefined);
    inFlight.sort((a, b) => (a.sequence - b.sequence) | 0);
    for (const call of inFlight) {
      call.carrier = undefined;
      call.unattended = false;
      if (call.forsaken) {
        continue;
      }
      // Sequence numbers wrap.
      if (call.hasStreamed || ((call.sequence - firstUnstarted) | 0) < 0) {
        calls.started.push(call);
        continue;
      }
      try {
        call.recover(this.native, this.shares.held(call.id));
        calls.unstarted.push(call);
      } catch {
        // Its argument has gone with the memory: no other worker can have it.
        calls.started.push(call);
      }
    }
    calls.unstarted = calls.unstarted.concat(
      this.#waiting.slice(this.#waitingFrom).filter((call) => !call.forsaken),
    );
    this.#open = false;
    this.#abandoned = true;
    this.#calls.length = 0;
    this.#waiting = [];
    this.#waitingFrom = 0;
    this.#inFlight = 0;
    this.#unattended = 0;
    this.#messages = [];
    this.#release();
    this.#idle.stop();
    this.#limits.stop();
    return calls;
  }

  /** Lets go of the memory; kills a worker process that is still there. */
  close(): void {
    this.#open = false;
    this.#release();
    this.#idle.stop();
    this.#limits.stop();
    this.shares.close();
    this.native.close();
    this.#outbox.close();
  }

  /** Whether there was no room because the memory itself is gone, which an exchange tells: another worker gets the call then. */
  #isLost(error: unknown): boolean {
    if (error instanceof KnittingError && error.code === "KNITTING_NO_MEMORY") {
      this.catchUp();
    }
    return !this.#open;
  }

  #hasRoom(): boolean {
    return this.#outbox.hasRoom && (this.#freeIds.length > 0 || this.#calls.length < MAX_CALLS);
  }

  /** Stages a call; returns its parcel instead if the arena has no room for it. */
  #stage(call: Call, argument: unknown): Parcel | undefined {
    const id = this.#freeIds.pop() ?? this.#calls.length;
    // Taken from now on: a getter of the argument may make calls of its own.
    this.#calls[id] = undefined;
    const generation = (this.#generations[id] + 1) >>> 0 || 1;
    let parcel: Parcel | undefined;
    try {
      if (call.parcel === undefined) {
        parcel = this.#outbox.stage(id, generation, call.task, 0, argument);
      } else if (!this.#outbox.stageParcel(id, generation, call.task, call.parcel)) {
        parcel = call.parcel;
      }
    } catch (error) {
      this.shares.withdraw(id);
      this.#freeIds.push(id);
      throw error;
    }
    if (parcel !== undefined) {
      this.shares.withdraw(id);
      this.#freeIds.push(id);
      return parcel;
    }
    this.#generations[id] = generation;
    this.#calls[id] = call;
    call.sequence = this.#sequence;
    call.id = id;
    call.carrier = this;
    call.startedAt = 0;
    this.#sequence = (this.#sequence + 1) >>> 0;
    this.#inFlight++;
    return undefined;
  }

  /**
   * Sends what belongs to a call in flight: the units that it takes. Throws if it can't be sent. What follows within this turn
   * of the event loop goes with it.
   */
  #send(call: Call, flags: number, value: unknown): number {
    if (call.carrier !== this) {
      // It has been answered, or its worker is gone.
      return 0;
    }
    const generation = this.#generations[call.id];
    const hasRoom = this.#messages.length === 0 && this.#outbox.hasRoom;
    const parcel = hasRoom
      ? this.#outbox.stage(call.id, generation, 0, flags, value)
      : this.#outbox.pack(flags, value);
    if (parcel === undefined) {
      this.#sequence = (this.#sequence + 1) >>> 0;
    } else {
      this.#messages.push({ call, generation, parcel });
    }
    if (!this.#flushScheduled) {
      this.#flushScheduled = true;
      nextTick(this.#flushQuietly);
    }
    return parcel === undefined ? this.#outbox.units : unitsOfParcel(parcel);
  }

  /** Stages what waits, as far as there is room now. */
  #stageWaiting(): void {
    if (this.#messages.length > 0) {
      let done = 0;
      for (const { call, generation, parcel } of this.#messages) {
        if (call.carrier === this && this.#generations[call.id] === generation) {
          if (!this.#outbox.hasRoom || !this.#outbox.stageParcel(call.id, generation, 0, parcel)) {
            break;
          }
          this.#sequence = (this.#sequence + 1) >>> 0;
        }
        done++;
      }
      this.#messages.splice(0, done);
    }
    while (this.#waitingFrom < this.#waiting.length && this.#hasRoom()) {
      const call = this.#waiting[this.#waitingFrom];
      try {
        if (!call.forsaken && this.#stage(call, undefined) !== undefined) {
          break;
        }
        call.parcel = undefined;
      } catch (error) {
        call.reject(error);
      }
      this.#waitingFrom++;
    }
    if (this.#waitingFrom === this.#waiting.length) {
      this.#waiting = [];
      this.#waitingFrom = 0;
    } else if (this.#waitingFrom > 1024 && this.#waitingFrom * 2 > this.#waiting.length) {
      this.#waiting = this.#waiting.slice(this.#waitingFrom);
      this.#waitingFrom = 0;
    }
  }

  /** Nobody waits for the call any more: tells the worker, and lets the process end if nobody waits for another. */
  forsake(call: Call): void {
    this.#attend(call, false);
    this.native.abort(call.id);
    if (call.stream !== undefined) {
      this.#send(call, ROLE_CANCEL, undefined);
    }
    if (call.source !== undefined) {
      const reason = new DOMException("nobody waits for this call any more", "AbortError");
      this.#send(call, ROLE_END | FLAG_REJECTED, reason);
    }
    if (this.load === this.#unattended) {
      this.#release();
    }
  }

  /** Somebody waits for the call, or for the next item of its stream, or nobody does any more. */
  #attend(call: Call, waits: boolean): void {
    if (call.carrier !== this || call.unattended !== waits || (waits && call.forsaken)) {
      return;
    }
    call.unattended = !waits;
    this.#unattended += waits ? -1 : 1;
    if (waits && this.#asleep && !this.#holding) {
      this.#holding = true;
      hold();
    }
  }

  /** Ends the calls whose task has run for too long. Returns the shortest limit that is left, infinity if there is none. */
  #enforceLimits(): number {
    if (this.#open && !this.#booting && this.#lateCalls().length > 0) {
      this.catchUp();
      for (const { call, isOverdue } of this.#open ? this.#lateCalls() : []) {
        if (isOverdue) {
          this.#events.overdue(call.task);
          return Number.POSITIVE_INFINITY;
        }
        call.forsake(({ limit }) => limit?.end(call));
      }
    }
    let shortest = Number.POSITIVE_INFINITY;
    if (this.#open && this.load > 0) {
      shortest = this.#hardTimeoutMs;
      for (const call of this.calls) {
        if (call.limit !== undefined && !call.forsaken) {
          shortest = Math.min(shortest, call.limit.millis);
        }
      }
    }
    return shortest;
  }

  /**
   * The calls that have run for longer than they may, as far as is known by now. What the worker says of what it has started is
   * a hint: where it runs nothing, the first call in line counts as running.
   */
  #lateCalls(): { call: Call; isOverdue: boolean }[] {
    const late: { call: Call; isOverdue: boolean }[] = [];
    const look = (call: Call, elapsed: number) => {
      const isOverdue = elapsed > this.#hardTimeoutMs;
      if (isOverdue || (call.limit !== undefined && !call.forsaken && elapsed >= call.limit.millis)) {
        late.push({ call, isOverdue });
      }
    };
    const time = now();
    const firstUnstarted = this.native.started();
    let running = 0;
    let first: Call | undefined;
    for (const call of this.#calls) {
      if (call === undefined) {
        continue;
      }
      if (((call.sequence - firstUnstarted) | 0) >= 0) {
        first = first === undefined || ((call.sequence - first.sequence) | 0) < 0 ? call : first;
        continue;
      }
      if (!call.isOwed) {
        call.startedAt = 0;
        continue;
      }
      running++;
      call.startedAt ||= time;
      look(call, time - call.startedAt);
    }
    if (running > 0 || first === undefined || first.sequence !== this.#stalled.sequence) {
      this.#stalled = { sequence: running > 0 ? -1 : (first?.sequence ?? -1), since: time };
    } else {
      look(first, time - this.#stalled.since);
    }
    return late;
  }

  readonly #flush = (): void => {
    this.#flushScheduled = false;
    if (this.#open) {
      this.#turn(this.#spinBudget());
    }
  };

  /** Of what is sent for calls in flight nothing comes back at once. */
  readonly #flushQuietly = (): void => {
    this.#flushScheduled = false;
    if (this.#open) {
      this.#turn(0);
    }
  };

  readonly #poll = (): void => {
    this.#pollScheduled = false;
    this.#spinsThisTurn = 0;
    if (this.#open) {
      this.#turn(POLL_NANOS);
    }
  };

  readonly #wake = (): void => {
    if (this.#open) {
      this.#spinsThisTurn = 0;
      this.#turn(0);
    }
  };

  #spinBudget(): number {
    if (this.#inFlight > SPIN_CALLS || this.#spinsThisTurn >= SPINS_PER_TURN) {
      return 0;
    }
    if (this.#slow > 0 && this.#slow++ % SLOW_PROBE !== 0) {
      return 0;
    }
    return this.#spinNanos;
  }

  /** One exchange and what follows from it. */
  #turn(spinNanos: number): void {
    this.#asleep = false;
    let arrived = this.#exchange(this.#outbox.takeStaged(), spinNanos);
    this.#spinsThisTurn++;
    let progress = arrived > 0;
    let more = this.#takeIn(arrived);
    const turnEnds = more ? now() + TURN_MILLIS : 0;
    while (more) {
      arrived = this.#exchange(this.#outbox.takeStaged(), 0);
      progress ||= arrived > 0;
      more = this.#takeIn(arrived);
      if (more && now() > turnEnds) {
        this.#pollSoon();
        return;
      }
    }
    if (this.#open) {
      this.#rest(progress);
    }
  }

  /** Settles what arrived and stages what has waited for room. True if another exchange is due at once. */
  #takeIn(arrived: number): boolean {
    if (!this.#receive(arrived)) {
      return false;
    }
    const more = this.#words[STAGING_MORE] !== 0;
    this.#stageWaiting();
    return more || this.#outbox.staged > 0;
  }

  /** Decides how to wait for what is in flight. */
  #rest(progress: boolean): void {
    if (this.#flushScheduled || this.#pollScheduled) {
      return;
    }
    if (this.#booting) {
      this.#sleep();
      return;
    }
    const woke = this.#words[STAGING_WOKE] !== 0;
    if (progress) {
      if (this.#waitingSince > 0) {
        const limit = woke ? WAKE_POLL_MILLIS : QUICK_MILLIS;
        this.#slow = now() - this.#waitingSince < limit ? 0 : 1;
        this.#waitingSince = 0;
      }
      this.#words[STAGING_WOKE] = 0;
    }
    if (this.load === 0) {
      // Nothing can arrive: nobody needs to watch.
      this.#idle.touch();
      this.#release();
      return;
    }
    const time = now();
    this.#waitingSince ||= time;
    const hurried = this.#slow > 0 || this.#words[STAGING_CROWDED] !== 0;
    const patience = hurried ? SLOW_POLL_MILLIS : woke ? WAKE_POLL_MILLIS : QUICK_MILLIS;
    if (time - this.#waitingSince <= patience) {
      this.#pollSoon();
    } else {
      this.#sleep();
    }
  }

  #pollSoon(): void {
    if (!this.#pollScheduled) {
      this.#pollScheduled = true;
      setImmediate(this.#poll);
    }
  }

  /** Arms the doorbell, and keeps the process alive if somebody waits for an answer. */
  #sleep(): void {
    const waits = this.#waitingFrom < this.#waiting.length || this.#messages.length > 0;
    if (waits !== this.#wantsRoom) {
      this.#wantsRoom = waits;
      this.native.wantRoom(waits);
    }
    if (this.load === this.#unattended) {
      this.#release();
    } else if (!this.#holding) {
      this.#holding = true;
      hold();
    }
    if (!this.#asleep) {
      this.#asleep = this.native.arm();
      if (!this.#asleep) {
        this.#pollSoon();
      }
    }
  }

  #release(): void {
    if (this.#holding) {
      this.#holding = false;
      release();
    }
  }

  /** Settles what arrived. False if the lane is lost. */
  #receive(arrived: number): boolean {
    if (arrived < 0) {
      if (arrived === VIOLATED) {
        this.#violated(this.native.violation() ?? "unknown");
      }
      return false;
    }
    const inbox = this.#inbox;
    for (let index = 0; index < arrived; index++) {
      const kind = inbox.kind(index);
      let value: unknown;
      let rejected = (inbox.flags(index) & FLAG_REJECTED) !== 0;
      try {
        value = inbox.value(index);
      } catch (error) {
        if (error instanceof MalformedPayload) {
          this.#violated(`a value can't be decoded: ${error.message}`);
          return false;
        }
        // No memory for it, or the like: that is this call's misfortune alone.
        value = error;
        rejected = true;
      }
      if (kind === KIND_ATTACHED) {
        this.#events.attached();
        continue;
      }
      if (kind === KIND_READY) {
        this.#booting = false;
        this.#events.ready();
        continue;
      }
      if (kind === KIND_BOOT_FAILED) {
        this.#open = false;
        this.#events.bootFailed(value);
        return false;
      }
      const id = inbox.call(index);
      const call = this.#calls[id] as Call;
      const role = inbox.flags(index) & ROLE_MASK;
      if (role !== 0) {
        this.#hear(call, role, value, inbox.units(index), rejected);
        continue;
      }
      this.#calls[id] = undefined;
      this.#freeIds.push(id);
      this.shares.release(id);
      this.#inFlight--;
      this.served++;
      call.carrier = undefined;
      if (call.unattended) {
        call.unattended = false;
        this.#unattended--;
      }
      if (rejected) {
        call.reject(value);
      } else {
        call.resolve(value);
      }
    }
    return true;
  }

  /** What is not a call's end. `isLost`: its value could not be had, `value` says why. */
  #hear(call: Call, role: number, value: unknown, units: number, isLost: boolean): void {
    switch (role) {
      case ROLE_STREAM:
        call.startedAt = 0;
        call.open(this.#receiver(call));
        this.#attend(call, false);
        break;
      case ROLE_ITEM:
        call.startedAt = 0;
        if (isLost) {
          call.forsake(() => call.reject(value));
        } else {
          call.stream?.push(value, units);
        }
        break;
      case ROLE_CREDIT:
        if (!call.forsaken) {
          this.#sender(call).grant(value as number);
        }
        break;
      case ROLE_CANCEL:
        this.#sender(call).cancel(value);
        break;
      case ROLE_PROGRESS:
        if (!isLost) {
          call.tell(value);
        }
    }
  }

  #receiver(call: Call): StreamReceiver {
    return new StreamReceiver(
      {
        grant: (units) => this.#send(call, ROLE_CREDIT, units),
        cancel: (value) => {
          this.#send(call, ROLE_CANCEL, value);
          if (call.carrier === this) {
            // The task may be waiting for something of which its signal relieves it.
            this.native.abort(call.id);
          }
        },
        attend: (waits) => this.#attend(call, waits),
      },
      0,
    );
  }

  /** The sender of a call's argument: the worker has asked for some of it, so the call has one. */
  #sender(call: Call): StreamSender {
    const source = call.source as StreamSender;
    if (source.hasBegun) {
      return source;
    }
    source.connect({
      send: (item) => {
        call.startedAt = 0;
        const units = this.#send(call, ROLE_ITEM, item);
        if (this.#outbox.staged >= EARLY_SLOTS) {
          this.#turn(0);
        }
        return units;
      },
      end: (flags, value) => {
        try {
          this.#send(call, ROLE_END | flags, value);
        } catch (error) {
          giveReason(error, (reason) => this.#send(call, ROLE_END | FLAG_REJECTED, reason));
        }
      },
    });
    return source;
  }

  #violated(what: string): void {
    this.#open = false;
    this.#isViolated = true;
    this.#events.violated(new ProtocolViolationError(`a worker broke the protocol of its lane: ${what}`));
  }
}
