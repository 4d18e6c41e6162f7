/**
 * Values to bytes, see format.ts.
 *
 * An encoding is made in private scratch memory first, so that its size is known before room is taken and nothing is left
 * behind when a getter throws. Long strings and binary values are not copied there: they are noted, and written once, to
 * where the encoding goes.
 */
import { types } from "node:util";
import { KNITTING_ERRORS, UnsupportedPayloadError } from "../errors";
import {
  ARRAY,
  BIGINT,
  BINARY,
  bytesOf,
  DATE,
  ERROR,
  FALSE,
  FLOAT64,
  INT32,
  isBinary,
  LATIN1,
  MAX_DEPTH,
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
  viewOf,
} from "./format";

/** Strings and binary values of more bytes than this are noted instead of copied. */
const NOTE_BYTES = 4096;
/** Scratch memory that is kept from one value to the next. */
const KEEP_BYTES = 1024 * 1024;
/** Strings of at most this many code units are written by a loop of our own, which is faster than a call. */
const SHORT_UNITS = 48;

/** Bytes that belong into the encoding after its first `at` scratch bytes. */
interface Note {
  at: number;
  bytes: Uint8Array | undefined;
  text: string;
  encoding: "latin1" | "utf16le";
  length: number;
}

/** Encodes one value at a time. Ask for one by {@link withEncoder}. */
export class Encoder {
  #scratch = Buffer.allocUnsafeSlow(4096);
  #view = new DataView(this.#scratch.buffer);
  #position = 0;
  #notes: Note[] = [];
  #noted = 0;
  /** Thrown values lose what can't be sent; other values are refused as a whole. */
  #lenient = false;
  /** The errors that are being encoded, one inside the other. */
  #within: Error[] = [];

  /** Bytes of the encoding. */
  get byteLength(): number {
    return this.#position + this.#noted;
  }

  /**
   * Encodes a value. Of an error in a `thrown` one only what can be sent is kept. Throws `Unsupported`, or what a getter
   * throws.
   */
  encode(value: unknown, thrown: boolean): void {
    this.#lenient = thrown;
    this.#value(value, 0);
    for (const { bytes, length } of this.#notes) {
      // A getter that came later has taken them away; what lies in their place would be sent instead.
      if (bytes !== undefined && bytes.length !== length) {
        throw new Unsupported("holds bytes that were detached or resized by one of its getters");
      }
    }
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
    if (this.#position - from <= SHORT_UNITS) {
      while (from < this.#position) {
        target[to++] = this.#scratch[from++];
      }
    } else {
      this.#scratch.copy(target, to, from, this.#position);
    }
  }

  /** The encoding in memory of its own. */
  toBytes(): Buffer {
    const bytes = Buffer.allocUnsafeSlow(this.byteLength);
    this.writeTo(bytes, 0);
    return bytes;
  }

  /** Lets go of the value and of what it took, for the next one. */
  reset(): void {
    this.#position = 0;
    this.#noted = 0;
    if (this.#notes.length > 0) {
      this.#notes = [];
    }
    if (this.#within.length > 0) {
      this.#within = [];
    }
    if (this.#scratch.length > KEEP_BYTES) {
      this.#replaceScratch(Buffer.allocUnsafeSlow(4096));
    }
  }

