/**
 * How the bytes of an encoding are taken from memory. The decoder, which extends the reader, knows what they mean.
 *
 * The bytes may come from a hostile worker, so every step is checked against the end of the payload, and every count of
 * things against the bytes that are left for them. A budget bounds the heap that a value may take.
 */
import { MalformedPayload } from "../base/payload-errors";
import { LATIN1, UTF16 } from "./format";
import {
  FEW_PROPERTIES,
  MAX_HEAP_BYTES,
  OBJECT_BYTES,
  PROPERTY_BYTES,
  TABLE_PROPERTY_BYTES,
} from "./heap-cost";

/** Strings of at most this many code units are made from their codes, longer ones by a call into the runtime. */
const SHORT_UNITS = 8;

/** Keys of at most this many code units are remembered. */
const KEY_UNITS = 32;
/** Most keys that are remembered. A power of two. */
const KEYS = 1024;
/** Keys met before, by a hash of their bytes: the objects of a list have the same keys over and over. */
const keys: string[] = new Array(KEYS).fill("");

/**
 * V8 makes an object of a subclass without a detour only if the base class has neither fields nor private methods. So
 * the properties are declared here and assigned by the constructor, which saves 12 ns for each decoder.
 */
export class Reader {
  declare private readonly bytes: Buffer;
  declare private readonly view: DataView;
  /** Where the payload begins. */
  declare protected start: number;
  /** Where the next byte is. */
  declare protected position: number;
  /** Where the payload ends. */
  declare private end: number;
  /** What the value may still take of the heap. */
  declare private heapBytes: number;

  constructor(memory: ArrayBuffer, byteOffset = 0, byteLength = memory.byteLength - byteOffset) {
    this.bytes = Buffer.from(memory, byteOffset, byteLength);
    this.view = new DataView(memory, byteOffset, byteLength);
    this.start = 0;
    this.position = 0;
    this.end = 0;
    this.heapBytes = 0;
  }

  /** Bytes of the memory. */
  get byteLength(): number {
    return this.bytes.length;
  }

  /** A copy of `length` bytes from `offset`. */
  copy(offset: number, length: number): ArrayBuffer {
    const copy = new Uint8Array(length);
    copy.set(this.bytes.subarray(offset, offset + length));
    return copy.buffer;
  }

  /** Begins to read the `length` bytes from `offset`. */
  protected begin(offset: number, length: number): void {
    if (offset + length > this.bytes.length) {
      throw new MalformedPayload("it lies outside its memory");
    }
    this.start = offset;
    this.position = offset;
    this.end = offset + length;
    this.heapBytes = MAX_HEAP_BYTES;
  }

  /** Throws if bytes are left. */
  protected finish(): void {
    if (this.position !== this.end) {
      throw new MalformedPayload("something follows the value");
    }
  }

  /** Takes from what the value may take of the heap. */
  protected spend(bytes: number): void {
    this.heapBytes -= bytes;
    if (this.heapBytes < 0) {
      throw new MalformedPayload(`it takes more than ${MAX_HEAP_BYTES} bytes of memory`);
    }
  }

  /** The same for an object with so many properties. */
  protected spendObject(properties: number): void {
    const few = Math.min(properties, FEW_PROPERTIES);
    this.spend(OBJECT_BYTES + few * PROPERTY_BYTES + (properties - few) * TABLE_PROPERTY_BYTES);
  }

  /** Steps over `bytes` and returns where they begin. */
  protected skip(bytes: number): number {
    const start = this.position;
    if (bytes > this.end - start) {
      throw new MalformedPayload("it ends too early");
    }
    this.position = start + bytes;
    return start;
  }

  protected byte(): number {
    return this.bytes[this.skip(1)];
  }

  /** The next byte, which stays the next one. At the end of the payload the result means nothing. */
  protected peek(): number {
    return this.bytes[this.position];
  }

  /** Steps over the next byte if it is this one. Returns whether it was. */
  protected skips(byte: number): boolean {
    if (this.position >= this.end) {
      throw new MalformedPayload("it ends too early");
    }
    if (this.bytes[this.position] !== byte) {
      return false;
    }
    this.position++;
    return true;
  }

