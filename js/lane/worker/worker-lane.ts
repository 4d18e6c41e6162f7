/**
 * The worker's end of a lane: calls come in, results go out.
 *
 * ```text
 *   serve: exchange, spinning a little -> run what arrived -> exchange -> ...
 *     nothing arrives:    arm the doorbell, back to the event loop; a native thread wakes it
 *     a millisecond gone: back to the event loop for one turn (timers, servers, streams of the tasks' own)
 *     promises pending:   microtasks first, then the event loop
 * ```
 *
 * Each argument is decoded before its task is marked as started, and each task is marked as started before it runs. The
 * host relies on these marks when the worker dies.
 */
import type { MessagePort } from "node:worker_threads";
import { now, queueMicrotask, setImmediate } from "../../base/clock";
import type { TaskNotFoundError } from "../../base/errors";
import { errorOfPart, type Part } from "../../base/payload-errors";
import { type Exchange, type NativeWorkerLane, native, PUBLISH_ONLY, VIOLATED } from "../../native/addon";
import {
  FLAG_CLAIM,
  FLAG_NOT_RUN,
  FLAG_REJECTED,
  KIND_ATTACHED,
  KIND_BOOT_FAILED,
  KIND_FATAL,
  KIND_READY,
  RING_SLOTS,
  RINGS_AT,
  ROLE_CANCEL,
  ROLE_CREDIT,
  ROLE_END,
  ROLE_ITEM,
  ROLE_MASK,
  ROLE_PROGRESS,
  ROLE_STREAM,
  SLOT_BYTES,
  SLOT_KIND,
  STAGING_FIRST_SEQUENCE,
  STAGING_WINDOW,
  STREAM_WINDOW,
  WORD_ABORTS,
  WORD_RUNNING,
  WORD_STOP,
  WORD_SUBMISSION_HEAD,
} from "../../native/layout";
import { Decoder } from "../../payload/decode";
import { isStream, type Source } from "../../stream/protocol";
import { StreamReceiver } from "../../stream/receiver";
import { StreamSender } from "../../stream/sender";
import { ReadStream } from "../../stream/task-stream";
import type { TaskFunction } from "../../task/definition";
import type { BootFault, Program, TaskSource } from "../../task/program";
import { Idle, KEEP_WARM_BYTES } from "../idle";
import { Inbox, type Payloads } from "../inbox";
import { hold } from "../keep-alive";
import { lackOf } from "../no-memory";
import { Outbox } from "../outbox";
import { type QueuedValue, reasonsFor, SendQueue } from "../send-queue";
import { WorkerShares } from "./shared-memory";
import { CallToolkit, isAborted } from "./toolkit";

/** A task, or the error with which each call of a missing task rejects. */
export type ServedTask = TaskFunction | { readonly missing: TaskNotFoundError };

/** How long tasks may follow one another before the event loop gets a turn. */
const TURN_MILLIS = 1;
/** Results are published before a task that took longer than this the last time, and at least this often. */
const PUBLISH_MILLIS = 0.02;
/** Results are also published as soon as there are this many. */
const PUBLISH_SLOTS = 32;
/** Turns of the event loop that pending promises get before the worker goes to sleep. */
const POLLS = 4;
/** Bytes of the incoming arena that are visible at first. The window doubles as more are needed. */
const FIRST_WINDOW_BYTES = 1024 * 1024;
/** Payloads of more bytes than this are fetched into separate memory that is already warm. */
const FETCH_BYTES = 32 * 1024;

/** Index of the word in which the worker reports what it has started. */
const STARTED = WORD_SUBMISSION_HEAD >> 2;
/** Index of the word that counts how often the host has aborted a call. */
const ABORTS = WORD_ABORTS >> 2;
/** Index of the word by which the host tells the worker to end. */
const STOP = WORD_STOP >> 2;
/** Index of the word in the ring's first slot that has its kind and its flags, and words of a slot. */
const FIRST_HEAD = (RINGS_AT + SLOT_KIND) >> 2;
const SLOT_WORDS = SLOT_BYTES >> 2;
/** The kind in that word. */
const KIND_BITS = 0xff;
/** Index of the word that tells whether a task is being run. */
const RUNNING = WORD_RUNNING >> 2;

/** A call that is running. */
interface Task {
  /** Index of the task. */
  readonly task: number;
  readonly call: number;
  readonly generation: number;
  readonly toolkit: CallToolkit | undefined;
}

/** The streams of a call. */
interface Streams {
  readonly generation: number;
  argument: StreamReceiver | undefined;
  result: StreamSender | undefined;
}

