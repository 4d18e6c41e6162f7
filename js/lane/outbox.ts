/**
 * The outgoing half of a lane's end: puts values into staged slots.
 *
 * A number is stored in its slot as it is, and a short value as an encoded value. Anything longer goes into the arena:
 * small payloads one behind the other into the leased chunk, which takes no native call, large ones into separately
 * reserved space.
 */

import { PayloadTooLargeError, UnsupportedPayloadError } from "../base/errors";
import { FULL, type NativeLane, native, type Reserve, TOO_LARGE } from "../native/addon";
import {
  FLAG_ARENA,
  FLAG_REJECTED,
  INLINE_BYTES,
  KIND_BINARY,
  KIND_ENCODED,
  KIND_ENVELOPE,
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
} from "../native/layout";
import { type Encoder, rawBinary, withEncoder } from "../payload/encode";
import { UNDEFINED } from "../payload/format";
import { limitFor } from "../payload/limits";
import { Envelope } from "../payload/value";
import type { Referrer, Shares } from "../shared-memory/references";
import { unitsOf } from "../stream/protocol";
import { arenaBufferIn, markCopied, markSent } from "./arena-buffers";
import {
  type EncodedValue,
  encodeBinary,
  encodedBy,
  encodeValue,
  INLINE_BINARY_BYTES,
} from "./encoded-value";
import { headerAfter, TAIL_BYTES } from "./envelope-layout";
import { noMemory } from "./no-memory";

