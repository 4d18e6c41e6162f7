/**
 * How the bytes of an encoding are put into memory. The encoder, which extends the writer, knows what they mean.
 *
 * An encoding is made in private scratch memory first, so that its size is known before room is taken, and so that
 * nothing is left behind when a getter throws. Long strings and binary values are not copied there. The writer keeps a
 * note of each and writes it once, to where the encoding goes. A budget bounds the heap that the value will take.
 */
import { PayloadTooLargeError } from "../base/errors";
import { Unsupported } from "../base/payload-errors";
import { LATIN1, MARK, UTF16 } from "./format";
import {
  FEW_PROPERTIES,
  MAX_HEAP_BYTES,
  OBJECT_BYTES,
  PROPERTY_BYTES,
  TABLE_PROPERTY_BYTES,
} from "./heap-cost";

/** Strings and binary values of more bytes than this are noted instead of copied. */
const NOTE_BYTES = 4096;
/** Bytes of scratch memory at first. */
const SCRATCH_BYTES = 4096;
/** Scratch memory of at most this many bytes is kept from one value to the next. */
const KEEP_BYTES = 1024 * 1024;
/** Strings of at most this many code units are written by a loop of our own, which is faster than a call. */
const SHORT_UNITS = 48;

/** Bytes that belong into the encoding after its first `at` scratch bytes. */
interface Note {
  at: number;
  /** Bytes of the notes before it. */
  before: number;
  bytes: Uint8Array | undefined;
  text: string;
  encoding: "latin1" | "utf16le";
  length: number;
}

/** How far a writer has come. */
export interface Progress {
  readonly position: number;
  readonly notes: number;
  readonly noted: number;
  readonly heapBytes: number;
}

export class Writer {
  /** Where the next byte goes in the scratch memory. */
  protected position = 0;
  #scratch = Buffer.allocUnsafeSlow(SCRATCH_BYTES);
  #view = new DataView(this.#scratch.buffer);
  #notes: Note[] = [];
  /** Bytes of all notes. */
  #noted = 0;
  /** What the value will take of a heap. */
  #heapBytes = 0;

  /** Bytes of the encoding. */
  get byteLength(): number {
    return this.position + this.#noted;
  }

  /** Writes the encoding to `target` from byte `offset`. */
  writeTo(target: Buffer, offset: number): void {
    let from = 0;
    let to = offset;
    for (const note of this.#notes) {
      to += this.#scratch.copy(target, to, from, note.at);
      from = note.at;
      if (note.bytes === undefined) {
        target.write(note.text, to, note.length, note.encoding);
      } else {
        target.set(note.bytes, to);
      }
      to += note.length;
    }
    if (this.position - from <= SHORT_UNITS) {
      while (from < this.position) {
        target[to++] = this.#scratch[from++];
      }
    } else {
      this.#scratch.copy(target, to, from, this.position);
    }
  }

  /** The encoding in memory of its own. */
  toBytes(): Buffer {
    const bytes = Buffer.allocUnsafeSlow(this.byteLength);
    this.writeTo(bytes, 0);
    return bytes;
  }

  /** Lets go of the encoding, for the next one. */
  reset(): void {
    this.position = 0;
    this.#noted = 0;
    if (this.#notes.length > 0) {
      this.#notes = [];
    }
    this.#heapBytes = 0;
    if (this.#scratch.length > KEEP_BYTES) {
      this.#replaceScratch(Buffer.allocUnsafeSlow(SCRATCH_BYTES));
    }
  }

