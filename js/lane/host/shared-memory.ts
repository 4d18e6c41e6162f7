/** What a host shares with one worker. The worker is believed nothing: it can name what it has been sent, and no more. */
import { type MessagePort, receiveMessageOnPort } from "node:worker_threads";
import { SharedMemoryError } from "../../base/errors";
import { MalformedPayload } from "../../base/payload-errors";
import type { NativeHostLane } from "../../native/addon";
import { SharedMapping } from "../../shared-memory/mapping";
import {
  type Reference,
  type Referrer,
  type ReturnedArray,
  type SentArray,
  type SharedMemory,
  type Shares,
  unshareable,
} from "../../shared-memory/references";
import { type Hearer, listen, memoryOf, numberOf, unlisten } from "../../shared-memory/registry";

/** Numbers of which is remembered that a worker has known them, and may still name. */
const REMEMBERED = 65_536;

/*
 * A control socket has room for some 270 messages. The worker reads it when it looks for memory that it has not met: until then
 * all that it is sent waits there. Together these leave room.
 */
/** Memory that one call may bring to a process that has not had it. */
const NEW_PER_CALL = 128;
/** Numbers to be forgotten that may wait to be read. */
const FORGETS_AHEAD = 128;

/** How the values of a host refer to memory; only threads can share a SharedArrayBuffer. */
export class HostReferrer implements Referrer {
  constructor(readonly isThread: boolean) {}

  refer(memory: SharedMemory): number {
    if (!this.isThread && !(memory instanceof SharedMapping)) {
      throw unshareable();
    }
    return numberOf(memory);
  }
}

export class HostShares implements Shares, Hearer {
  readonly referrer: HostReferrer;
  readonly #lane: NativeHostLane;
  #port: MessagePort | undefined;
  /** What the worker has been sent. */
  readonly #known = new Set<number>();
  /** What it has known. */
  readonly #former = new Set<number>();
  /** What the calls in flight refer to, by their ids. */
  readonly #held = new Map<number, readonly Reference[]>();
  /** Numbers to be forgotten once no call refers to them, or once there is room to say so. */
  readonly #due = new Set<number>();
  /**
   * The calls in flight that bring memory which the worker had not had, and how many numbers it was told to forget before: it has
   * read of those once it answers.
   */
  readonly #bringing = new Map<number, number>();
  /** How many numbers it was told to forget, and of how many it has read for sure. */
  #told = 0;
  #read = 0;
  /** What has come with results that are not decoded yet. */
  readonly #returned = new Map<number, ReturnedArray>();

  constructor(lane: NativeHostLane, isThread: boolean) {
    this.#lane = lane;
    this.referrer = new HostReferrer(isThread);
  }

  /** The other end of this port is the thread's. */
  connect(port: MessagePort): void {
    this.#port = port;
  }

  close(): void {
    unlisten(this);
    this.#port?.close();
    this.#held.clear();
    this.#bringing.clear();
  }

  refer(memory: SharedMemory): number {
    return this.referrer.refer(memory);
  }

  send(call: number, references: readonly Reference[]): boolean {
    this.#refuseTooMany(references);
    for (const { number, memory } of references) {
      if (!this.#known.has(number)) {
        if (!this.#introduce(number, memory)) {
          if (this.#held.size > 0) {
            return false;
          }
          // Nothing is on its way that would make the worker take what waits.
          throw new SharedMemoryError(
            "unreachable",
            "the worker takes no shared memory: its wrapper has not kept descriptor 3. Give the ProcessSharedBuffer a name",
          );
        }
        if (this.#known.size === 0) {
          listen(this);
        }
        this.#known.add(number);
        this.#bringing.set(call, this.#told);
      }
    }
    const held = this.#held.get(call);
    // What was sent before for the same call, of its stream, may still be on its way.
    const isNew = ({ number }: Reference) => held?.some((other) => other.number === number) !== true;
    this.#held.set(call, held === undefined ? references : held.concat(references.filter(isNew)));
    return true;
  }

