/**
 * Memory that both sides of a lane have: a value refers to it by a number, and its bytes are nowhere in the encoding.
 *
 * ```text
 *   host     refer -> number of the memory, the same for every worker     send -> the worker gets what it doesn't have yet
 *   lane     the number                                                    beside it: a message port, a shelf, the control socket
 *   worker   arrayBuffer(number), mapping(number)
 *   back     of a mapping: the same number, which the host looks up among those it has sent
 *            of a SharedArrayBuffer: the number of a message on the port, sent along with each result
 * ```
 */
import { Unsupported } from "../base/payload-errors";
import { SharedMapping } from "./mapping";

export type SharedMemory = SharedArrayBuffer | SharedMapping;

/** Memory that an encoding refers to. It is kept for as long as the encoding may be decoded. */
export interface Reference {
  readonly number: number;
  readonly memory: SharedMemory;
}

/** Knows how an encoding refers to memory. */
export interface Referrer {
  /** The number to refer to it by. Throws `Unsupported`. */
  refer(memory: SharedMemory): number;
}

/** What memory is behind a number. */
export interface Resolver {
  /** Throws `MalformedPayload`. */
  arrayBuffer(number: number): SharedArrayBuffer;
  /** The memory of that number, by its name if it has not come in another way. Throws `MalformedPayload`, `SharedMemoryError`. */
  mapping(number: number, name: string, inode: number): SharedMapping;
}

/** What an end of a lane shares with the other. */
export interface Shares extends Referrer, Resolver {
  /**
   * Sees to it that the other end has what a call's value refers to before that is published. False if it has to wait. Throws
   * `SharedMemoryError`.
   */
  send(call: number, references: readonly Reference[]): boolean;
}

/** A SharedArrayBuffer that a thread has sent with a result. */
export interface ReturnedArray {
  readonly ticket: number;
  readonly buffer: SharedArrayBuffer;
  /** Its number here, if it came from here. */
  readonly number: number | undefined;
}

/** A SharedArrayBuffer on its way to a thread, or none of that number any more. */
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

/** Why a process and its host can't share a SharedArrayBuffer, or a view of one. */
export function unshareable(): Unsupported {
  return new Unsupported(
    "is shared memory of this process (SharedArrayBuffer), which only worker threads can have: for processes there is ProcessSharedBuffer, in knitting-native/shared-memory",
  );
}
