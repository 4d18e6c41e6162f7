/**
 * Arena buffers, the arrays of `pool.alloc`: parts of a lane's outgoing arena that the user fills.
 *
 * ```text
 *   allocated -> sent by its own lane: the slot refers to it, nothing is copied   -> freed when the task has it
 *             -> sent by another lane, after its worker has died: it is copied    -> freed
 *             -> garbage-collected                                                -> freed
 * ```
 *
 * The bytes stay mapped as long as an `ArrayBuffer` over them exists, even if the lane is closed and its worker is
 * gone; nobody else uses them then. The host never trusts what it reads from them.
 */

import { KnittingError, PayloadTooLargeError } from "../base/errors";
import { FULL, type NativeHostLane, type NativeLane, native } from "../native/addon";
import { isBinary } from "../payload/binary";
import type { ResolvedPayload } from "../payload/options";
import { Envelope } from "../payload/value";

/** Additional bytes behind an array, for the header of an envelope in which the array may be sent. */
const HEADER_BYTES = 4096;

interface ArenaBuffer {
  readonly lane: NativeHostLane;
  readonly offset: number;
  /** Size in bytes, with the space for a header. */
  readonly byteLength: number;
}

const allocated = new WeakMap<ArrayBufferLike, ArenaBuffer>();
const collected = new FinalizationRegistry(freeCollected);
/** Number of arena buffers that were allocated and not yet sent or freed. It is nearly always 0. */
let live = 0;

/**
 * Allocates an array in this lane's arena. Returns undefined if there is no space now. Throws if the array never fits.
 */
export function allocate(
  lane: NativeHostLane,
  byteLength: number,
  { arenaBytes, maxPayloadBytes }: ResolvedPayload,
): Uint8Array | undefined {
  const most = Math.min(maxPayloadBytes, arenaBytes - HEADER_BYTES);
  if (byteLength > most) {
    throw new PayloadTooLargeError(byteLength, most);
  }
  const wanted = byteLength + HEADER_BYTES;
  const offset = lane.allocate(wanted);
  if (offset === FULL) {
    return undefined;
  }
  if (offset < 0) {
    throw new KnittingError(
      "KNITTING_NO_MEMORY",
      `the system has no memory for an array of ${byteLength} bytes`,
    );
  }
  const array = new Uint8Array(lane.arenaBuffer(offset, byteLength));
  // The memory may still hold data of other calls.
  array.fill(0);
  const arenaBuffer = { lane, offset, byteLength: wanted };
  allocated.set(array.buffer, arenaBuffer);
  collected.register(array.buffer, arenaBuffer, arenaBuffer);
  live++;
  return array;
}

/** Whether there are arena buffers that were not sent. */
export function isAnyAllocated(): boolean {
  return live > 0;
}

/** The lane in whose arena a value already lies, as an argument or as an envelope's payload. */
export function laneOf(value: unknown): NativeHostLane | undefined {
  return live === 0 ? undefined : arenaBufferOf(value)?.lane;
}

/** The arena buffer of a value that lies in this lane's arena, and is sent from there. */
export function arenaBufferIn(lane: NativeLane, value: unknown): ArenaBuffer | undefined {
  const found = live === 0 ? undefined : arenaBufferOf(value);
  return found?.lane === lane ? found : undefined;
}

/**
 * Records that the value was sent from its arena buffer: its arrays are detached, and the slot owns the arena buffer.
 */
export function markSent(value: unknown): void {
  release(value, () => {});
}

/**
 * Records that the value was copied: its arrays are detached as if it had been sent in place, and its arena buffer is
 * freed.
 */
export function markCopied(value: unknown): void {
  if (live > 0) {
    release(value, free);
  }
}

function release(value: unknown, end: (arenaBuffer: ArenaBuffer) => void): void {
  const arenaBuffer = arenaBufferOf(value);
  if (arenaBuffer !== undefined) {
    const buffer = bufferOf(value) as ArrayBuffer;
    allocated.delete(buffer);
    collected.unregister(arenaBuffer);
    native().detach(buffer);
    live--;
    end(arenaBuffer);
  }
}

function arenaBufferOf(value: unknown): ArenaBuffer | undefined {
  const buffer = bufferOf(value);
  return buffer === undefined ? undefined : allocated.get(buffer);
}

/** The buffer of a value that starts at the buffer's first byte. */
function bufferOf(value: unknown): ArrayBufferLike | undefined {
  const binary = value instanceof Envelope ? value.payload : value;
  if (typeof binary !== "object" || binary === null || !isBinary(binary)) {
    return undefined;
  }
  if (!ArrayBuffer.isView(binary)) {
    return binary;
  }
  return binary.byteLength > 0 && binary.byteOffset === 0 ? binary.buffer : undefined;
}

function freeCollected(arenaBuffer: ArenaBuffer): void {
  live--;
  free(arenaBuffer);
}

function free({ lane, offset }: ArenaBuffer): void {
  try {
    lane.free(offset);
  } catch {
    // The lane is closed, and its memory is gone.
  }
}