  #replaceScratch(scratch: Buffer<ArrayBuffer>): void {
    this.#scratch = scratch;
    this.#view = new DataView(scratch.buffer);
  }

  /** Makes room for `bytes` more. */
  #need(bytes: number): void {
    if (this.#position + bytes > this.#scratch.length) {
      const larger = Buffer.allocUnsafeSlow(Math.max(this.#scratch.length * 2, this.#position + bytes));
      this.#scratch.copy(larger, 0, 0, this.#position);
      this.#replaceScratch(larger);
    }
  }

  #byte(byte: number): void {
    this.#need(1);
    this.#scratch[this.#position++] = byte;
  }

  #count(count: number): void {
    this.#need(8);
    let rest = count;
    while (rest >= 0x80) {
      // Numbers beyond 2^32 lose their upper half in bit operations.
      this.#scratch[this.#position++] = (rest % 0x80) | 0x80;
      rest = Math.floor(rest / 0x80);
    }
    this.#scratch[this.#position++] = rest;
  }

  #float(tag: number, value: number): void {
    this.#need(9);
    this.#scratch[this.#position] = tag;
    this.#view.setFloat64(this.#position + 1, value, true);
    this.#position += 9;
  }

  #value(value: unknown, depth: number): void {
    switch (typeof value) {
      case "string":
        this.#string(value);
        break;
      case "number":
        this.#number(value);
        break;
      case "boolean":
        this.#byte(value ? TRUE : FALSE);
        break;
      case "undefined":
        this.#byte(UNDEFINED);
        break;
      case "bigint":
        this.#bigint(value);
        break;
      case "object":
        if (value === null) {
          this.#byte(NULL);
        } else {
          this.#object(value, depth);
        }
        break;
      default:
        throw new Unsupported(`is a ${typeof value}`);
    }
  }

  #number(value: number): void {
    if ((value | 0) === value && !Object.is(value, -0)) {
      this.#need(5);
      this.#scratch[this.#position] = INT32;
      this.#view.setInt32(this.#position + 1, value, true);
      this.#position += 5;
    } else {
      this.#float(FLOAT64, value);
    }
  }

  #bigint(value: bigint): void {
    const hex = (value < 0n ? -value : value).toString(16);
    const magnitude = Buffer.from(hex.length % 2 === 0 ? hex : `0${hex}`, "hex");
    this.#byte(BIGINT);
    this.#byte(value < 0n ? 1 : 0);
    this.#bytes(magnitude);
  }

  #string(value: string): void {
    const units = value.length;
    if (units <= SHORT_UNITS) {
      this.#need(units + 2);
      const scratch = this.#scratch;
      const start = this.#position;
      let seen = 0;
      for (let index = 0; index < units; index++) {
        const unit = value.charCodeAt(index);
        seen |= unit;
        scratch[start + 2 + index] = unit;
      }
      if (seen <= 0xff) {
        scratch[start] = LATIN1;
        scratch[start + 1] = units;
        this.#position = start + 2 + units;
        return;
      }
    }
    // As many UTF-8 bytes as code units: ASCII, found at memory speed. Else a look for anything beyond one byte.
    if (Buffer.byteLength(value) === units || !/[^\0-\xff]/.test(value)) {
      this.#text(LATIN1, value, units, "latin1");
    } else {
      this.#text(UTF16, value, units * 2, "utf16le");
    }
  }

  #text(tag: number, text: string, length: number, encoding: "latin1" | "utf16le"): void {
    this.#byte(tag);
    this.#count(length);
    if (length > NOTE_BYTES) {
      this.#note({ at: this.#position, bytes: undefined, text, encoding, length });
    } else {
      this.#need(length);
      this.#scratch.write(text, this.#position, length, encoding);
      this.#position += length;
    }
  }

  /** A count and that many bytes. */
  #bytes(bytes: Uint8Array): void {
    const length = bytes.length;
    this.#count(length);
    if (length > NOTE_BYTES) {
      this.#note({ at: this.#position, bytes, text: "", encoding: "latin1", length });
    } else {
      this.#need(length);
      this.#scratch.set(bytes, this.#position);
      this.#position += length;
    }
  }

  #note(note: Note): void {
    this.#notes.push(note);
    this.#noted += note.length;
  }

  #object(value: object, depth: number): void {
    if (depth >= MAX_DEPTH) {
      throw new Unsupported(`is nested more than ${MAX_DEPTH} levels deep, or contains itself`);
    }
    if (Array.isArray(value)) {
      this.#array(value, depth);
    } else if (isPlain(value)) {
      this.#plain(value as Record<string, unknown>, depth);
    } else if (isBinary(value)) {
      this.#binary(value);
    } else if (types.isDate(value)) {
      this.#float(DATE, Date.prototype.getTime.call(value));
    } else if (types.isNativeError(value) || value instanceof Error) {
      this.#nested(value as Error, depth);
    } else {
      throw new Unsupported(`is ${whatIs(value)}`);
    }
  }

  #array(array: readonly unknown[], depth: number): void {
    const { length } = array;
    let index = 0;
    try {
      const keys = hasHole(array) ? elementKeys(array) : undefined;
      if (keys === undefined) {
        this.#byte(ARRAY);
        this.#count(length);
        for (; index < length; index++) {
          this.#value(array[index], depth + 1);
        }
        return;
      }
      this.#byte(SPARSE);
      this.#count(length);
      this.#count(keys.length);
      for (index of keys) {
        this.#count(index);
        this.#value(array[index], depth + 1);
      }
    } catch (error) {
      throw located(error, `[${index}]`);
    }
  }

  #plain(object: Record<string, unknown>, depth: number): void {
    const keys = Object.keys(object);
    this.#byte(OBJECT);
    this.#count(keys.length);
    let key = "";
    try {
      for (key of keys) {
        this.#string(key);
        this.#value(object[key], depth + 1);
      }
    } catch (error) {
      throw located(error, step(key));
    }
  }

  #binary(value: ArrayBuffer | ArrayBufferView): void {
    const { view, bytes } = binaryOf(value);
    this.#byte(BINARY);
    this.#byte(view);
    this.#bytes(bytes);
  }

  /**
   * An error, if it is in none of its own properties: when those that can't be sent are left out, each step of a circle
   * would go round again.
   */
  #nested(error: Error, depth: number): void {
    if (this.#within.includes(error)) {
      throw new Unsupported("contains itself");
    }
    this.#within.push(error);
    try {
      this.#error(error, depth);
    } finally {
      this.#within.pop();
    }
  }

  #error(error: Error, depth: number): void {
    const name = text(error.name, "Error");
    this.#byte(ERROR);
    this.#string(errorClass(error, name));
    this.#string(name);
    this.#string(text(error.message, ""));
    this.#value(typeof error.stack === "string" ? error.stack : undefined, depth + 1);

    const parts: [part: number, key: string][] = [];
    if (hides(error, "cause")) {
      parts.push([PART_CAUSE, "cause"]);
    }
    if (hides(error, "errors")) {
      parts.push([PART_ERRORS, "errors"]);
    }
    for (const key of Object.keys(error)) {
      if (!SENT_FIRST.has(key) && !isMethod(error, key)) {
        parts.push([PART_PROPERTY, key]);
      }
    }
    if (inheritsCode(error)) {
      parts.push([PART_PROPERTY, "code"]);
    }
    const properties = error as unknown as Record<string, unknown>;
    for (const [part, key] of parts) {
      const { position, notes, noted } = this.#mark();
      try {
        // One more follows.
        this.#byte(1);
        this.#byte(part);
        if (part === PART_PROPERTY) {
          this.#string(key);
        }
        this.#value(properties[key], depth + 1);
      } catch (failure) {
        if (!this.#lenient) {
          throw located(failure, step(key));
        }
        this.#position = position;
        this.#notes.length = notes;
        this.#noted = noted;
      }
    }
    this.#byte(0);
  }

  #mark(): { position: number; notes: number; noted: number } {
    return { position: this.#position, notes: this.#notes.length, noted: this.#noted };
  }
}

