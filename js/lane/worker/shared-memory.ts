/** The memory that a worker shares with its host. The worker trusts the host. */
import type { MessagePort } from "node:worker_threads";
import { SharedMemoryError } from "../../base/errors";
import { MalformedPayload, Unsupported } from "../../base/payload-errors";
import { type NativeWorkerLane, native } from "../../native/addon";
import { SharedMapping } from "../../shared-memory/mapping";
import { opened } from "../../shared-memory/opened";
import {
  type Reference,
  type ReturnedArray,
  type SentArray,
  type SharedMemory,
  type Shares,
  unshareable,
} from "../../shared-memory/references";

/**
 * Number of mappings opened by name that stay open. Nobody tells this worker when they are not referred to any more.
 */
const KEPT_BY_NAME = 64;

export class WorkerShares implements Shares {
  readonly #lane: NativeWorkerLane;
  /** The port of a worker thread. */
  readonly #port: MessagePort | undefined;
  /** The host's SharedArrayBuffers by their numbers, until the host reports that it has forgotten them. */
  readonly #arrays = new Map<number, SharedArrayBuffer>();
  readonly #numbers = new WeakMap<SharedArrayBuffer, number>();
  #tickets = 0;
  /** Mappings by their numbers. The addon keeps the memory as long as the host may refer to it. */
  readonly #mappings = new Map<number, WeakRef<SharedMapping>>();
  readonly #collected = new FinalizationRegistry<number>((number) => {
    if (this.#mappings.get(number)?.deref() === undefined) {
      this.#mappings.delete(number);
    }
  });
  /** Mappings that were opened by their names, the most recently used last. */
  readonly #byName = new Map<number, SharedMapping>();

  constructor(lane: NativeWorkerLane, port: MessagePort | undefined) {
    this.#lane = lane;
    this.#port = port;
    port?.on("message", this.#accept);
    port?.unref();
  }

  refer(memory: SharedMemory): number {
    if (!(memory instanceof SharedMapping)) {
      if (this.#port === undefined) {
        throw unshareable();
      }
      return ++this.#tickets;
    }
    if (memory.hostNumber === undefined) {
      throw new Unsupported(
        "is a ProcessSharedBuffer of this worker's own: a host takes back what it has sent. Have the host create it",
      );
    }
    return memory.hostNumber;
  }

  send(_call: number, references: readonly Reference[]): boolean {
    for (const { number: ticket, memory } of references) {
      if (!(memory instanceof SharedMapping)) {
        const number = this.#numbers.get(memory);
        this.#port?.postMessage({ ticket, buffer: memory, number } satisfies ReturnedArray);
      }
    }
    return true;
  }

  arrayBuffer(number: number): SharedArrayBuffer {
    if (!this.#arrays.has(number) && this.#port !== undefined) {
      const { receiveMessageOnPort } = require("node:worker_threads") as typeof import("node:worker_threads");
      for (let next = receiveMessageOnPort(this.#port); next !== undefined; ) {
        this.#accept(next.message as SentArray);
        next = receiveMessageOnPort(this.#port);
      }
    }
    const buffer = this.#arrays.get(number);
    if (buffer === undefined) {
      throw new MalformedPayload("a SharedArrayBuffer has not been sent");
    }
    return buffer;
  }

  mapping(number: number, name: string, inode: number): SharedMapping {
    const known = this.#mappings.get(number)?.deref();
    if (known !== undefined && !known.closed) {
      return known;
    }
    const given = this.#lane.given(number);
    const memory = given ?? this.#open(name, inode);
    const mapping = new SharedMapping(memory, name === "" ? undefined : name, number);
    this.#mappings.set(number, new WeakRef(mapping));
    this.#collected.register(mapping, number);
    if (given === null) {
      this.#keep(number, mapping);
    }
    return mapping;
  }

  #open(name: string, inode: number) {
    if (name === "") {
      throw new SharedMemoryError(
        "unreachable",
        "a ProcessSharedBuffer without a name can't get to this worker: its wrapper has not kept " +
          "descriptor 3. Give the buffer a name",
      );
    }
    return opened(`the ProcessSharedBuffer ${JSON.stringify(name)} can't be opened in this worker`, () =>
      native().SharedBuffer.open(name, undefined, inode),
    );
  }

  #keep(number: number, mapping: SharedMapping): void {
    this.#byName.delete(number);
    this.#byName.set(number, mapping);
    if (this.#byName.size > KEPT_BY_NAME) {
      for (const oldest of this.#byName.keys()) {
        this.#byName.delete(oldest);
        break;
      }
    }
  }

  readonly #accept = ({ number, buffer }: SentArray): void => {
    if (buffer === undefined) {
      this.#arrays.delete(number);
    } else {
      this.#arrays.set(number, buffer);
      this.#numbers.set(buffer, number);
    }
  };
}