/** Payloads of envelopes up to this size are encoded with the header. */
const ENVELOPE_BYTES = 4096;

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
  /** Number of slots that are staged and not yet published. */
  staged = 0;
  /** Number of slots that were taken for publishing so far. */
  #published = 0;
  /** Bytes that one value may take. */
  maxPayloadBytes: number;

  constructor(lane: NativeLane, staging: ArrayBuffer, shares: Shares, maxPayloadBytes: number) {
    this.maxPayloadBytes = maxPayloadBytes;
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

  /** Releases the lane's memory, staging included. */
  close(): void {
    native().detach(this.#arena.buffer);
    native().detach(this.#words.buffer);
    this.staged = 0;
  }

  /** Takes all staged slots for publishing. Returns their number. */
  takeStaged(): number {
    const staged = this.staged;
    this.staged = 0;
    this.#published += staged;
    return staged;
  }

  /** Sequence number of the next slot. Both ends count it alike; it wraps at 32 bits. */
  get sequence(): number {
    return (this.#published + this.staged) >>> 0;
  }

  /**
   * Stages a value. There must be a free slot. Returns undefined, or the encoded value if the arena has no space for it
   * now. Throws if the value can't be encoded or never fits, or if the system has no memory for it.
   */
  stage(
    call: number,
    generation: number,
    task: number,
    flags: number,
    value: unknown,
  ): EncodedValue | undefined {
    if (typeof value === "number") {
      const slot = this.#header(call, generation, task, KIND_NUMBER, flags, 0, 8, 0);
      this.#f64[(slot + SLOT_INLINE) >> 3] = value;
      return undefined;
    }
    const placed = arenaBufferIn(this.#lane, value);
    const binary = rawBinary(value, placed === undefined ? INLINE_BINARY_BYTES : 0);
    if (binary !== undefined) {
      const { view, bytes } = binary;
      const offset = placed?.offset ?? this.#allocate(bytes.length, flags);
      if (offset < 0) {
        return encodeBinary(flags, value, binary);
      }
      this.#header(call, generation, task, KIND_BINARY, flags | FLAG_ARENA, view, bytes.length, offset);
      if (placed === undefined) {
        this.#arena.set(bytes, offset);
        markCopied(value);
      } else {
        markSent(value);
      }
      return undefined;
    }
    if (value instanceof Envelope) {
      return this.#stageEnvelope(call, generation, task, flags, value, placed);
    }
    return this.#stageOther(call, generation, task, flags, value);
  }

  #stageOther(
    call: number,
    generation: number,
    task: number,
    flags: number,
    value: unknown,
  ): EncodedValue | undefined {
    return withEncoder(
      value,
      (flags & FLAG_REJECTED) !== 0,
      (encoder) => this.#stageBy(call, generation, task, flags, encoder),
      this.#shares,
    );
  }

  /** Stages an envelope with a large payload. The payload's bytes are copied once, or already lie in the arena. */
  #stageEnvelope(
    call: number,
    generation: number,
    task: number,
    flags: number,
    envelope: Envelope,
    placed: { offset: number; byteLength: number } | undefined,
  ): EncodedValue | undefined {
    const binary = rawBinary(envelope.payload, placed === undefined ? ENVELOPE_BYTES : 0);
    const staged =
      binary !== undefined &&
      withHeader(envelope, this.#shares, (encoder) => {
        const { view, bytes } = binary;
        const { references } = encoder;
        // Checked before space is reserved, which only a slot could give back. A getter may have made calls that took
        // the last slot.
        if (!encoder.standsBeside(bytes) || !this.hasRoom) {
          return false;
        }
        if (references !== undefined && !this.#shares.send(call, references)) {
          return false;
        }
        const headerAt = headerAfter(bytes.length);
        const length = headerAt + encoder.byteLength + TAIL_BYTES;
        if (length > this.maxPayloadBytes) {
          this.#refuseTooLarge(length, flags);
        }
        const lies = placed !== undefined && length <= placed.byteLength;
        const offset = lies ? placed.offset : this.#allocate(length, flags);
        if (offset < 0) {
          return false;
        }
        this.#widen();
        encoder.writeTo(this.#arena, offset + headerAt);
        this.#arena.writeUInt32LE(bytes.length, offset + length - TAIL_BYTES);
        this.#header(call, generation, task, KIND_ENVELOPE, flags | FLAG_ARENA, view, length, offset);
        if (lies) {
          markSent(envelope);
        } else {
          this.#arena.set(bytes, offset);
          markCopied(envelope);
        }
        return true;
      });
    if (staged) {
      return undefined;
    }
    const encoded = this.#stageOther(call, generation, task, flags, envelope);
    markCopied(envelope);
    return encoded;
  }

  #stageBy(
    call: number,
    generation: number,
    task: number,
    flags: number,
    encoder: Encoder,
  ): EncodedValue | undefined {
    const { byteLength } = encoder;
    if (!this.hasRoom) {
      // A getter has made calls of its own while this value was encoded.
      return encodedBy(encoder, flags);
    }
    const { references } = encoder;
    if (references !== undefined && !this.#shares.send(call, references)) {
      return encodedBy(encoder, flags);
    }
    if (byteLength <= INLINE_BYTES) {
      const slot = this.#header(call, generation, task, KIND_INLINE, flags, 0, byteLength, 0);
      encoder.writeTo(this.#u8, slot + SLOT_INLINE);
      return undefined;
    }
    const offset = this.#allocate(byteLength, flags);
    if (offset < 0) {
      return encodedBy(encoder, flags);
    }
    encoder.writeTo(this.#arena, offset);
    this.#header(call, generation, task, KIND_ENCODED, flags | FLAG_ARENA, 0, byteLength, offset);
    return undefined;
  }

  /** Units of its stream's credit that the last staged slot takes. */
  get units(): number {
    const slot = STAGING_OUT_AT + (this.staged - 1) * SLOT_BYTES;
    return unitsOf(this.#u8[slot + SLOT_FLAGS], this.#u32[(slot + SLOT_LENGTH) >> 2]);
  }

  /**
   * Stages an encoded value, with `more` flags than its own. There must be a free slot. Returns false if the arena has no
   * space for the value yet. Throws if the system has no memory for it.
   */
  stageEncoded(call: number, generation: number, task: number, value: EncodedValue, more = 0): boolean {
    const { kind, view, content, references } = value;
    const flags = value.flags | more;
    if (references !== undefined && !this.#shares.send(call, references)) {
      return false;
    }
    if (typeof content === "number") {
      const slot = this.#header(call, generation, task, kind, flags, view, 8, 0);
      this.#f64[(slot + SLOT_INLINE) >> 3] = content;
    } else if (kind === KIND_INLINE) {
      const slot = this.#header(call, generation, task, kind, flags, 0, content.length, 0);
      this.#u8.set(content, slot + SLOT_INLINE);
    } else {
      const offset = this.#allocate(content.length, flags);
      if (offset < 0) {
        return false;
      }
      this.#arena.set(content, offset);
      this.#header(call, generation, task, kind, flags | FLAG_ARENA, view, content.length, offset);
    }
    return true;
  }

  /** Stages a worker's report about itself, as the first of its slots. */
  stageReport(kind: number, value: unknown): void {
    this.stageEncoded(NO_CALL, 0, 0, encodeValue(FLAG_REJECTED, value, this.#shares));
    // A report is recognised by its kind alone.
    this.#u8[STAGING_OUT_AT + (this.staged - 1) * SLOT_BYTES + SLOT_KIND] = kind;
  }

  /** The same for a report that has no value. A starting worker does not have to load its encoder for it. */
  stageNews(kind: number): void {
    const slot = this.#header(NO_CALL, 0, 0, kind, FLAG_REJECTED, 0, 1, 0);
    this.#u8[slot + SLOT_INLINE] = UNDEFINED;
  }

  /** Encodes a value without staging it. Throws if the value can't be encoded or never fits. */
  encode(flags: number, value: unknown): EncodedValue {
    const encoded = encodeValue(flags, value, this.#shares);
    if (typeof encoded.content !== "number") {
      this.#refuseTooLarge(encoded.content.length, flags);
    }
    return encoded;
  }

  #refuseTooLarge(bytes: number, flags: number): void {
    const limit = limitFor(flags, this.maxPayloadBytes);
    if (bytes > limit) {
      throw new PayloadTooLargeError(bytes, limit);
    }
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

  /**
   * Reserves space for a payload. Returns its offset in the arena, or -1 if there is no space now. Throws if the
   * payload never fits, or if the system has no memory for it.
   */
  #allocate(bytes: number, flags: number): number {
    if (bytes > this.maxPayloadBytes) {
      this.#refuseTooLarge(bytes, flags);
    }
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
        throw new PayloadTooLargeError(bytes, this.maxPayloadBytes);
      }
      throw noMemory(bytes, flags);
    }
    this.#widen();
    return offset;
  }

  /** Makes as much of the arena visible as may be in use. */
  #widen(): void {
    if (this.#words[STAGING_WINDOW] > this.#arena.length) {
      const outgrown = this.#arena.buffer;
      this.#arena = Buffer.from(this.#lane.outgoing());
      native().detach(outgrown);
    }
  }
}

/**
 * Encodes an envelope's header and passes the encoder to `use`. Returns false if the header can't be sent by itself;
 * the error is then reported for the whole envelope.
 */
function withHeader({ header }: Envelope, referrer: Referrer, use: (encoder: Encoder) => boolean): boolean {
  try {
    return withEncoder(header, false, use, referrer);
  } catch (error) {
    if (error instanceof UnsupportedPayloadError) {
      return false;
    }
    throw error;
  }
}
