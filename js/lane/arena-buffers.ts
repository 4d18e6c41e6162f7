/**
 * Arena buffers: parts of a lane's outgoing arena that the user fills, the arrays of `pool.alloc`.
 *
 * ```text
 *   allocated -> sent by its lane: the slot refers to it, nothing is copied   -> free once the task has it
 *             -> sent by any other, since its worker has died: a copy         -> freed
 *             -> collected                                                    -> freed
 * ```
 *
 * The bytes stay mapped for as long as there is a buffer over them, also when the lane is closed and its worker is gone: then
 * nobody else has them. The host reads nothing back from them that it would believe.
 */

import { KnittingError, PayloadTooLargeError } from "../base/errors";
import { FULL, type NativeHostLane, type NativeLane, native } from "../native/addon";
import { isBinary } from "../payload/binary";
import type { ResolvedPayload } from "../payload/options";
import { Envelope } from "../payload/value";

/** Bytes behind an array, for the header of an envelope that it may be sent in. */
const HEADER_BYTES = 4096;

interface ArenaBuffer {
  readonly lane: NativeHostLane;
  readonly offset: number;
  /** With what is for a header. */
  readonly byteLength: number;
}

const allocated = new WeakMap<ArrayBufferLike, ArenaBuffer>();
const collected = new FinalizationRegistry(freeCollected);
/** How many were allocated and not freed or sent: nearly always none. */
let live = 0;

/** An array in this lane's arena; undefined if there is no room now. Throws if there never is. */
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
  // What was there before is other calls' business.
  array.fill(0);
  const arenaBuffer = { lane, offset, byteLength: wanted };
  allocated.set(array.buffer, arenaBuffer);
  collected.register(array.buffer, arenaBuffer, arenaBuffer);
  live++;
  return array;
}

/** The lane in whose arena a value lies already, as an argument or as an envelope's payload. */
export function laneOf(value: unknown): NativeHostLane | undefined {
  return live === 0 ? undefined : arenaBufferOf(value)?.lane;
}

/** The arena buffer of a value that lies in the arena of this lane: it is going to be sent from there. */
export function arenaBufferIn(lane: NativeLane, value: unknown): ArenaBuffer | undefined {
  const found = live === 0 ? undefined : arenaBufferOf(value);
  return found?.lane === lane ? found : undefined;
}

/** The value is on its way from where it lies: its arrays are detached, and its arena buffer is the slot's. */
export function markSent(value: unknown): void {
  release(value, () => {});
}

/** The value was copied: its arrays are detached as if it had not been, and its arena buffer is freed. */
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

/** The buffer of a value that is all of its bytes from the first on. */
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
    // The lane is closed: its memory went with it.
  }
}
