/**
 * The outgoing half of a lane's end: values into staged slots.
 *
 * A number goes into its slot as it is, a short value encoded, anything longer into the arena: small payloads one behind
 * the other into the leased chunk, which takes no native call, large ones into room that is reserved for them.
 */
import { KnittingError, PayloadTooLargeError } from "../errors";
import {
  DEFAULT_ARENA_BYTES,
  FLAG_ARENA,
  FLAG_REJECTED,
  INLINE_BYTES,
  KIND_BINARY,
  KIND_ENCODED,
  KIND_INLINE,
  KIND_NUMBER,
  NO_CALL,
  PAYLOAD_ALIGN,
  RING_SLOTS,
  SLOT_BYTES,
  SLOT_CALL,
  SLOT_FLAGS,
  SLOT_GENERATION,
  SLOT_INLINE,
  SLOT_KIND,
  SLOT_LENGTH,
  SLOT_OFFSET,
  SLOT_TASK,
  SLOT_VIEW,
  SMALL_BYTES,
  STAGING_LEASE_END,
  STAGING_LEASE_POSITION,
  STAGING_OUT_AT,
  STAGING_ROOM,
  STAGING_WINDOW,
} from "../generated/layout";
import { FULL, type NativeHostLane, type NativeLane, native, type Reserve, TOO_LARGE } from "../native";
import { type Encoder, rawBinary, withEncoder } from "../payload/encode";
import type { Reference, Referrer, Shares } from "../shared/shares";

/** A value that is encoded and waits for room, in memory of its own: it is as it was when it was given. */
export interface Parcel {
  readonly kind: number;
  readonly flags: number;
  readonly view: number;
  /** Its bytes; of a number, the number itself. */
  readonly content: Buffer | number;
  /** The memory that it refers to. */
  readonly references: readonly Reference[] | undefined;
}

/** Binary values up to this size are not worth a payload of their own. */
const INLINE_BINARY_BYTES = INLINE_BYTES - 8;

export class Outbox {
  readonly #lane: NativeLane;
  readonly #shares: Shares;
  readonly #reserve: Reserve;
  readonly #words: Uint32Array<ArrayBuffer>;
  readonly #u8: Buffer;
  readonly #u16: Uint16Array;
  readonly #u32: Uint32Array;
  readonly #f64: Float64Array;
  #arena: Buffer<ArrayBuffer>;
  /** Slots staged and not yet published. */
  staged = 0;

  constructor(lane: NativeLane, staging: ArrayBuffer, shares: Shares) {
    this.#lane = lane;
    this.#shares = shares;
    this.#reserve = lane.reserveFunction();
    this.#words = new Uint32Array(staging);
    this.#u8 = Buffer.from(staging);
    this.#u16 = new Uint16Array(staging);
    this.#u32 = new Uint32Array(staging);
    this.#f64 = new Float64Array(staging);
    this.#arena = Buffer.from(lane.outgoing());
  }

  /** Whether another slot can be staged. */
  get hasRoom(): boolean {
    return this.staged < RING_SLOTS && this.staged < this.#words[STAGING_ROOM];
  }