const SENT_FIRST = new Set(["name", "message", "stack"]);

/** Errors of Node's modules have a `toString` of their own in Deno. */
function isMethod(error: Error, key: string): boolean {
  return key === "toString" && typeof error.toString === "function";
}

/** Errors of Node's modules have their `code` from their class in Bun. */
function inheritsCode(error: Error): boolean {
  return "code" in error && !Object.hasOwn(error, "code");
}

/** Whether an error has a property as its constructor makes it: of its own, and not enumerable. */
function hides(error: Error, key: string): boolean {
  return Object.getOwnPropertyDescriptor(error, key)?.enumerable === false;
}

const shared = new Encoder();
let sharedInUse = false;

/**
 * Encodes a value and hands the encoder to `use`. A getter may itself make a call, which then gets an encoder of its own.
 */
export function withEncoder<T>(value: unknown, thrown: boolean, use: (encoder: Encoder) => T): T {
  if (sharedInUse) {
    return encodeWith(new Encoder(), value, thrown, use);
  }
  sharedInUse = true;
  try {
    return encodeWith(shared, value, thrown, use);
  } finally {
    shared.reset();
    sharedInUse = false;
  }
}

function encodeWith<T>(encoder: Encoder, value: unknown, thrown: boolean, use: (encoder: Encoder) => T): T {
  try {
    encoder.encode(value, thrown);
  } catch (error) {
    throw error instanceof Unsupported ? new UnsupportedPayloadError(`$${error.path}`, error.reason) : error;
  }
  return use(encoder);
}

/**
 * The class and the bytes of a binary value of more bytes than these; undefined for any other value. Throws
 * `UnsupportedPayloadError` for one that is detached or lies in shared memory.
 */
export function rawBinary(
  value: unknown,
  moreThanBytes: number,
): { view: number; bytes: Uint8Array } | undefined {
  if (typeof value !== "object" || value === null || !isBinary(value) || !isLonger(value, moreThanBytes)) {
    return undefined;
  }
  try {
    return binaryOf(value);
  } catch (error) {
    throw error instanceof Unsupported ? new UnsupportedPayloadError("$", error.reason) : error;
  }
}

