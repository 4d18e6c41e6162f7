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
import { type TaskNotFoundError, UnsupportedPayloadError } from "../errors";
import {
  FLAG_REJECTED,
  KIND_BOOT_FAILED,
  KIND_READY,
  STAGING_FIRST_SEQUENCE,
  WORD_SUBMISSION_HEAD,
} from "../generated/layout";
import { type Exchange, type NativeWorkerLane, native } from "../native";
import { Decoder } from "../payload/decode";
import type { TaskFunction } from "../task";
import { Idle } from "./idle";
import { Inbox } from "./inbox";
import { hold } from "./keep-alive";
import { Outbox, type Parcel } from "./outbox";

/** A task, or why there is none: each call of it rejects with that. */
export type ServedTask = TaskFunction | { readonly missing: TaskNotFoundError };

/** How long the worker spins for its next call; the host may allow less. */
const SPIN_NANOS = 50_000;
/** `exchange` with this publishes and takes nothing in. */
const PUBLISH_ONLY = -1;
/** How long tasks may run one after the other before the event loop gets a turn. */
const TURN_MILLIS = 1;
/** A result waits no longer than this for the other results of its batch. */
const PUBLISH_MILLIS = 0.02;
/** Nor for more of them than this. */
const PUBLISH_SLOTS = 32;
/** Turns of the event loop that are given to pending promises before the worker goes to sleep. */
const POLLS = 4;
/** Bytes of the incoming arena that are visible at first; it doubles as they are needed. */
const FIRST_WINDOW_BYTES = 1024 * 1024;
/** Payloads of more bytes than this are fetched into warm memory of their own. */
const FETCH_BYTES = 32 * 1024;
/** Memory of an arena that stays warm when a lane has been idle. */
const KEEP_WARM_BYTES = 4 * 1024 * 1024;

interface Reply {
  readonly call: number;
  readonly generation: number;
  readonly parcel: Parcel;
}

export class WorkerEnd {
  readonly #native: NativeWorkerLane;
  readonly #exchange: Exchange;
  readonly #outbox: Outbox;
  readonly #inbox: Inbox;
  readonly #staging: Uint32Array;
  readonly #words: Uint32Array;
  readonly #idle: Idle;
  #tasks: readonly ServedTask[] = [];
  #arena: Decoder;
  #pending = 0;
  #waiting: Reply[] = [];
  #scheduled = false;
  #serving = false;
  #polls = 0;
  #lastPublish = 0;