  /** Lets go of the lane's memory, staging included. */
  close(): void {
    native().detach(this.#arena.buffer);
    native().detach(this.#words.buffer);
    this.staged = 0;
  }

  /** Takes everything that is staged to be published. */
  takeStaged(): number {
    const staged = this.staged;
    this.staged = 0;
    return staged;
  }

  /**
   * Stages a value; there must be room for its slot. Returns undefined, or the value as a parcel if the arena has no room
   * for it now. Throws if it can't be encoded or never fits.
   */
  stage(call: number, generation: number, task: number, flags: number, value: unknown): Parcel | undefined {
    if (typeof value === "number") {
      const slot = this.#header(call, generation, task, KIND_NUMBER, flags, 0, 8, 0);
      this.#f64[(slot + SLOT_INLINE) >> 3] = value;
      return undefined;
    }
    const binary = rawBinary(value, INLINE_BINARY_BYTES);
    if (binary !== undefined) {
      const { view, bytes } = binary;
      const offset = this.#allocate(bytes.length);
      if (offset < 0) {
        return { kind: KIND_BINARY, flags, view, content: Buffer.from(bytes), references: undefined };
      }
      this.#arena.set(bytes, offset);
      this.#header(call, generation, task, KIND_BINARY, flags | FLAG_ARENA, view, bytes.length, offset);
      return undefined;
    }
    return withEncoder(
      value,
      (flags & FLAG_REJECTED) !== 0,
      (encoder) => this.#stageEncoded(call, generation, task, flags, encoder),
      this.#shares,
    );
  }

  #stageEncoded(
    call: number,
    generation: number,
    task: number,
    flags: number,
    encoder: Encoder,
  ): Parcel | undefined {
    const { byteLength } = encoder;
    if (!this.hasRoom) {
      // A getter has made calls of its own while this value was encoded.
      return packed(encoder, flags);
    }
    const { references } = encoder;
    if (references !== undefined && !this.#shares.send(call, references)) {
      return packed(encoder, flags);
    }
    if (byteLength <= INLINE_BYTES) {
      const slot = this.#header(call, generation, task, KIND_INLINE, flags, 0, byteLength, 0);
      encoder.writeTo(this.#u8, slot + SLOT_INLINE);
      return undefined;
    }
    const offset = this.#allocate(byteLength);
    if (offset < 0) {
      return packed(encoder, flags);
    }
    encoder.writeTo(this.#arena, offset);
    this.#header(call, generation, task, KIND_ENCODED, flags | FLAG_ARENA, 0, byteLength, offset);
    return undefined;
  }

  /** Stages a parcel; there must be room for its slot. False if the arena has no room for it yet. */
  stageParcel(call: number, generation: number, task: number, parcel: Parcel): boolean {
    const { kind, flags, view, content, references } = parcel;
    if (references !== undefined && !this.#shares.send(call, references)) {
      return false;
    }
    if (typeof content === "number") {
      const slot = this.#header(call, generation, task, kind, flags, 0, 8, 0);
      this.#f64[(slot + SLOT_INLINE) >> 3] = content;
    } else if (kind === KIND_INLINE) {
      const slot = this.#header(call, generation, task, kind, flags, 0, content.length, 0);
      this.#u8.set(content, slot + SLOT_INLINE);
    } else {
      const offset = this.#allocate(content.length);
      if (offset < 0) {
        return false;
      }
      this.#arena.set(content, offset);
      this.#header(call, generation, task, kind, flags | FLAG_ARENA, view, content.length, offset);
    }
    return true;
  }

  /** Stages what a worker reports of itself, as the first of its slots. */
  stageReport(kind: number, value: unknown): void {
    this.stageParcel(NO_CALL, 0, 0, pack(FLAG_REJECTED, value, this.#shares));
    // A report is told by its kind alone.
    this.#u8[STAGING_OUT_AT + (this.staged - 1) * SLOT_BYTES + SLOT_KIND] = kind;
  }

  #header(
    call: number,
    generation: number,
    task: number,
    kind: number,
    flags: number,
    view: number,
    length: number,
    offset: number,
  ): number {
    const slot = STAGING_OUT_AT + this.staged++ * SLOT_BYTES;
    const u32 = this.#u32;
    u32[(slot + SLOT_CALL) >> 2] = call;
    u32[(slot + SLOT_GENERATION) >> 2] = generation;
    u32[(slot + SLOT_TASK) >> 2] = task;
    this.#u8[slot + SLOT_KIND] = kind;
    this.#u8[slot + SLOT_FLAGS] = flags;
    this.#u16[(slot + SLOT_VIEW) >> 1] = view;
    u32[(slot + SLOT_LENGTH) >> 2] = length;
    u32[(slot + SLOT_OFFSET) >> 2] = offset;
    return slot;
  }

  /** Room for a payload: its offset in the arena, or -1 if there is none now. Throws if there never is. */
  #allocate(bytes: number): number {
    if (bytes <= SMALL_BYTES) {
      const position = this.#words[STAGING_LEASE_POSITION];
      if (position + bytes <= this.#words[STAGING_LEASE_END]) {
        this.#words[STAGING_LEASE_POSITION] = Math.ceil((position + bytes) / PAYLOAD_ALIGN) * PAYLOAD_ALIGN;
        return position;
      }
    }
    const offset = this.#reserve(bytes);
    if (offset < 0) {
      if (offset === FULL) {
        return -1;
      }
      if (offset === TOO_LARGE) {
        throw new PayloadTooLargeError(bytes, DEFAULT_ARENA_BYTES);
      }
      throw new KnittingError(
        "KNITTING_NO_MEMORY",
        `the system has no memory for a payload of ${bytes} bytes`,
      );
    }
    if (this.#words[STAGING_WINDOW] > this.#arena.length) {
      const outgrown = this.#arena.buffer;
      this.#arena = Buffer.from(this.#lane.outgoing());
      native().detach(outgrown);
    }
    return offset;
  }
}

/** Encodes a value without staging it. Throws if it can't be encoded. */
export function pack(flags: number, value: unknown, referrer: Referrer): Parcel {
  if (typeof value === "number") {
    return { kind: KIND_NUMBER, flags, view: 0, content: value, references: undefined };
  }
  const binary = rawBinary(value, INLINE_BINARY_BYTES);
  if (binary !== undefined) {
    const content = Buffer.from(binary.bytes);
    return { kind: KIND_BINARY, flags, view: binary.view, content, references: undefined };
  }
  return withEncoder(value, (flags & FLAG_REJECTED) !== 0, (encoder) => packed(encoder, flags), referrer);
}

/** A submission that its worker has not started, as it was. */
export function recover(
  lane: NativeHostLane,
  sequence: number,
  references: readonly Reference[] | undefined,
): Parcel {
  const { kind, view, content } = lane.recover(sequence);
  const value = kind === KIND_NUMBER ? new Float64Array(content)[0] : Buffer.from(content);
  return { kind, flags: 0, view, content: value, references };
}

function packed(encoder: Encoder, flags: number): Parcel {
  const kind = encoder.byteLength <= INLINE_BYTES ? KIND_INLINE : KIND_ENCODED;
  return { kind, flags, view: 0, content: encoder.toBytes(), references: encoder.references };
}
