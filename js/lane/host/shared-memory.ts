/**
 * The memory that a host shares with one worker. The host trusts the worker with nothing: a worker can name only memory
 * that it has been sent.
 */
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

/** The host remembers so many numbers that a worker has known and may still name. */
const REMEMBERED = 65_536;

/* A control socket has space for some 270 messages. The worker reads it when it looks for memory that it doesn't have
   yet; until then all messages wait in the socket. Together the next two limits leave space. */
/** Pieces of shared memory that one call may bring to a process that doesn't have them yet. */
const NEW_PER_CALL = 128;
/** Messages to forget a number that may wait to be read. */
const FORGETS_AHEAD = 128;

/** How the values of a host refer to shared memory. Only threads can share a SharedArrayBuffer. */
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
  /** Numbers of the memory that the worker has been sent and not been told to forget. */
  readonly #known = new Set<number>();
  /** Numbers that the worker has been told to forget. */
  readonly #former = new Set<number>();
  /** The memory that each call in flight refers to, by the call's id. */
  readonly #held = new Map<number, readonly Reference[]>();
  /** Numbers to be forgotten as soon as no call refers to them and the message can be sent. */
  readonly #due = new Set<number>();
  /**
   * The calls in flight that bring new memory to the worker. The value is the number of forget messages sent before the
   * call: once the call is answered, the worker has read those.
   */
  readonly #bringing = new Map<number, number>();
  /** How many forget messages were sent, and how many of them the worker has read for certain. */
  #told = 0;
  #read = 0;
  /** SharedArrayBuffers that arrived with results which are not decoded yet. */
  readonly #returned = new Map<number, ReturnedArray>();

  constructor(lane: NativeHostLane, isThread: boolean) {
    this.#lane = lane;
    this.referrer = new HostReferrer(isThread);
  }

  /** Sets the port. The thread has its other end. */
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
          // No call is in flight that would make the worker read the waiting messages.
          throw new SharedMemoryError(
            "unreachable",
            "the worker takes no shared memory: its wrapper has not kept descriptor 3. Give the " +
              "ProcessSharedBuffer a name",
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
    // Memory that was sent earlier for the same call's stream may still be on its way.
    const isNew = ({ number }: Reference) => held?.some((other) => other.number === number) !== true;
    this.#held.set(call, held === undefined ? references : held.concat(references.filter(isNew)));
    return true;
  }

  /** The memory that the call with this id refers to, while the call is in flight. */
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

  /**
   * Whether the worker can be sent one more forget message. A thread needs none, because it has one shelf with its
   * host.
   */
  get #mayTell(): boolean {
    return this.referrer.isThread || this.#told - this.#read < FORGETS_AHEAD;
  }

  /**
   * Checks the number of new references before any of them is sent, because messages that are never read would fill the
   * socket.
   */
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
        `a call can bring ${NEW_PER_CALL} ProcessSharedBuffers without a name to a process that has ` +
          `not had them, this one has ${count}: send them with several calls, or as parts of one`,
      );
    }
  }

  #introduce(number: number, memory: SharedMemory): boolean {
    if (memory instanceof SharedMapping) {
      // If the memory has a name, the worker can open it without the socket.
      return this.#lane.give(number, memory.native) || memory.name !== undefined;
    }
    this.#port?.postMessage({ number, buffer: memory } satisfies SentArray);
    return true;
  }
}