  /** Attaches by what `attach` does with the wake-up it is given. Throws if the memory is refused. */
  constructor(attach: (wake: () => void) => NativeWorkerLane) {
    this.#native = attach(() => this.#serve());
    this.#exchange = this.#native.exchangeFunction();
    const staging = this.#native.staging();
    this.#staging = new Uint32Array(staging);
    this.#words = new Uint32Array(this.#native.words());
    this.#outbox = new Outbox(this.#native, staging);
    this.#arena = new Decoder(this.#native.incoming(FIRST_WINDOW_BYTES));
    this.#inbox = new Inbox(staging, {
      base: 0,
      isFar: (_flags, length) => length > FETCH_BYTES,
      near: (offset, length) => this.#near(offset + length),
      fetch: (offset, length) => this.#native.copyOut(offset, length),
    });
    this.#idle = new Idle(() => {
      this.#native.trim(KEEP_WARM_BYTES);
      native().trimBlocks();
    });
  }

  /** The pool's tasks as the boot payload names them. */
  get sources(): NativeWorkerLane["tasks"] {
    return this.#native.tasks;
  }

  /** Tells the host that boot is over and serves calls from now on. */
  serve(tasks: readonly ServedTask[]): void {
    this.#tasks = tasks;
    hold();
    this.#outbox.stageReport(KIND_READY, undefined);
    this.#serve();
  }

  /** Tells the host that boot has failed, and why. */
  fail(error: unknown): void {
    this.#outbox.stageReport(KIND_BOOT_FAILED, error);
    this.#exchange(this.#outbox.takeStaged(), 0);
  }

  #near(end: number): Decoder {
    if (end > this.#arena.byteLength) {
      let window = this.#arena.byteLength;
      while (window < end) {
        window *= 2;
      }
      this.#arena = new Decoder(this.#native.incoming(window));
    }
    return this.#arena;
  }

  readonly #serve = (): void => {
    this.#scheduled = false;
    if (this.#serving) {
      return;
    }
    this.#serving = true;
    const turnEnds = performance.now() + TURN_MILLIS;
    try {
      for (;;) {
        const mayWait = this.#pending === 0;
        const arrived = this.#exchange(this.#outbox.takeStaged(), mayWait ? SPIN_NANOS : 0);
        if (arrived < 0) {
          return;
        }
        this.#stageWaiting();
        if (arrived > 0) {
          this.#polls = 0;
          this.#run(arrived);
        } else if (this.#outbox.staged === 0) {
          this.#rest();
          return;
        }
        if (this.#pending > 0) {
          // Most promises settle within the microtasks that are due: results go with the next exchange.
          this.#schedule(queueMicrotask);
          return;
        }
        if (performance.now() > turnEnds) {
          this.#schedule(setImmediate);
          return;
        }
      }
    } finally {
      this.#serving = false;
    }
  };

  #schedule(how: (turn: () => void) => unknown): void {
    if (!this.#scheduled) {
      this.#scheduled = true;
      how(this.#serve);
    }
  }

  /** Nothing to do now: to the event loop, and to sleep. */
  #rest(): void {
    this.#idle.touch();
    if (this.#pending > 0 && this.#polls++ < POLLS) {
      this.#schedule(setImmediate);
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
    this.#schedule(setImmediate);
  }

  #run(arrived: number): void {
    const first = this.#staging[STAGING_FIRST_SEQUENCE];
    this.#lastPublish = performance.now();
    for (let index = 0; index < arrived; index++) {
      const inbox = this.#inbox;
      const call = inbox.call(index);
      const generation = inbox.generation(index);
      const task = this.#tasks[inbox.task(index)];
      let result: unknown;
      let flags = 0;
      try {
        const argument = inbox.value(index);
        this.#words[WORD_SUBMISSION_HEAD >> 2] = first + index + 1;
        if (typeof task !== "function") {
          throw task.missing;
        }
        result = task(argument);
      } catch (error) {
        this.#words[WORD_SUBMISSION_HEAD >> 2] = first + index + 1;
        result = error;
        flags = FLAG_REJECTED;
      }
      if (flags === 0 && isThenable(result)) {
        this.#pending++;
        // Foreign thenables may call back twice, or throw; a native promise does neither.
        Promise.resolve(result).then(
          (value) => this.#settle(call, generation, 0, value),
          (error) => this.#settle(call, generation, FLAG_REJECTED, error),
        );
        continue;
      }
      this.#reply(call, generation, flags, result);
      this.#publishInTime();
    }
  }

  /** Publishes results early enough that none waits long for a slow task behind it. */
  #publishInTime(): void {
    const now = performance.now();
    if (now - this.#lastPublish > PUBLISH_MILLIS || this.#outbox.staged >= PUBLISH_SLOTS) {
      this.#exchange(this.#outbox.takeStaged(), PUBLISH_ONLY);
      this.#lastPublish = now;
    }
  }

  /** A promise has settled. */
  #settle(call: number, generation: number, flags: number, value: unknown): void {
    this.#pending--;
    this.#reply(call, generation, flags, value);
    if (!this.#serving) {
      this.#schedule(queueMicrotask);
    }
  }

  #reply(call: number, generation: number, flags: number, value: unknown): void {
    try {
      this.#stage(call, generation, flags, value);
    } catch (error) {
      // What can't be sent rejects this call alone. Of an error everything that can't be sent is left out.
      this.#stage(call, generation, FLAG_REJECTED, sendable(error));
    }
  }

  #stage(call: number, generation: number, flags: number, value: unknown): void {
    let parcel: Parcel | undefined;
    if (this.#waiting.length === 0 && this.#outbox.hasRoom) {
      parcel = this.#outbox.stage(call, generation, 0, flags, value);
    } else {
      parcel = this.#outbox.pack(flags, value);
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

/** An error that can be sent for sure, instead of one that could not. */
function sendable(error: unknown): unknown {
  if (error instanceof UnsupportedPayloadError) {
    return error;
  }
  try {
    return error instanceof Error ? error : new Error(String(error));
  } catch {
    return new Error("the task threw something that can't be described");
  }
}
