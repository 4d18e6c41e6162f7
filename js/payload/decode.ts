/**
 * Bytes to values, see format.ts. The bytes may come from a hostile worker: every count is checked against what is left, the
 * depth is bounded, keys become own properties whatever they are called, and no code is made.
 */
import { KNITTING_ERRORS } from "../errors";
import {
  ARRAY,
  BIGINT,
  BINARY,
  DATE,
  ERROR,
  FALSE,
  FLOAT64,
  INT32,
  LATIN1,
  MAX_DEPTH,
  makeView,
  NULL,
  OBJECT,
  PART_CAUSE,
  PART_ERRORS,
  PART_PROPERTY,
  SPARSE,
  TRUE,
  UNDEFINED,
  UTF16,
  viewName,
} from "./format";

/** The bytes are no encoding. */
export class MalformedPayload extends Error {}

const ERROR_CLASSES: Readonly<Record<string, { prototype: object }>> = {
  ...KNITTING_ERRORS,
  Error,
  TypeError,
  RangeError,
  SyntaxError,
  ReferenceError,
  EvalError,
  URIError,
  AggregateError,
};

/** Short strings are put together by a loop; longer ones by a call. */
const SHORT_UNITS = 12;
/** Longest array, by the language. */
const MAX_LENGTH = 2 ** 32 - 1;
/** An index that no array has a contiguous store for, and low enough that the array may get one later. */
const FAR_INDEX = 2 ** 24;
/** Bytes of the largest bigint that V8 makes. */
const MAX_BIGINT_BYTES = 2 ** 27;

/** Keys that are no longer than this are remembered, so many of them. A power of two. */
const KEY_UNITS = 32;
const KEYS = 1024;
/** Keys met before, by a hash of their bytes: the objects of a list have the same ones over and over. */
const keys: string[] = new Array(KEYS).fill("");

/** Decodes values that lie in one piece of memory. */
export class Decoder {
  readonly #bytes: Buffer;
  readonly #view: DataView;
  #position = 0;
  #end = 0;

  constructor(memory: ArrayBuffer, byteOffset = 0, byteLength = memory.byteLength - byteOffset) {
    this.#bytes = Buffer.from(memory, byteOffset, byteLength);
    this.#view = new DataView(memory, byteOffset, byteLength);
  }

  /** Bytes that can be decoded from. */
  get byteLength(): number {
    return this.#bytes.length;
  }

  /** The value in the `length` bytes from `offset`. Throws `MalformedPayload`, and nothing else. */
  decode(offset: number, length: number): unknown {
    if (offset + length > this.#bytes.length) {
      throw new MalformedPayload("it lies outside its memory");
    }
    this.#position = offset;
    this.#end = offset + length;
    let value: unknown;
    try {
      value = this.#value(0);
    } catch (cause) {
      if (cause instanceof MalformedPayload) {
        throw cause;
      }
      // What the engine refuses to make: no memory for it, no stack left.
      throw new MalformedPayload(`it can't be made: ${(cause as Error).message}`, { cause });
    }
    if (this.#position !== this.#end) {
      throw new MalformedPayload("something follows the value");
    }
    return value;
  }

  /** A copy of `length` bytes from `offset`. */
  copy(offset: number, length: number): ArrayBuffer {
    const copy = new Uint8Array(length);
    copy.set(this.#bytes.subarray(offset, offset + length));
    return copy.buffer;
  }

  /** Steps over `bytes` and returns where they begin. */
  #skip(bytes: number): number {
    const start = this.#position;
    if (bytes > this.#end - start) {
      throw new MalformedPayload("it ends too early");
    }
    this.#position = start + bytes;
    return start;
  }