  /** What the call with this id refers to, while it is in flight. */
  held(call: number): readonly Reference[] | undefined {
    return this.#held.get(call);
  }

  /** The call has been answered. */
  release(call: number): void {
    if (this.#held.size > 0 && this.#held.has(call)) {
      this.#read = Math.max(this.#read, this.#bringing.get(call) ?? 0);
      this.withdraw(call);
    }
  }

  /** The call is not in flight, or not any more. */
  withdraw(call: number): void {
    this.#bringing.delete(call);
    if (this.#held.delete(call)) {
      for (const number of this.#due) {
        if (!this.#mayTell) {
          break;
        }
        this.forget(number);
      }
    }
  }

  forget(number: number): void {
    if (!this.#known.has(number)) {
      return;
    }
    this.#due.add(number);
    for (const references of this.#held.values()) {
      if (references.some((reference) => reference.number === number)) {
        return;
      }
    }
    if (!this.#mayTell) {
      return;
    }
    this.#port?.postMessage({ number, buffer: undefined } satisfies SentArray);
    if (this.#lane.forget(number)) {
      this.#told++;
      this.#due.delete(number);
      this.#known.delete(number);
      this.#former.add(number);
      if (this.#former.size > REMEMBERED) {
        for (const oldest of this.#former) {
          this.#former.delete(oldest);
          break;
        }
      }
    }
  }

  arrayBuffer(ticket: number): SharedArrayBuffer {
    if (this.#port !== undefined) {
      for (let next = receiveMessageOnPort(this.#port); next !== undefined; ) {
        const returned = next.message as ReturnedArray;
        this.#returned.set(returned.ticket, returned);
        next = receiveMessageOnPort(this.#port);
      }
    }
    const returned = this.#returned.get(ticket);
    if (returned === undefined) {
      throw new MalformedPayload("a SharedArrayBuffer has not been sent");
    }
    this.#returned.delete(ticket);
    const own = returned.number === undefined ? undefined : memoryOf(returned.number);
    return own === undefined || own instanceof SharedMapping ? returned.buffer : own;
  }

  mapping(number: number): SharedMapping {
    if (!this.#known.has(number) && !this.#former.has(number)) {
      throw new MalformedPayload("it names shared memory that its worker has not been sent");
    }
    const memory = memoryOf(number);
    if (!(memory instanceof SharedMapping) || memory.closed) {
      throw new SharedMemoryError(
        "closed",
        "the worker has returned a ProcessSharedBuffer that the host has closed, or has let go of",
      );
    }
    return memory;
  }

  /** Whether the worker can be told of one more number to be forgotten. A thread need not be told: it has one shelf with its host. */
  get #mayTell(): boolean {
    return this.referrer.isThread || this.#told - this.#read < FORGETS_AHEAD;
  }

  /** Before any of it is sent: what is sent and never looked for would fill the socket. */
  #refuseTooMany(references: readonly Reference[]): void {
    if (this.referrer.isThread || references.length <= NEW_PER_CALL) {
      return;
    }
    const isNew = ({ number, memory }: Reference) =>
      !this.#known.has(number) && memory instanceof SharedMapping && memory.name === undefined;
    const count = references.filter(isNew).length;
    if (count > NEW_PER_CALL) {
      throw new SharedMemoryError(
        "refused",
        `a call can bring ${NEW_PER_CALL} ProcessSharedBuffers without a name to a process that has not had them, this one has ${count}: send them with several calls, or as parts of one`,
      );
    }
  }

  #introduce(number: number, memory: SharedMemory): boolean {
    if (memory instanceof SharedMapping) {
      // By its name the worker gets at it without the socket too.
      return this.#lane.give(number, memory.native) || memory.name !== undefined;
    }
    this.#port?.postMessage({ number, buffer: memory } satisfies SentArray);
    return true;
  }
}
