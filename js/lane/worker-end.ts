/**
 * The worker's end of a lane: calls in, results out.
 *
 * ```text
 *   serve: exchange, spinning a little -> run what arrived -> exchange -> ...
 *     nothing arrives:    arm the doorbell, back to the event loop; a native thread wakes it
 *     a millisecond gone: back to the event loop for one turn (timers, servers, streams of the tasks' own)
 *     promises pending:   microtasks first, then the event loop
 * ```
 *
 * Each argument is decoded before its task is marked as started, and each task is marked before it is entered: that is
 * what the host goes by when this worker dies.
 */
import type { MessagePort } from "node:worker_threads";
import { now, queueMicrotask, setImmediate } from "../clock";
import type { TaskFunction } from "../definition";
import type { TaskNotFoundError } from "../errors";
import {
  FLAG_REJECTED,
  KIND_ATTACHED,
  KIND_BOOT_FAILED,
  KIND_READY,
  STAGING_FIRST_SEQUENCE,
  WORD_ABORTS,
  WORD_SUBMISSION_HEAD,
} from "../generated/layout";
import { type Exchange, type NativeWorkerLane, native, VIOLATED } from "../native";
import { Decoder } from "../payload/decode";
import { WorkerShares } from "../shared/worker-shares";
import type { BootFault, Program } from "../worker/program";
import { AbortToolkit, isAborted } from "./abort-toolkit";
import { Idle, KEEP_WARM_BYTES } from "./idle";
import { Inbox, type Payloads } from "./inbox";
import { hold } from "./keep-alive";
import { Outbox, type Parcel, pack } from "./outbox";

/** A task, or why there is none: each call of it rejects with that. */
export type ServedTask = TaskFunction | { readonly missing: TaskNotFoundError };

/** `exchange` with this publishes and takes nothing in. */
const PUBLISH_ONLY = -1;
/** How long tasks may follow one another before the event loop gets a turn. */
const TURN_MILLIS = 1;
/** Results are published before a task that last took longer than this, and at least this often. */
const PUBLISH_MILLIS = 0.02;
/** And as soon as there are so many. */
const PUBLISH_SLOTS = 32;
/** Turns of the event loop that are given to pending promises before the worker goes to sleep. */
const POLLS = 4;
/** Bytes of the incoming arena that are visible at first; it doubles as they are needed. */
const FIRST_WINDOW_BYTES = 1024 * 1024;
/** Payloads of more bytes than this are fetched into warm memory of their own. */
const FETCH_BYTES = 32 * 1024;

/** Index of the word in which the worker says what it has started. */
const STARTED = WORD_SUBMISSION_HEAD >> 2;
/** And of the one that tells how often the host has aborted a call. */
const ABORTS = WORD_ABORTS >> 2;

interface Reply {
  readonly call: number;
  readonly generation: number;
  readonly parcel: Parcel;
}

export class WorkerEnd {
  readonly #native: NativeWorkerLane;
  readonly #exchange: Exchange;
  readonly #shares: WorkerShares;
  readonly #outbox: Outbox;
  readonly #inbox: Inbox;
  readonly #staging: Uint32Array;
  readonly #words: Uint32Array;
  readonly #idle: Idle;
  #tasks: readonly ServedTask[] = [];
  /** Which of them are to be told of aborts. */
  #abortable: readonly boolean[] = [];
  /** How often the host has aborted a call, as far as this side has seen. */
  #aborts = 0;
  /** Toolkits whose signal somebody listens to. */
  readonly #listening = new Set<AbortToolkit>();
  #arena: Decoder;
  #pending = 0;
  /** How long to spin for the next call; the host may allow less. */
  #spinNanos = 0;
  #waiting: Reply[] = [];
  #scheduled = false;
  #serving = false;
  #polls = 0;
  /** What the last exchange brought: the first one's sequence number, how many there are, and which is next. */
  #first = 0;
  #arrived = 0;
  #next = 0;
  #turnEnds = 0;
  #lastPublish = 0;
  /** How long each task took the last time, in milliseconds. */
  #took = new Float64Array();