  #replaceScratch(scratch: Buffer<ArrayBuffer>): void {
    this.#scratch = scratch;
    this.#view = new DataView(scratch.buffer);
  }

  /** Makes room for `bytes` more. */
  #need(bytes: number): void {
    if (this.position + bytes > this.#scratch.length) {
      const larger = Buffer.allocUnsafeSlow(Math.max(this.#scratch.length * 2, this.position + bytes));
      this.#scratch.copy(larger, 0, 0, this.position);
      this.#replaceScratch(larger);
    }
  }

  /** Adds to what the value will take of a heap. */
  protected spend(bytes: number): void {
    this.#heapBytes += bytes;
    if (this.#heapBytes > MAX_HEAP_BYTES) {
      throw new PayloadTooLargeError(
        this.#heapBytes,
        MAX_HEAP_BYTES,
        `the value takes ${this.#heapBytes} bytes of memory or more, at most ${MAX_HEAP_BYTES} are possible, and ` +
          "no option changes that",
      );
    }
  }

  /** The same for an object with so many properties. */
  protected spendObject(properties: number): void {
    const few = Math.min(properties, FEW_PROPERTIES);
    this.spend(OBJECT_BYTES + few * PROPERTY_BYTES + (properties - few) * TABLE_PROPERTY_BYTES);
  }

  protected byte(byte: number): void {
    this.#need(1);
    this.#scratch[this.position++] = byte;
  }

  protected count(count: number): void {
    this.#need(8);
    let rest = count;
    while (rest >= 0x80) {
      // Numbers beyond 2^32 lose their upper half in bit operations.
      this.#scratch[this.position++] = (rest % 0x80) | 0x80;
      rest = Math.floor(rest / 0x80);
    }
    this.#scratch[this.position++] = rest;
  }

  protected int32(tag: number, value: number): void {
    this.#need(5);
    this.#scratch[this.position] = tag;
    this.#view.setInt32(this.position + 1, value, true);
    this.position += 5;
  }

  protected float64(tag: number, value: number): void {
    this.#need(9);
    this.#scratch[this.position] = tag;
    this.#view.setFloat64(this.position + 1, value, true);
    this.position += 9;
  }

  /** A string with its tag, which depends on what is in it. */
  protected string(value: string): void {
    const units = value.length;
    if (units <= SHORT_UNITS) {
      this.#need(units + 2);
      const scratch = this.#scratch;
      const start = this.position;
      let seen = 0;
      for (let index = 0; index < units; index++) {
        const unit = value.charCodeAt(index);
        seen |= unit;
        scratch[start + 2 + index] = unit;
      }
      if (seen <= 0xff) {
        scratch[start] = LATIN1;
        scratch[start + 1] = units;
        this.position = start + 2 + units;
        return;
      }
    }
    // Text with as many UTF-8 bytes as code units is ASCII, which is found out at memory speed. Other text is searched
    // for a code unit of more than one byte.
    if (Buffer.byteLength(value) === units || !/[^\0-\xff]/.test(value)) {
      this.#text(LATIN1, value, units, "latin1");
    } else {
      this.#text(UTF16, value, units * 2, "utf16le");
    }
  }

  #text(tag: number, text: string, length: number, encoding: Note["encoding"]): void {
    this.byte(tag);
    this.count(length);
    if (length > NOTE_BYTES) {
      this.#note(undefined, text, encoding, length);
    } else {
      this.#need(length);
      this.#scratch.write(text, this.position, length, encoding);
      this.position += length;
    }
  }

  /** These bytes as they are, without their count. */
  protected bytes(bytes: Uint8Array): void {
    const length = bytes.length;
    if (length > NOTE_BYTES) {
      this.#note(bytes, "", "latin1", length);
    } else {
      this.#need(length);
      this.#scratch.set(bytes, this.position);
      this.position += length;
    }
  }

  #note(bytes: Uint8Array | undefined, text: string, encoding: Note["encoding"], length: number): void {
    this.#notes.push({ at: this.position, before: this.#noted, bytes, text, encoding, length });
    this.#noted += length;
  }

  /** Throws `Unsupported` if a getter has taken noted bytes away: what lies in their place would be sent instead. */
  protected checkNotes(): void {
    for (const { bytes, length } of this.#notes) {
      if (bytes !== undefined && bytes.length !== length) {
        throw new Unsupported("holds bytes that were detached or resized by one of its getters");
      }
    }
  }

  /** Marks the tag at a position of the scratch memory. Returns whether it had no mark before. */
  protected mark(position: number): boolean {
    if (this.#scratch[position] >= MARK) {
      return false;
    }
    this.#scratch[position] += MARK;
    return true;
  }

  /** The offset in the encoding of what is at a position of the scratch memory. */
  protected offsetOf(position: number): number {
    let from = 0;
    let to = this.#notes.length;
    while (from < to) {
      const middle = (from + to) >> 1;
      if (this.#notes[middle].at <= position) {
        from = middle + 1;
      } else {
        to = middle;
      }
    }
    const noted = from === 0 ? 0 : this.#notes[from - 1].before + this.#notes[from - 1].length;
    return position + noted;
  }

  protected progress(): Progress {
    return {
      position: this.position,
      notes: this.#notes.length,
      noted: this.#noted,
      heapBytes: this.#heapBytes,
    };
  }

  /** Takes back everything that was put since then. */
  protected returnTo({ position, notes, noted, heapBytes }: Progress): void {
    this.position = position;
    this.#notes.length = notes;
    this.#noted = noted;
    this.#heapBytes = heapBytes;
  }
}