function isLonger(value: ArrayBuffer | ArrayBufferView, bytes: number): boolean {
  try {
    return value.byteLength > bytes;
  } catch {
    // A DataView whose buffer is detached or too short by now. Its bytes can't be had, which is for the caller to hear.
    return true;
  }
}

function binaryOf(value: ArrayBuffer | ArrayBufferView): { view: number; bytes: Uint8Array } {
  const view = viewOf(value);
  if (view < 0 || (ArrayBuffer.isView(value) && !types.isArrayBuffer(value.buffer))) {
    throw new Unsupported(view < 0 ? `is ${whatIs(value)}` : `is a ${viewName(view)} of shared memory`);
  }
  try {
    return { view, bytes: bytesOf(value) };
  } catch {
    throw new Unsupported(`is a detached ${viewName(view)}`);
  }
}

/** What can't be sent, on its way out of the value: the path grows as it passes each level. */
class Unsupported extends Error {
  path = "";

  constructor(readonly reason: string) {
    super(reason);
  }
}

function located(error: unknown, step: string): unknown {
  if (error instanceof Unsupported) {
    error.path = step + error.path;
  }
  return error;
}

function step(key: string): string {
  return /^[A-Za-z_$][\w$]*$/.test(key) ? `.${key}` : `[${JSON.stringify(key)}]`;
}

/** An object literal of whatever realm, or an object without a prototype. */
function isPlain(value: object): boolean {
  const prototype = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null || isForeignObjectPrototype(prototype);
}

function isForeignObjectPrototype(prototype: object): boolean {
  return Object.getPrototypeOf(prototype) === null && Object.hasOwn(prototype, "isPrototypeOf");
}

function hasHole(array: readonly unknown[]): boolean {
  for (let index = 0; index < array.length; index++) {
    if (array[index] === undefined && !(index in array)) {
      return true;
    }
  }
  return false;
}

/** The indices that an array really has, in order. */
function elementKeys(array: readonly unknown[]): number[] {
  const keys: number[] = [];
  for (const key of Object.keys(array)) {
    const index = Number(key);
    // Integer keys come first, named properties after them.
    if (!Number.isInteger(index) || index < 0 || String(index) !== key) {
      break;
    }
    keys.push(index);
  }
  return keys;
}

const BUILT_IN_ERRORS = [
  Error,
  TypeError,
  RangeError,
  SyntaxError,
  ReferenceError,
  EvalError,
  URIError,
  AggregateError,
] as const;

/** The classes that an error can arrive as, by their prototypes. */
const CLASS_BY_PROTOTYPE = new Map<object, string>(
  [...BUILT_IN_ERRORS, ...Object.values(KNITTING_ERRORS)].map(({ prototype, name }) => [prototype, name]),
);
const BUILT_IN_NAMES = new Set<string>(BUILT_IN_ERRORS.map(({ name }) => name));

/**
 * The class an error arrives as: its own if it is built in or ours, else `Error`. Classes that Node derives from built-in
 * ones and gives no name of their own count as what they are derived from: its `TypeError [ERR_INVALID_ARG_TYPE]` is one.
 */
function errorClass(error: Error, name: string): string {
  const own: object | null = Object.getPrototypeOf(error);
  for (let prototype = own; prototype !== null; prototype = Object.getPrototypeOf(prototype)) {
    const found = CLASS_BY_PROTOTYPE.get(prototype) ?? foreignClass(prototype);
    if (found !== undefined) {
      return prototype === own || found === name ? found : "Error";
    }
  }
  return "Error";
}

/** The name of the built-in error class that has this prototype in another realm. */
function foreignClass(prototype: object): string | undefined {
  const make: unknown = Object.getOwnPropertyDescriptor(prototype, "constructor")?.value;
  if (typeof make !== "function") {
    return undefined;
  }
  // Names can be chosen; only what is built in has no source.
  const source = Function.prototype.toString.call(make);
  const name = /^function (\w+)\(\) \{ \[native code\] \}$/.exec(source)?.[1];
  return name !== undefined && BUILT_IN_NAMES.has(name) ? name : undefined;
}

function text(value: unknown, otherwise: string): string {
  return typeof value === "string" ? value : otherwise;
}

function whatIs(value: object): string {
  const name = value.constructor?.name;
  if (typeof name === "string" && name !== "" && name !== "Object") {
    return `${/^[AEIOU]/.test(name) ? "an" : "a"} ${name}`;
  }
  return "an object with a prototype of its own";
}
