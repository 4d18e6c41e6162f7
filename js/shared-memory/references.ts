/**
 * Memory that both ends of a lane have. A value refers to it by a number, and the encoding doesn't contain its bytes.
 *
 * ```text
 *   host     refer -> number of the memory, the same for every worker
 *            send  -> the worker gets what it doesn't have yet
 *   lane     carries the number; the memory goes beside it, by a message port, a shelf or the control socket
 *   worker   arrayBuffer(number), mapping(number)
 *   back     of a mapping: the same number, which the host looks up among those it has sent
 *            of a SharedArrayBuffer: the number of a message on the port, sent along with each result
 * ```
 */
import { Unsupported } from "../base/payload-errors";
import { SharedMapping } from "./mapping";

export type SharedMemory = SharedArrayBuffer | SharedMapping;

/** Memory that an encoding refers to. It is kept as long as the encoding may be decoded. */
export interface Reference {
  readonly number: number;
  readonly memory: SharedMemory;
}

/** Knows how an encoding refers to memory. */
export interface Referrer {
  /** The number for the memory. Throws `Unsupported`. */
  refer(memory: SharedMemory): number;
}

/** Finds the memory for a number. */
export interface Resolver {
  /** Throws `MalformedPayload`. */
  arrayBuffer(number: number): SharedArrayBuffer;
  /**
   * The memory with this number, opened by its name if it has not arrived in another way. Throws `MalformedPayload` or
   * `SharedMemoryError`.
   */
  mapping(number: number, name: string, inode: number): SharedMapping;
}

/** The memory that one end of a lane shares with the other. */
export interface Shares extends Referrer, Resolver {
  /**
   * Makes sure that the other end has the memory to which a call's value refers, before the value is published. Returns
   * false if the value has to wait. Throws `SharedMemoryError`.
   */
  send(call: number, references: readonly Reference[]): boolean;
}

/** A SharedArrayBuffer that a thread has sent with a result. */
export interface ReturnedArray {
  readonly ticket: number;
  readonly buffer: SharedArrayBuffer;
  /** The buffer's number here, if it came from here. */
  readonly number: number | undefined;
}

/** A SharedArrayBuffer on its way to a thread, or the message that its number is forgotten. */
export interface SentArray {
  readonly number: number;
  readonly buffer: SharedArrayBuffer | undefined;
}

/** For values that are decoded where nothing is shared. */
export class NothingShared implements Referrer {
  refer(memory: SharedMemory): never {
    throw memory instanceof SharedMapping
      ? new Unsupported("is memory that nobody shares here")
      : unshareable();
  }
}

/** Why a process and its host can't share a SharedArrayBuffer or a view of one. */
export function unshareable(): Unsupported {
  return new Unsupported(
    "is shared memory of this process (SharedArrayBuffer), which only worker threads can have: for " +
      "processes there is ProcessSharedBuffer, in knitting-native/shared-memory",
  );
}
