/** The incoming half of a lane's end: slots that arrived, and their values. */

import { KnittingError } from "../base/errors";
import {
  FLAG_ARENA,
  FLAG_FETCH,
  KIND_BINARY,
  KIND_ENVELOPE,
  KIND_NO_MEMORY,
  KIND_NUMBER,
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
  STAGING_IN_AT,
} from "../native/layout";
import { binaryOver, Decoder, MalformedPayload } from "../payload/decode";
import { limitFor } from "../payload/limits";
import { Envelope, type EnvelopePayload, type Payload } from "../payload/value";
import type { Shares } from "../shared-memory/references";
import { unitsOf } from "../stream/protocol";
import { headerAfter, TAIL_BYTES } from "./envelope-layout";
import { noMemory } from "./no-memory";

/** Where the payloads of arrived slots are found. */
export interface Payloads {
  /** A decoder for the payload at these bytes, and the payload's offset in the decoder's memory. */
  near(offset: number, length: number): Decoder;
  /** Offset of near payloads in that decoder's memory. */
  readonly base: number;
  /** Whether a payload must be fetched. */
  isFar(flags: number, length: number): boolean;
  /** A private copy of a far payload. */
  fetch(offset: number, length: number): ArrayBuffer;
}

export class Inbox {
  readonly #u8: Uint8Array;
  readonly #u16: Uint16Array;
  readonly #u32: Uint32Array;
  readonly #f64: Float64Array;
  readonly #inline: Decoder;
  readonly #payloads: Payloads;
  readonly #shares: Shares;
  readonly #maxPayloadBytes: number;

  constructor(staging: ArrayBuffer, payloads: Payloads, shares: Shares, maxPayloadBytes: number) {
    this.#maxPayloadBytes = maxPayloadBytes;
    this.#u8 = new Uint8Array(staging);
    this.#u16 = new Uint16Array(staging);
    this.#u32 = new Uint32Array(staging);
    this.#f64 = new Float64Array(staging);
    this.#inline = new Decoder(staging).sharing(shares);
    this.#shares = shares;
    this.#payloads = payloads;
  }

  call(index: number): number {
    return this.#u32[(slotAt(index) + SLOT_CALL) >> 2];
  }

  generation(index: number): number {
    return this.#u32[(slotAt(index) + SLOT_GENERATION) >> 2];
  }

  task(index: number): number {
    return this.#u32[(slotAt(index) + SLOT_TASK) >> 2];
  }

  /** The word of the slot that has its kind, its flags and its view. */
  head(index: number): number {
    return this.#u32[(slotAt(index) + SLOT_KIND) >> 2];
  }

  kind(index: number): number {
    return this.#u8[slotAt(index) + SLOT_KIND];
  }

  flags(index: number): number {
    return this.#u8[slotAt(index) + SLOT_FLAGS];
  }

  /** Units of its stream's credit that the slot takes. */
  units(index: number): number {
    return unitsOf(this.flags(index), this.#u32[(slotAt(index) + SLOT_LENGTH) >> 2]);
  }

  /** The value of the slot at `index`. Throws `MalformedPayload`, or an error that concerns only this value. */
  value(index: number): unknown {
    const slot = slotAt(index);
    const kind = this.#u8[slot + SLOT_KIND];
    if (kind === KIND_NUMBER) {
      return this.#f64[(slot + SLOT_INLINE) >> 3];
    }
    const flags = this.#u8[slot + SLOT_FLAGS];
    if (kind === KIND_NO_MEMORY) {
      throw noMemory(this.#f64[(slot + SLOT_INLINE) >> 3], this.#u16[(slot + SLOT_VIEW) >> 1]);
    }
    const length = this.#u32[(slot + SLOT_LENGTH) >> 2];
    if ((flags & FLAG_ARENA) === 0) {
      return this.#inline.decode(slot + SLOT_INLINE, length);
    }
    if (length > this.#maxPayloadBytes && length > limitFor(flags, this.#maxPayloadBytes)) {
      throw new MalformedPayload(`it has ${length} bytes, at most ${this.#maxPayloadBytes} are possible`);
    }
    const offset = this.#u32[(slot + SLOT_OFFSET) >> 2];
    const view = this.#u16[(slot + SLOT_VIEW) >> 1];
    const { isFar, base } = this.#payloads;
    if (kind === KIND_ENVELOPE) {
      return this.#envelope(view, offset, length, isFar(flags, length));
    }
    if (isFar(flags, length)) {
      const memory = this.#fetch(offset, length);
      return kind === KIND_BINARY
        ? binaryOver(view, memory)
        : new Decoder(memory).sharing(this.#shares).decode(0, length);
    }
    const decoder = this.#payloads.near(offset, length);
    return kind === KIND_BINARY
      ? binaryOver(view, decoder.copy(base + offset, length))
      : decoder.decode(base + offset, length);
  }

  /** See envelope-layout.ts. The lengths in the envelope are read from a private copy and checked. */
  #envelope(view: number, offset: number, length: number, isFar: boolean): Envelope {
    const { base } = this.#payloads;
    const near = isFar ? undefined : this.#payloads.near(offset, length);
    const part = (at: number, bytes: number): ArrayBuffer =>
      near === undefined ? this.#fetch(offset + at, bytes) : near.copy(base + offset + at, bytes);
    if (length < TAIL_BYTES) {
      throw new MalformedPayload("an envelope is too short");
    }
    const byteLength = new DataView(part(length - TAIL_BYTES, TAIL_BYTES)).getUint32(0, true);
    const headerAt = headerAfter(byteLength);
    const headerBytes = length - TAIL_BYTES - headerAt;
    if (byteLength === 0 || headerBytes <= 0) {
      throw new MalformedPayload("an envelope's payload is longer than the envelope");
    }
    const header = new Decoder(part(headerAt, headerBytes)).sharing(this.#shares).decode(0, headerBytes);
    const payload = binaryOver(view, part(0, byteLength));
    return new Envelope(header as Payload, payload as EnvelopePayload);
  }

  #fetch(offset: number, length: number): ArrayBuffer {
    try {
      return this.#payloads.fetch(offset, length);
    } catch (cause) {
      throw new KnittingError("KNITTING_NO_MEMORY", (cause as Error).message, { cause });
    }
  }
}

/** Used on the host, where `exchange` reports which payloads it has left in the arena. */
export function leftInArena(flags: number): boolean {
  return (flags & FLAG_FETCH) !== 0;
}

function slotAt(index: number): number {
  return STAGING_IN_AT + index * SLOT_BYTES;
}
