/**
 * Room in a lane's outgoing arena that the user fills: the arrays of `pool.alloc`.
 *
 * ```text
 *   lent -> sent by its lane: the slot refers to it, nothing is copied      -> free once the task has it
 *        -> sent by any other, since its worker has died: a copy            -> given back
 *        -> collected                                                       -> given back
 * ```
 *
 * The bytes stay mapped for as long as there is a buffer over them, also when the lane is closed and its worker is gone: then
 * nobody else has them. The host reads nothing back from them that it would believe.
 */
import { Envelope } from "../envelope";
import { KnittingError, PayloadTooLargeError } from "../errors";
import { FULL, type NativeHostLane, type NativeLane, native } from "../native";
import { isBinary } from "../payload/binary";
import type { ResolvedPayload } from "../payload-options";

/** Bytes behind an array, for the header of an envelope that it may be sent in. */
const HEADER_BYTES = 4096;

interface Room {
  readonly lane: NativeHostLane;
  readonly offset: number;
  /** With what is for a header. */
  readonly byteLength: number;
}

const rooms = new WeakMap<ArrayBufferLike, Room>();
const collected = new FinalizationRegistry(giveBack);
let lent = 0;

/** An array in this lane's arena; undefined if there is no room now. Throws if there never is. */
export function lend(
  lane: NativeHostLane,
  byteLength: number,
  { arenaBytes, maxPayloadBytes }: ResolvedPayload,
): Uint8Array | undefined {
  const most = Math.min(maxPayloadBytes, arenaBytes - HEADER_BYTES);
  if (byteLength > most) {
    throw new PayloadTooLargeError(byteLength, most);
  }
  const wanted = byteLength + HEADER_BYTES;
  const offset = lane.lendRoom(wanted);
  if (offset === FULL) {
    return undefined;
  }
  if (offset < 0) {
    throw new KnittingError(
      "KNITTING_NO_MEMORY",
      `the system has no memory for an array of ${byteLength} bytes`,
    );
  }
  const array = new Uint8Array(lane.room(offset, byteLength));
  // What was there before is other calls' business.
  array.fill(0);
  const room = { lane, offset, byteLength: wanted };
  rooms.set(array.buffer, room);
  collected.register(array.buffer, room, room);
  lent++;
  return array;
}

/** The lane in whose arena a value lies already, as an argument or as an envelope's payload. */
export function laneOf(value: unknown): NativeHostLane | undefined {
  return lent === 0 ? undefined : roomOf(value)?.lane;
}

/** Takes the room of a value that lies in the arena of this lane: it is going to be sent from there. */
export function roomIn(lane: NativeLane, value: unknown): Room | undefined {
  const room = lent === 0 ? undefined : roomOf(value);
  return room?.lane === lane ? room : undefined;
}

/** The value is on its way from where it lies: its arrays are detached, and nothing of it is given back. */
export function markSent(value: unknown): void {
  letGo(value, () => {});
}

/** The value was copied: its arrays are detached as if it had not been, and the room is given back. */
export function markCopied(value: unknown): void {
  if (lent > 0) {
    letGo(value, giveBackLent);
  }
}

function letGo(value: unknown, end: (room: Room) => void): void {
  const room = roomOf(value);
  if (room !== undefined) {
    const buffer = bufferOf(value) as ArrayBuffer;
    rooms.delete(buffer);
    collected.unregister(room);
    native().detach(buffer);
    lent--;
    end(room);
  }
}

function roomOf(value: unknown): Room | undefined {
  const buffer = bufferOf(value);
  return buffer === undefined ? undefined : rooms.get(buffer);
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

function giveBack(room: Room): void {
  lent--;
  giveBackLent(room);
}

function giveBackLent({ lane, offset }: Room): void {
  try {
    lane.giveBack(offset);
  } catch {
    // The lane is closed: its memory went with it.
  }
}