export class WorkerLane {
  readonly #isThread: boolean;
  readonly #native: NativeWorkerLane;
  readonly #exchange: Exchange;
  readonly #shares: WorkerShares;
  readonly #outbox: Outbox;
  readonly #queue: SendQueue;
  readonly #inbox: Inbox;
  readonly #staging: Uint32Array;
  readonly #words: Uint32Array;
  readonly #idle: Idle;
  #tasks: readonly ServedTask[] = [];
  #sources: readonly TaskSource[] = [];
  /** Which tasks get a toolkit. */
  #equipped: readonly boolean[] = [];
  /** How often the host has aborted a call, as far as this side has seen. */
  #aborts = 0;
  /** Toolkits with a signal that is in use. */
  readonly #listening = new Set<CallToolkit<never>>();
  /** The streams of running calls, by call id. */
  readonly #streams = new Map<number, Streams>();
  #arena: Decoder;
  #pending = 0;
  #isFatal = false;
  /** What the worker runs before it ends in order. */
  #teardown: (() => Promise<void>) | undefined;
  /** Whether it does so now. Nobody waits for its calls any more. */
  #isLeaving = false;
  /**
   * Whether payloads are copied into memory of the engine, which collects garbage before it does without. Other memory
   * is warm, but stays in use until the engine collects it of its own accord.
   */
  #savesMemory = false;
  /** Whether there may be warm memory to give back. Without it, and with a small arena, no timer runs. */
  #hasBlocks = false;
  /** How long to spin for the next call. The host may allow less. */
  #spinNanos = 0;
  #scheduled = false;
  #serving = false;
  #polls = 0;
  /** The last exchange: the sequence number of its first slot, the number of its slots, and the next slot to run. */
  #first = 0;
  #arrived = 0;
  #next = 0;
  #turnEnds = 0;
  #lastPublish = 0;
  /** How long each task took the last time, in milliseconds. */
  #took = new Float64Array();