  #byte(): number {
    return this.#bytes[this.#skip(1)];
  }

  #count(): number {
    let count = 0;
    for (let scale = 1; scale <= 2 ** 49; scale *= 0x80) {
      const byte = this.#byte();
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
  #countOf(bytes: number): number {
    const count = this.#count();
    if (count * bytes > this.#end - this.#position) {
      throw new MalformedPayload("a count is larger than what follows");
    }
    return count;
  }

  #value(depth: number): unknown {
    const tag = this.#byte();
    switch (tag) {
      case UNDEFINED:
        return undefined;
      case NULL:
        return null;
      case FALSE:
        return false;
      case TRUE:
        return true;
      case INT32:
        return this.#view.getInt32(this.#skip(4), true);
      case FLOAT64:
        return this.#view.getFloat64(this.#skip(8), true);
      case LATIN1:
      case UTF16:
        return this.#string(tag);
      case BIGINT:
        return this.#bigint();
      case DATE:
        return new Date(this.#view.getFloat64(this.#skip(8), true));
      case BINARY:
        return this.#binary();
    }
    if (depth >= MAX_DEPTH) {
      throw new MalformedPayload(`it is nested more than ${MAX_DEPTH} levels deep`);
    }
    switch (tag) {
      case ARRAY:
        return this.#array(depth);
      case OBJECT:
        return this.#object(depth);
      case SPARSE:
        return this.#sparse(depth);
      case ERROR:
        return this.#error(depth);
      default:
        throw new MalformedPayload(`no value begins with ${tag}`);
    }
  }

  #text(): string {
    const tag = this.#byte();
    if (tag !== LATIN1 && tag !== UTF16) {
      throw new MalformedPayload("a string is missing");
    }
    return this.#string(tag);
  }

  #string(tag: number): string {
    const length = this.#countOf(1);
    const start = this.#skip(length);
    if (tag === UTF16) {
      if (length % 2 !== 0) {
        throw new MalformedPayload("half a code unit");
      }
      return this.#bytes.toString("utf16le", start, start + length);
    }
    if (length > SHORT_UNITS) {
      return this.#bytes.toString("latin1", start, start + length);
    }
    let text = "";
    for (let index = start; index < start + length; index++) {
      text += String.fromCharCode(this.#bytes[index]);
    }
    return text;
  }

  /** A string that is the key of a property. */
  #key(): string {
    const start = this.#position;
    const bytes = this.#bytes;
    const length = bytes[start + 1];
    const end = start + 2 + length;
    if (bytes[start] !== LATIN1 || length > KEY_UNITS || end > this.#end) {
      return this.#text();
    }
    let hash = length;
    for (let index = start + 2; index < end; index++) {
      hash = (Math.imul(hash, 31) + bytes[index]) | 0;
    }
    const place = hash & (KEYS - 1);
    const known = keys[place];
    if (isAt(known, bytes, start + 2, length)) {
      this.#position = end;
      return known;
    }
    const key = this.#text();
    keys[place] = key;
    return key;
  }

  #bigint(): bigint {
    const negative = this.#byte() !== 0;
    const length = this.#countOf(1);
    if (length > MAX_BIGINT_BYTES) {
      throw new MalformedPayload("a bigint is larger than bigints can be");
    }
    const start = this.#skip(length);
    const magnitude = length === 0 ? 0n : BigInt(`0x${this.#bytes.toString("hex", start, start + length)}`);
    return negative ? -magnitude : magnitude;
  }

  #binary(): unknown {
    const view = this.#byte();
    const length = this.#countOf(1);
    return viewOver(view, this.copy(this.#skip(length), length));
  }

  #array(depth: number): unknown[] {
    const length = this.#countOf(1);
    const array: unknown[] = [];
    for (let index = 0; index < length; index++) {
      array.push(this.#value(depth + 1));
    }
    return array;
  }

  #sparse(depth: number): unknown[] {
    const length = this.#count();
    if (length > MAX_LENGTH) {
      throw new MalformedPayload("an array is longer than arrays can be");
    }
    const count = this.#countOf(2);
    const array: unknown[] = [];
    // A length alone has V8 reserve memory for all of it. After an element far away it keeps those there are in a table.
    array[FAR_INDEX] = undefined;
    delete array[FAR_INDEX];
    array.length = length;
    for (let done = 0; done < count; done++) {
      const index = this.#count();
      if (index >= length) {
        throw new MalformedPayload("an index lies outside its array");
      }
      array[index] = this.#value(depth + 1);
    }
    return array;
  }

  #object(depth: number): Record<string, unknown> {
    const count = this.#countOf(3);
    const object: Record<string, unknown> = {};
    for (let done = 0; done < count; done++) {
      const key = this.#key();
      const value = this.#value(depth + 1);
      if (key === "__proto__") {
        define(object, key, value, true);
      } else {
        object[key] = value;
      }
    }
    return object;
  }

  #error(depth: number): Error {
    const className = this.#text();
    const name = this.#text();
    const error = makeError(this.#text());
    const errorClass = Object.hasOwn(ERROR_CLASSES, className) ? ERROR_CLASSES[className] : Error;
    if (errorClass !== Error) {
      Object.setPrototypeOf(error, errorClass.prototype);
    }
    const stack = this.#value(depth + 1);
    define(error, "stack", stack, false);
    if (error.name !== name) {
      define(error, "name", name, false);
    }
    while (this.#byte() !== 0) {
      const part = this.#byte();
      if (part === PART_PROPERTY) {
        const key = this.#text();
        define(error, key, this.#value(depth + 1), true);
      } else if (part === PART_CAUSE || part === PART_ERRORS) {
        define(error, part === PART_CAUSE ? "cause" : "errors", this.#value(depth + 1), false);
      } else {
        throw new MalformedPayload(`an error has no part ${part}`);
      }
    }
    return error;
  }
}

/** An error that has looked at no stack: its own is overwritten, and finding it out takes longer than all the rest. */
function makeError(message: string): Error {
  const { stackTraceLimit } = Error;
  if (typeof stackTraceLimit !== "number") {
    return new Error(message);
  }
  // No number: nothing is captured, nor a user's `prepareStackTrace` called. Unlike an assignment, this doesn't throw where
  // `Error` is frozen.
  Reflect.set(Error, "stackTraceLimit", undefined);
  try {
    return new Error(message);
  } finally {
    Reflect.set(Error, "stackTraceLimit", stackTraceLimit);
  }
}

/** A binary value over a buffer that is its own. Throws `MalformedPayload` where that can't be. */
export function viewOver(view: number, buffer: ArrayBuffer): unknown {
  let value: unknown;
  try {
    value = makeView(view, buffer);
  } catch {
    throw new MalformedPayload(`${buffer.byteLength} bytes are no whole ${viewName(view)}`);
  }
  if (value === undefined) {
    throw new MalformedPayload(`this runtime has no ${viewName(view)}`);
  }
  return value;
}

function define(object: object, key: string, value: unknown, enumerable: boolean): void {
  Object.defineProperty(object, key, { value, enumerable, configurable: true, writable: true });
}

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