  /**
   * Attaches by what `attach` does with the wake-up it is given. A thread's end of the port by which SharedArrayBuffers come is
   * `port`. Throws if the memory is refused.
   */
  constructor(attach: (wake: () => void) => NativeWorkerLane, port?: MessagePort) {
    this.#native = attach(() => this.#turn());
    this.#exchange = this.#native.exchangeFunction();
    const staging = this.#native.staging();
    this.#staging = new Uint32Array(staging);
    this.#words = new Uint32Array(this.#native.words());
    this.#shares = new WorkerShares(this.#native, port);
    this.#outbox = new Outbox(this.#native, staging, this.#shares);
    this.#arena = new Decoder(this.#native.incoming(FIRST_WINDOW_BYTES)).sharing(this.#shares);
    const payloads: Payloads = {
      base: 0,
      isFar: (_flags, length) => length > FETCH_BYTES,
      near: (offset, length) => this.#near(offset + length),
      fetch: (offset, length) => this.#native.copyOut(offset, length),
    };
    this.#inbox = new Inbox(staging, payloads, this.#shares);
    this.#idle = new Idle(() => {
      const held = this.#native.trim(KEEP_WARM_BYTES);
      if (native().trimBlocks() || held) {
        // The host has not handed the last results back yet.
        this.#idle.touch();
      }
    });
    this.#outbox.stageReport(KIND_ATTACHED, undefined);
    this.#publish();
  }

  /** What a process is to run, as its boot payload says. */
  get program(): Program {
    return JSON.parse(this.#native.program);
  }

  /** Tells the host that boot is over and serves calls from now on. */
  serve(tasks: readonly ServedTask[], { tasks: sources, spinNanos }: Program): void {
    this.#tasks = tasks;
    this.#abortable = sources.map(({ abortable }) => abortable);
    this.#spinNanos = spinNanos;
    this.#took = new Float64Array(tasks.length).fill(Number.POSITIVE_INFINITY);
    hold();
    this.#outbox.stageReport(KIND_READY, undefined);
    this.#turn();
  }

  /** Tells the host that boot has failed, and why. */
  fail(fault: BootFault): void {
    this.#outbox.stageReport(KIND_BOOT_FAILED, fault);
    this.#exchange(this.#outbox.takeStaged(), 0);
  }

  #near(end: number): Decoder {
    if (end > this.#arena.byteLength) {
      let window = this.#arena.byteLength;
      while (window < end) {
        window *= 2;
      }
      this.#arena = new Decoder(this.#native.incoming(window)).sharing(this.#shares);
    }
    return this.#arena;
  }

  /** Serves, coming from the event loop. */
  readonly #turn = (): void => {
    this.#turnEnds = now() + TURN_MILLIS;
    this.#serve();
  };

  /** Serves until there is nothing to do, promises are to settle first, or the turn is over. */
  readonly #serve = (): void => {
    this.#scheduled = false;
    if (this.#serving) {
      return;
    }
    this.#serving = true;
    try {
      do {
        if (this.#next === this.#arrived && !this.#receive()) {
          return;
        }
        this.#run();
        if (this.#pending > 0 && now() <= this.#turnEnds) {
          // Most promises settle within the microtasks that are due: results go with the next exchange.
          this.#schedule(queueMicrotask, this.#serve);
          return;
        }
      } while (now() <= this.#turnEnds);
      this.#publish();
      this.#schedule(setImmediate, this.#turn);
    } finally {
      this.#serving = false;
    }
  };

  /** Exchanges. False if there is nothing to run: then it is clear what happens next. */
  #receive(): boolean {
    const arrived = this.#exchange(this.#outbox.takeStaged(), this.#pending === 0 ? this.#spinNanos : 0);
    const aborts = Atomics.load(this.#words, ABORTS);
    if (aborts !== this.#aborts) {
      this.#aborts = aborts;
      for (const toolkit of this.#listening) {
        toolkit.look();
      }
    }
    if (arrived < 0) {
      if (arrived === VIOLATED) {
        // Nothing can be told to the host any more but by ending.
        throw new Error("the memory that this worker shares with its host is gone");
      }
      return false;
    }
    this.#stageWaiting();
    if (arrived === 0) {
      while (this.#outbox.staged > 0) {
        // This takes note of room as well, of which nobody would tell the sleeper again.
        this.#publish();
        this.#stageWaiting();
      }
      this.#rest();
      return false;
    }
    this.#polls = 0;
    this.#next = 0;
    this.#arrived = arrived;
    this.#first = this.#staging[STAGING_FIRST_SEQUENCE];
    return true;
  }

  #schedule(how: (turn: () => void) => unknown, turn: () => void): void {
    if (!this.#scheduled) {
      this.#scheduled = true;
      how(turn);
    }
  }

  /** Nothing to do now: to the event loop, and to sleep. */
  #rest(): void {
    this.#idle.touch();
    if (this.#pending > 0 && this.#polls++ < POLLS) {
      this.#schedule(setImmediate, this.#turn);
      return;
    }
    if (this.#waiting.length > 0) {
      this.#native.wantRoom(true);
    }
    if (this.#native.arm()) {
      return;
    }
    if (this.#native.stopped()) {
      exit();
    }
    this.#schedule(setImmediate, this.#turn);
  }

  /** Runs what has arrived, at least one of it, until the turn is over. */
  #run(): void {
    let time = now();
    this.#lastPublish = time;
    while (this.#next < this.#arrived) {
      const index = this.#next++;
      const task = this.#inbox.task(index);
      if (this.#outbox.staged > 0 && this.#took[task] > PUBLISH_MILLIS) {
        this.#publish();
      }
      this.#runOne(index, task);
      const end = now();
      this.#took[task] = end - time;
      time = end;
      if (
        this.#outbox.staged >= PUBLISH_SLOTS ||
        (this.#outbox.staged > 0 && end - this.#lastPublish > PUBLISH_MILLIS)
      ) {
        this.#publish();
        this.#lastPublish = end;
      }
      if (end > this.#turnEnds) {
        return;
      }
    }
  }

  #runOne(index: number, task: number): void {
    const inbox = this.#inbox;
    const call = inbox.call(index);
    const generation = inbox.generation(index);
    const started = this.#first + index + 1;
    let result: unknown;
    let flags = 0;
    let toolkit: AbortToolkit | undefined;
    try {
      const argument = inbox.value(index);
      Atomics.store(this.#words, STARTED, started);
      const served = this.#tasks[task];
      if (typeof served !== "function") {
        throw served.missing;
      }
      if (Atomics.load(this.#words, ABORTS) !== 0 && isAborted(this.#words, call)) {
        // Nobody waits for it, and it has not begun.
        throw undefined;
      }
      if (this.#abortable[task]) {
        toolkit = new AbortToolkit(this.#words, call, this.#listening);
        result = served(argument, toolkit);
      } else {
        result = (served as (argument: unknown) => unknown)(argument);
      }
      if (isThenable(result)) {
        // Foreign thenables may call back twice, or throw; a native promise does neither.
        Promise.resolve(result).then(
          (value) => this.#settle(call, generation, 0, value, toolkit),
          (error) => this.#settle(call, generation, FLAG_REJECTED, error, toolkit),
        );
        this.#pending++;
        return;
      }
    } catch (error) {
      Atomics.store(this.#words, STARTED, started);
      result = error;
      flags = FLAG_REJECTED;
    }
    toolkit?.close();
    this.#reply(call, generation, flags, result);
  }

  /** Publishes results; what the last exchange brought stays as it is. */
  #publish(): void {
    this.#exchange(this.#outbox.takeStaged(), PUBLISH_ONLY);
  }

  /** A promise has settled. */
  #settle(
    call: number,
    generation: number,
    flags: number,
    value: unknown,
    toolkit: AbortToolkit | undefined,
  ): void {
    this.#pending--;
    toolkit?.close();
    this.#reply(call, generation, flags, value);
    if (!this.#serving) {
      this.#schedule(queueMicrotask, this.#serve);
    }
  }

  #reply(call: number, generation: number, flags: number, value: unknown): void {
    try {
      this.#stage(call, generation, flags, value);
    } catch (error) {
      // What can't be sent rejects this call alone.
      try {
        this.#stage(
          call,
          generation,
          FLAG_REJECTED,
          error instanceof Error ? error : new Error(String(error)),
        );
      } catch {
        const reason = new Error("the task threw something that can't be sent");
        this.#stage(call, generation, FLAG_REJECTED, reason);
      }
    }
  }

  #stage(call: number, generation: number, flags: number, value: unknown): void {
    let parcel: Parcel | undefined;
    if (this.#waiting.length === 0 && this.#outbox.hasRoom) {
      parcel = this.#outbox.stage(call, generation, 0, flags, value);
    } else {
      parcel = pack(flags, value, this.#shares);
    }
    if (parcel !== undefined) {
      this.#waiting.push({ call, generation, parcel });
    }
  }

  /** Stages results that had to wait, as far as there is room now. */
  #stageWaiting(): void {
    if (this.#waiting.length === 0) {
      return;
    }
    let done = 0;
    for (const { call, generation, parcel } of this.#waiting) {
      if (!this.#outbox.hasRoom || !this.#outbox.stageParcel(call, generation, 0, parcel)) {
        break;
      }
      done++;
    }
    this.#waiting.splice(0, done);
    if (this.#waiting.length === 0) {
      this.#native.wantRoom(false);
    }
  }
}

/** Kept from before any task could replace it. */
const exit = process.exit.bind(process, 0) as () => never;

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return (
    typeof value === "object" && value !== null && typeof (value as PromiseLike<unknown>).then === "function"
  );
}