  protected count(): number {
    let count = 0;
    for (let scale = 1; scale <= 2 ** 49; scale *= 0x80) {
      const byte = this.byte();
      count += (byte & 0x7f) * scale;
      if (byte < 0x80) {
        if (count > Number.MAX_SAFE_INTEGER) {
          break;
        }
        return count;
      }
    }
    throw new MalformedPayload("a count is too large");
  }

  /** A count of things that take at least `bytes` each. */
  protected countOf(bytes: number): number {
    const count = this.count();
    if (count * bytes > this.end - this.position) {
      throw new MalformedPayload("a count is larger than what follows");
    }
    return count;
  }

  protected int32(): number {
    return this.view.getInt32(this.skip(4), true);
  }

  protected float64(): number {
    return this.view.getFloat64(this.skip(8), true);
  }

  /** `length` bytes as hexadecimal digits. */
  protected hex(length: number): string {
    const start = this.skip(length);
    return this.bytes.toString("hex", start, start + length);
  }

  /** A string with its tag. */
  protected text(): string {
    const tag = this.byte();
    if (tag !== LATIN1 && tag !== UTF16) {
      throw new MalformedPayload("a string is missing");
    }
    return this.string(tag);
  }

  /** The rest of a string whose tag has been read. */
  protected string(tag: number): string {
    const length = this.countOf(1);
    const start = this.skip(length);
    if (tag === UTF16) {
      if (length % 2 !== 0) {
        throw new MalformedPayload("half a code unit");
      }
      return this.bytes.toString("utf16le", start, start + length);
    }
    if (length > SHORT_UNITS) {
      return this.bytes.toString("latin1", start, start + length);
    }
    return shortText(this.bytes, start, length);
  }

  /** A string that is the key of a property. */
  protected key(): string {
    const start = this.position;
    const bytes = this.bytes;
    const length = bytes[start + 1];
    const end = start + 2 + length;
    if (bytes[start] !== LATIN1 || length > KEY_UNITS || end > this.end) {
      return this.text();
    }
    let hash = length;
    for (let index = start + 2; index < end; index++) {
      hash = (Math.imul(hash, 31) + bytes[index]) | 0;
    }
    const place = hash & (KEYS - 1);
    const known = keys[place];
    if (isAt(known, bytes, start + 2, length)) {
      this.position = end;
      return known;
    }
    const key = this.text();
    keys[place] = key;
    return key;
  }
}

/** A string of at most `SHORT_UNITS`, made by one call with all codes: engines are slow to append to strings. */
function shortText(b: Uint8Array, at: number, units: number): string {
  switch (units) {
    case 0:
      return "";
    case 1:
      return fromCodes(b[at]);
    case 2:
      return fromCodes(b[at], b[at + 1]);
    case 3:
      return fromCodes(b[at], b[at + 1], b[at + 2]);
    case 4:
      return fromCodes(b[at], b[at + 1], b[at + 2], b[at + 3]);
    case 5:
      return fromCodes(b[at], b[at + 1], b[at + 2], b[at + 3], b[at + 4]);
    case 6:
      return fromCodes(b[at], b[at + 1], b[at + 2], b[at + 3], b[at + 4], b[at + 5]);
    case 7:
      return fromCodes(b[at], b[at + 1], b[at + 2], b[at + 3], b[at + 4], b[at + 5], b[at + 6]);
    default:
      return fromCodes(b[at], b[at + 1], b[at + 2], b[at + 3], b[at + 4], b[at + 5], b[at + 6], b[at + 7]);
  }
}

const fromCodes = String.fromCharCode;

/** Whether these Latin-1 bytes are that string. */
function isAt(text: string, bytes: Uint8Array, start: number, length: number): boolean {
  if (text.length !== length) {
    return false;
  }
  for (let index = 0; index < length; index++) {
    if (text.charCodeAt(index) !== bytes[start + index]) {
      return false;
    }
  }
  return true;
}
