/**
 * A value that is encoded and waits for space in the lane, in memory of its own. It keeps the state in which it was
 * given.
 */
import {
  FLAG_ARENA,
  FLAG_REJECTED,
  INLINE_BYTES,
  KIND_BINARY,
  KIND_ENCODED,
  KIND_INLINE,
  KIND_NUMBER,
} from "../native/layout";
import { type Binary, type Encoder, rawBinary, withEncoder } from "../payload/encode";
import type { Reference, Referrer } from "../shared-memory/references";
import { unitsOf } from "../stream/protocol";
import { markCopied } from "./arena-buffers";

/** Binary values up to this size are encoded like other values, not sent as a separate payload. */
export const INLINE_BINARY_BYTES = INLINE_BYTES - 8;

export class EncodedValue {
  constructor(
    readonly kind: number,
    readonly flags: number,
    readonly view: number,
    /** The encoded bytes; for a number, the number itself. */
    readonly content: Buffer | number,
    /** The shared memory that the value refers to. */
    readonly references: readonly Reference[] | undefined,
  ) {}

  /** Bytes of memory that it takes by itself. */
  get byteLength(): number {
    return typeof this.content === "number" ? 0 : this.content.length;
  }

  /** Units of its stream's credit that the value takes. */
  get units(): number {
    const { kind, content } = this;
    const isInline = typeof content === "number" || kind === KIND_INLINE;
    return isInline ? 1 : unitsOf(FLAG_ARENA, content.length);
  }
}

/** Encodes a value without staging it. Throws if the value can't be encoded. */
export function encodeValue(flags: number, value: unknown, referrer: Referrer): EncodedValue {
  if (typeof value === "number") {
    return new EncodedValue(KIND_NUMBER, flags, 0, value, undefined);
  }
  const binary = rawBinary(value, INLINE_BINARY_BYTES);
  if (binary !== undefined) {
    return encodeBinary(flags, value, binary);
  }
  const encoded = withEncoder(
    value,
    (flags & FLAG_REJECTED) !== 0,
    (encoder) => encodedBy(encoder, flags),
    referrer,
  );
  markCopied(value);
  return encoded;
}

/** The encoded value of binary data. */
export function encodeBinary(flags: number, value: unknown, { view, bytes }: Binary): EncodedValue {
  const content = Buffer.from(bytes);
  markCopied(value);
  return new EncodedValue(KIND_BINARY, flags, view, content, undefined);
}

/** The encoded value of what an encoder has encoded. */
export function encodedBy(encoder: Encoder, flags: number): EncodedValue {
  const kind = encoder.byteLength <= INLINE_BYTES ? KIND_INLINE : KIND_ENCODED;
  return new EncodedValue(kind, flags, 0, encoder.toBytes(), encoder.references);
}