  /**
   * Attaches to the lane with `attach`, which gets the wake-up function. `port` is a thread's end of the port for
   * SharedArrayBuffers. Throws if the memory is refused.
   */
  constructor(attach: (wake: () => void) => NativeWorkerLane, port?: MessagePort) {
    this.#isThread = port !== undefined;
    this.#native = attach(() => this.#turn());
    this.#exchange = this.#native.exchangeFunction();
    const staging = this.#native.staging();
    this.#staging = new Uint32Array(staging);
    this.#words = new Uint32Array(this.#native.words());
    this.#shares = new WorkerShares(this.#native, port);
    this.#outbox = new Outbox(this.#native, staging, this.#shares, Number.POSITIVE_INFINITY);
    this.#queue = new SendQueue(this.#outbox, () => true);
    this.#arena = new Decoder(this.#native.incoming(FIRST_WINDOW_BYTES)).sharing(this.#shares);
    const payloads: Payloads = {
      base: 0,
      isFar: (_flags, length) => length > FETCH_BYTES,
      near: (offset, length) => this.#near(offset + length),
      fetch: (offset, length) =>
        this.#savesMemory ? this.#near(offset + length).copy(offset, length) : this.#copyOut(offset, length),
    };
    this.#inbox = new Inbox(staging, payloads, this.#shares, Number.POSITIVE_INFINITY);
    this.#idle = new Idle(() => {
      const held = this.#native.trim(KEEP_WARM_BYTES);
      if (native().trimBlocks() || held) {
        // The host has not handed the last results back yet.
        this.#idle.touch();
      } else {
        this.#hasBlocks = false;
      }
    });
    this.#outbox.stageNews(KIND_ATTACHED);
    this.#publish();
  }

  /** What a process runs, as its boot payload says. */
  get program(): Program {
    return JSON.parse(this.#native.program);
  }

  /**
   * Reports to the host that the boot is over, and serves calls from now on. `teardown` runs before the worker ends in
   * order.
   */
  serve(tasks: readonly ServedTask[], program: Program, teardown: (() => Promise<void>) | undefined): void {
    this.#teardown = teardown;
    const { tasks: sources, spinNanos, maxPayloadBytes } = program;
    this.#savesMemory = program.savesMemory;
    this.#outbox.maxPayloadBytes = maxPayloadBytes;
    this.#tasks = tasks;
    this.#sources = sources;
    this.#equipped = tasks.map(
      (task, index) => typeof task === "function" && (sources[index].abortable !== false || task.length >= 2),
    );
    this.#spinNanos = spinNanos;
    this.#took = new Float64Array(tasks.length).fill(Number.POSITIVE_INFINITY);
    hold();
    this.#outbox.stageNews(KIND_READY);
    this.#turn();
  }

  /** Reports to the host that the boot has failed, and why. */
  fail(fault: BootFault): void {
    try {
      this.#outbox.stageReport(KIND_BOOT_FAILED, fault);
    } catch (error) {
      if (lackOf(error) === undefined) {
        throw error;
      }
      // The host shows the end of stderr instead.
      console.error(fault.error);
      this.#outbox.stageNews(KIND_BOOT_FAILED);
    }
    this.#exchange(this.#outbox.takeStaged(), 0);
  }

  /**
   * Reports to the host, once, that an error outside of any call is about to end the worker. Without room for the
   * report the host learns of the end alone.
   */
  reportFatal(error: unknown): void {
    if (this.#isFatal || !this.#outbox.hasRoom) {
      return;
    }
    this.#isFatal = true;
    for (const reason of reasonsFor(error)) {
      try {
        this.#outbox.stageReport(KIND_FATAL, reason());
        this.#publish();
        return;
      } catch {
        // It can't be sent, or there is no memory for it.
      }
    }
  }

  /**
   * Writes bytes, from `offset` on, to the thread's stdout or stderr. Returns how many were taken, after it has waited
   * a little if there was no room.
   */
  print(isStderr: boolean, bytes: Uint8Array, offset: number): number {
    return this.#native.writeOutput(isStderr, bytes, offset);
  }

  /** Tells the host how many bytes of memory this thread uses, the memory that it shares included. */
  reportMemory(bytes: number): void {
    this.#native.reportMemory(bytes);
  }

  /** Tells the host to how many bytes this thread's heap may grow, because nobody has asked for so many. */
  reportHeapLimit(bytes: number): void {
    this.#native.reportHeapLimit(bytes);
  }

  #copyOut(offset: number, length: number): ArrayBuffer {
    this.#hasBlocks = true;
    return this.#native.copyOut(offset, length);
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

  /** Serves after a turn of the event loop. */
  readonly #turn = (): void => {
    if (Atomics.load(this.#words, STOP) !== 0) {
      this.#leave();
      return;
    }
    this.#turnEnds = now() + TURN_MILLIS;
    this.#serve();
  };

  /** Serves until there is nothing to do, until promises have to settle first, or until the turn is over. */
  readonly #serve = (): void => {
    this.#scheduled = false;
    if (this.#serving || this.#isLeaving) {
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
          // Most promises settle within the pending microtasks, and their results then go with the next exchange.
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

  /** Exchanges. Returns false if there is nothing to run; the next step is then scheduled already. */
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
        endWithoutMemory(this.#isThread);
      }
      return false;
    }
    this.#stageWaiting();
    if (arrived === 0) {
      while (this.#outbox.staged > 0) {
        // This exchange also notices free space, of which nobody would notify the sleeping worker again.
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

  /** Returns to the event loop and sleeps, because there is nothing to do. */
  #rest(): void {
    if (this.#hasBlocks || this.#staging[STAGING_WINDOW] > KEEP_WARM_BYTES) {
      this.#idle.touch();
    }
    if (this.#pending > 0 && this.#polls++ < POLLS) {
      this.#schedule(setImmediate, this.#turn);
      return;
    }
    if (!this.#queue.isEmpty) {
      this.#native.wantRoom(true);
    }
    if (this.#native.arm()) {
      return;
    }
    if (this.#native.stopped()) {
      this.#leave();
      return;
    }
    this.#schedule(setImmediate, this.#turn);
  }

  /** Ends the worker, because the host has told it to. */
  #leave(): void {
    const teardown = this.#teardown ?? exit(0);
    if (!this.#isLeaving) {
      this.#isLeaving = true;
      teardown().then(
        () => exit(0),
        (error) => {
          this.reportFatal(error);
          exit(1);
        },
      );
    }
  }

  /** Runs calls that have arrived, at least one, until the turn is over. */
  #run(): void {
    let time = now();
    this.#lastPublish = time;
    this.#words[RUNNING] = 1;
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
        break;
      }
    }
    this.#words[RUNNING] = 0;
  }

  #runOne(index: number, task: number): void {
    const inbox = this.#inbox;
    const call = inbox.call(index);
    const generation = inbox.generation(index);
    const role = inbox.flags(index) & ROLE_MASK;
    const sequence = this.#first + index;
    const started = sequence + 1;
    if ((inbox.flags(index) & FLAG_CLAIM) !== 0 && !this.#claim(index, sequence)) {
      // The host has taken the call back.
      Atomics.store(this.#words, STARTED, started);
      return;
    }
    if (role !== 0 && role !== ROLE_STREAM) {
      this.#hear(index, call, generation, role, started);
      return;
    }
    let result: unknown;
    let flags = FLAG_NOT_RUN;
    let toolkit: CallToolkit | undefined;
    try {
      const argument = role === 0 ? inbox.value(index) : this.#receiver(call, generation);
      Atomics.store(this.#words, STARTED, started);
      const served = this.#tasks[task];
      if (typeof served !== "function") {
        throw served.missing;
      }
      if (Atomics.load(this.#words, ABORTS) !== 0 && isAborted(this.#words, call)) {
        // Nobody waits for the call, and it has not begun.
        throw undefined;
      }
      flags = 0;
      if (this.#equipped[task]) {
        toolkit = this.#toolkit(task, call, generation);
        result = served(argument, toolkit);
      } else {
        result = (served as (argument: unknown) => unknown)(argument);
      }
      if (isThenable(result)) {
        // Foreign thenables may call back twice, or throw; a native promise does neither.
        Promise.resolve(result).then(
          (value) => this.#settle({ task, call, generation, toolkit }, value),
          (error) => this.#settle({ task, call, generation, toolkit }, error, FLAG_REJECTED),
        );
        this.#pending++;
        return;
      }
      if (isStream(result)) {
        this.#open({ task, call, generation, toolkit }, result);
        return;
      }
    } catch (error) {
      Atomics.store(this.#words, STARTED, started);
      result = flags === 0 ? error : this.#explain(task, "argument", error);
      flags |= FLAG_REJECTED;
    }
    this.#finish(task, call, generation, flags, result, toolkit);
  }

  /** Claims a call, by clearing the kind of its slot in the ring. Returns false if the host has taken it back. */
  #claim(index: number, sequence: number): boolean {
    const head = this.#inbox.head(index);
    const at = FIRST_HEAD + (sequence & (RING_SLOTS - 1)) * SLOT_WORDS;
    return (
      (head & KIND_BITS) !== 0 && Atomics.compareExchange(this.#words, at, head, head & ~KIND_BITS) === head
    );
  }

  /** Handles a slot for a running call. The call may be over by now. */
  #hear(index: number, call: number, generation: number, role: number, started: number): void {
    let value: unknown;
    let isLost = false;
    try {
      value = this.#inbox.value(index);
    } catch (error) {
      // An error such as a lack of memory.
      value = error;
      isLost = true;
    }
    const units = this.#inbox.units(index);
    const rejected = (this.#inbox.flags(index) & FLAG_REJECTED) !== 0;
    Atomics.store(this.#words, STARTED, started);
    const streams = this.#streams.get(call);
    if (streams?.generation !== generation) {
      return;
    }
    const { argument, result } = streams;
    switch (role) {
      case ROLE_ITEM:
        if (isLost) {
          argument?.fail(value);
          this.#send(call, generation, ROLE_CANCEL, undefined);
        } else {
          argument?.push(value, units);
        }
        break;
      case ROLE_END:
        if (rejected || isLost) {
          argument?.fail(value);
        } else {
          argument?.finish(value);
        }
        break;
      case ROLE_CREDIT:
        result?.grant(value as number);
        break;
      case ROLE_CANCEL:
        result?.cancel(isLost ? undefined : value);
    }
  }

  #toolkit(task: number, call: number, generation: number): CallToolkit {
    let waiting: QueuedValue | undefined;
    const keepsPartial = this.#sources[task].abortable === "partial";
    return new CallToolkit(this.#words, call, this.#listening, keepsPartial, (value) => {
      try {
        waiting = this.#emitProgress(call, generation, value, waiting);
      } catch (error) {
        throw this.#explain(task, "progress", error);
      }
    });
  }

  /**
   * Sends progress to the host at once, because the task may keep this thread busy. If there is no space, only the
   * newest value waits.
   */
  #emitProgress(
    call: number,
    generation: number,
    value: unknown,
    waiting: QueuedValue | undefined,
  ): QueuedValue | undefined {
    if (!this.#queue.isEmpty || !this.#outbox.hasRoom) {
      this.#publish();
      this.#stageWaiting();
    }
    if (waiting?.isStaged === false) {
      waiting.value = this.#outbox.encode(ROLE_PROGRESS, value);
      return waiting;
    }
    this.#queue.send(call, generation, ROLE_PROGRESS, value);
    this.#publish();
    return this.#queue.newest;
  }

  /** The stream that a task gets as its argument. */
  #receiver(call: number, generation: number): ReadStream {
    const argument = new StreamReceiver(
      {
        grant: (units) => this.#send(call, generation, ROLE_CREDIT, units),
        cancel: (value) => this.#send(call, generation, ROLE_CANCEL, value),
        attend: (waits) => this.#busy(!waits),
      },
      STREAM_WINDOW,
    );
    this.#streams.set(call, { generation, argument, result: undefined });
    return new ReadStream(argument);
  }

  /** Sends the stream that a task has returned, as the task's result. */
  #open(task: Task, source: Source): void {
    const { call, generation } = task;
    const sender = new StreamSender(source);
    sender.connect({
      send: (item) => {
        try {
          return this.#send(call, generation, ROLE_ITEM, item);
        } catch (error) {
          throw this.#explain(task.task, "item of the result", error);
        }
      },
      end: (flags, value) => this.#end(task, flags, value),
      busy: this.#busy,
    });
    const streams = this.#streams.get(call);
    if (streams === undefined) {
      this.#streams.set(call, { generation, argument: undefined, result: sender });
    } else {
      streams.result = sender;
    }
    this.#send(call, generation, ROLE_STREAM, undefined);
    sender.grant(STREAM_WINDOW);
    if (this.#sources[task.task].abortable !== "partial" && isAborted(this.#words, call)) {
      sender.cancel(undefined);
    }
  }

  /** Publishes results. What the last exchange brought stays unchanged. */
  #publish(): void {
    this.#exchange(this.#outbox.takeStaged(), PUBLISH_ONLY);
  }

  /** Ends a task whose promise has settled. */
  #settle(task: Task, value: unknown, flags = 0): void {
    this.#pending--;
    try {
      if (flags === 0 && isStream(value)) {
        this.#open(task, value);
        return;
      }
      this.#end(task, flags, value);
    } catch (error) {
      this.#end(task, FLAG_REJECTED, error);
    }
  }

  /** Ends a task that did not end synchronously. */
  #end({ task, call, generation, toolkit }: Task, flags: number, value: unknown): void {
    this.#finish(task, call, generation, flags, value, toolkit);
    this.#serveSoon();
  }

  /**
   * Records whether a task has something to do. While a task's stream waits for the host, the worker waits for it as
   * for the next call.
   */
  readonly #busy = (isBusy: boolean): void => {
    this.#pending += isBusy ? 1 : -1;
  };

  #finish(
    task: number,
    call: number,
    generation: number,
    flags: number,
    value: unknown,
    toolkit: CallToolkit | undefined,
  ): void {
    toolkit?.close();
    if (this.#streams.size > 0) {
      this.#streams.get(call)?.argument?.finish(undefined);
      this.#streams.delete(call);
    }
    this.#reply(task, call, generation, flags, value);
  }

  /** Publishes what is staged, after the promises of this turn. */
  #serveSoon(): void {
    if (!this.#serving) {
      this.#schedule(queueMicrotask, this.#serve);
    }
  }

  /**
   * Sends at once a value that is not a call's result, because the task may keep this thread busy. Returns the units
   * that the value takes. Throws if it can't be sent.
   */
  #send(call: number, generation: number, flags: number, value: unknown): number {
    const units = this.#queue.send(call, generation, flags, value);
    this.#publish();
    this.#serveSoon();
    return units;
  }

  #reply(task: number, call: number, generation: number, flags: number, value: unknown): void {
    try {
      this.#queue.send(call, generation, flags, value);
    } catch (error) {
      // A result that can't be sent rejects only its own call.
      const part = (flags & FLAG_REJECTED) === 0 ? "result" : "error";
      this.#queue.sendReason(call, generation, flags, value, this.#explain(task, part, error));
    }
  }

  /** The error of a value that is this part of a call, with the name of the task. */
  #explain(task: number, part: Part, error: unknown): unknown {
    return errorOfPart(error, part, this.#sources[task].task);
  }

  /** Stages results that had to wait, as far as there is space now. */
  #stageWaiting(): void {
    if (this.#queue.isEmpty) {
      return;
    }
    this.#queue.stageWaiting();
    if (this.#queue.isEmpty) {
      this.#native.wantRoom(false);
    }
  }
}

/** Kept before any task can replace it. */
const exit = process.exit.bind(process) as (code: number) => never;

/**
 * Ends the worker, which has no other way to report this to its host. A process doesn't throw, because Bun would go on
 * with everything that is due, and print the same error for each task that ends.
 */
function endWithoutMemory(isThread: boolean): never {
  const what = "the memory that this worker shares with its host is gone or was overwritten";
  if (!isThread) {
    process.stderr.write(`knitting-native worker: ${what}\n`);
    exit(1);
  }
  throw new Error(what);
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return (
    typeof value === "object" && value !== null && typeof (value as PromiseLike<unknown>).then === "function"
  );
}
