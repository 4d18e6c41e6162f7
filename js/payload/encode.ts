/**
 * Values to bytes, see format.ts.
 *
 * An encoding is made in private scratch memory first, so that its size is known before room is taken and nothing is left
 * behind when a getter throws. Long strings and binary values are not copied there: they are noted, and written once, to
 * where the encoding goes.
 */
import { types } from "node:util";
import { PayloadTooLargeError } from "../base/errors";
import { entry, located, property, refused, Unsupported, whatIs } from "../base/payload-errors";
import type { SharedMapping } from "../shared-memory/mapping";
import { foreignMemory, openForeign, ProcessSharedBuffer } from "../shared-memory/process-shared-buffer";
import { NothingShared, type Reference, type Referrer, type SharedMemory } from "../shared-memory/references";
import { BUFFER_VIEW, binaryOf, isBinary, isShared } from "./binary";
import { errorClass } from "./error-class";
import {
  ALIKE,
  ARRAY,
  BIGINT,
  BINARY,
  DATE,
  END,
  ENVELOPE,
  ERROR,
  FALSE,
  FLOAT64,
  INT32,
  LATIN1,
  LIST_LENGTH,
  MAP,
  MAPPED,
  MARK,
  MAX_DEPTH,
  MAX_SYMBOL_UNITS,
  NULL,
  OBJECT,
  PART_CAUSE,
  PART_ERRORS,
  PART_PROPERTY,
  REFERENCE,
  REGEXP,
  SET,
  SHARED,
  SPARSE,
  SYMBOL,
  TRUE,
  UNDEFINED,
  UTF16,
  VIEW,
} from "./format";
import {
  ARRAY_BYTES,
  BINARY_BYTES,
  COLLECTION_BYTES,
  DATE_BYTES,
  ELEMENT_BYTES,
  ERROR_BYTES,
  ERROR_PART_BYTES,
  FEW_PROPERTIES,
  MAP_ENTRY_BYTES,
  MARK_BYTES,
  MAX_HEAP_BYTES,
  OBJECT_BYTES,
  PROPERTY_BYTES,
  REGEXP_BYTES,
  SET_MEMBER_BYTES,
  SPARSE_BYTES,
  SPARSE_ELEMENT_BYTES,
  TABLE_PROPERTY_BYTES,
} from "./heap-cost";
import { type Region, Regions } from "./overlap";
import { Seen } from "./seen";
import { Envelope, foreignEnvelope } from "./value";

/** Strings and binary values of more bytes than this are noted instead of copied. */
const NOTE_BYTES = 4096;
/** Scratch memory that is kept from one value to the next. */
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

const NOTHING_SHARED = new NothingShared();

/** A binary value: the number of its class, and its bytes. */
export interface Binary {
  readonly view: number;
  readonly bytes: Uint8Array;
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
  /** Objects by the scratch positions of their tags. */
  readonly #seen = new Seen();
  /** The bytes of all binary values, and the buffers among them. */
  #binaries: Uint8Array[] = [];
  #buffers: Set<ArrayBufferLike> | undefined;
  /** What several of them show. Known once all are. */
  #regions: Regions | undefined;
  /** What the value will take of a heap. */
  #heapBytes = 0;
  #referrer: Referrer = NOTHING_SHARED;
  #hasEnvelope = false;
  /** The memory that the encoding refers to, if there is any. */
  references: readonly Reference[] | undefined;

  /** Whether the value has nothing to do with these bytes, and is no envelope's envelope: it can be sent beside them. */
  standsBeside({ buffer }: Uint8Array): boolean {
    return !this.#hasEnvelope && !this.#binaries.some((bytes) => bytes.buffer === buffer);
  }

  /** Bytes of the encoding. */
  get byteLength(): number {
    return this.#position + this.#noted;
  }

  /**
   * Encodes a value. Of an error in a `thrown` one only what can be sent is kept. Throws `Unsupported` or
   * `PayloadTooLargeError`.
   */
  encode(value: unknown, thrown: boolean, referrer: Referrer): void {
    this.#lenient = thrown;
    this.#referrer = referrer;
    this.#value(value, 0);
    if (this.#binaries.length > 1) {
      const regions = new Regions(this.#binaries, this.#buffers ?? new Set());
      if (!regions.isEmpty) {
        // Once more, with what overlaps known before it is met.
        this.reset();
        this.#regions = regions;
        this.#value(value, 0);
      }
    }
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
    if (this.#binaries.length > 0) {
      this.#binaries = [];
      this.#buffers = undefined;
      this.#regions = undefined;
    }
    this.#seen.clear();
    this.#heapBytes = 0;
    this.references = undefined;
    this.#hasEnvelope = false;
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

  /** Adds to what the value will take of a heap. */
  #spend(bytes: number): void {
    this.#heapBytes += bytes;
    if (this.#heapBytes > MAX_HEAP_BYTES) {
      throw new PayloadTooLargeError(
        this.#heapBytes,
        MAX_HEAP_BYTES,
        `the value takes ${this.#heapBytes} bytes of memory or more, at most ${MAX_HEAP_BYTES} are possible`,
      );
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
      case "symbol":
        this.#symbol(value);
        break;
      default:
        throw new Unsupported(`is a ${typeof value}`);
    }
  }

  #symbol(symbol: symbol): void {
    const key = Symbol.keyFor(symbol);
    if (key === undefined) {
      throw new Unsupported("is a symbol, only those of Symbol.for can be sent");
    }
    if (key.length > MAX_SYMBOL_UNITS) {
      throw new Unsupported(`is a symbol with a key of more than ${MAX_SYMBOL_UNITS} characters`);
    }
    this.#byte(SYMBOL);
    this.#string(key);
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
    this.#count(magnitude.length);
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
      this.#note(undefined, text, encoding, length);
    } else {
      this.#need(length);
      this.#scratch.write(text, this.#position, length, encoding);
      this.#position += length;
    }
  }

  #bytes(bytes: Uint8Array): void {
    const length = bytes.length;
    if (length > NOTE_BYTES) {
      this.#note(bytes, "", "latin1", length);
    } else {
      this.#need(length);
      this.#scratch.set(bytes, this.#position);
      this.#position += length;
    }
  }

  #note(bytes: Uint8Array | undefined, text: string, encoding: Note["encoding"], length: number): void {
    this.#notes.push({ at: this.#position, before: this.#noted, bytes, text, encoding, length });
    this.#noted += length;
  }

  #object(value: object, depth: number): void {
    const first = this.#seen.put(value, this.#position);
    if (first >= 0) {
      this.#reference(first);
    } else {
      this.#unmet(value, depth);
    }
  }

  /** An object that is met for the first time. */
  #unmet(value: object, depth: number): void {
    if (depth >= MAX_DEPTH) {
      throw new Unsupported(`is nested more than ${MAX_DEPTH} levels deep`);
    }
    if (Array.isArray(value)) {
      this.#array(value, depth);
    } else if (isPlain(value)) {
      this.#plain(value as Record<string, unknown>, depth);
    } else if (isBinary(value)) {
      this.#binary(value, depth);
    } else if (types.isDate(value)) {
      this.#spend(DATE_BYTES);
      this.#float(DATE, Date.prototype.getTime.call(value));
    } else if (types.isMap(value)) {
      this.#map(value, depth);
    } else if (types.isSet(value)) {
      this.#set(value, depth);
    } else if (types.isRegExp(value)) {
      this.#regExp(value);
    } else if (types.isNativeError(value) || value instanceof Error) {
      this.#error(value as Error, depth);
    } else if (types.isSharedArrayBuffer(value)) {
      this.#shared(value);
    } else if (value instanceof ProcessSharedBuffer) {
      this.#mapped(value);
    } else if (value instanceof Envelope) {
      this.#envelope(value, depth);
    } else {
      this.#foreign(value, depth);
    }
  }

  /** What another copy of this package has made; anything else is refused. */
  #foreign(value: object, depth: number): void {
    const envelope = foreignEnvelope(value);
    if (envelope !== undefined) {
      this.#envelope(envelope, depth);
      return;
    }
    let buffer: ProcessSharedBuffer | undefined;
    try {
      const memory = foreignMemory(value);
      buffer = memory && openForeign(value, memory);
    } catch (cause) {
      throw new Unsupported(`can't be shared: ${(cause as Error).message}`, { cause });
    }
    if (buffer === undefined) {
      throw new Unsupported(`is ${whatIs(value)}`);
    }
    this.#mapped(buffer);
  }

  /** Refers to what was put at this position of the scratch memory. */
  #reference(position: number): void {
    if (this.#scratch[position] < MARK) {
      this.#scratch[position] += MARK;
      this.#spend(MARK_BYTES);
    }
    this.#byte(REFERENCE);
    this.#count(position + this.#notedBefore(position));
  }

  /** Bytes of the notes before a position of the scratch memory. */
  #notedBefore(position: number): number {
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
    return from === 0 ? 0 : this.#notes[from - 1].before + this.#notes[from - 1].length;
  }

  #array(array: readonly unknown[], depth: number): void {
    const { length } = array;
    let index = 0;
    try {
      const keys = hasHole(array) ? elementKeys(array) : undefined;
      if (keys === undefined) {
        this.#spend(ARRAY_BYTES + length * ELEMENT_BYTES);
        this.#byte(ARRAY);
        this.#count(length);
        const names = length >= LIST_LENGTH ? this.#first(array[0], depth + 1) : undefined;
        if (names === undefined) {
          for (; index < length; index++) {
            this.#value(array[index], depth + 1);
          }
        } else {
          for (index = 1; index < length; index++) {
            this.#next(array[index], names, depth + 1);
          }
        }
        return;
      }
      this.#spend(SPARSE_BYTES + keys.length * SPARSE_ELEMENT_BYTES);
      this.#byte(SPARSE);
      this.#count(length);
      this.#count(keys.length);
      for (index of keys) {
        this.#count(index);
        this.#value(array[index], depth + 1);
      }
    } catch (error) {
      throw told(error, `[${index}]`);
    }
  }

  #plain(object: Record<string, unknown>, depth: number): void {
    this.#byte(OBJECT);
    let count = 0;
    let key = "";
    try {
      // Unlike Object.keys, this lets the engine load properties by their place in the object's shape.
      for (key in object) {
        if (isOwn.call(object, key)) {
          count++;
          this.#string(key);
          this.#value(object[key], depth + 1);
        }
      }
    } catch (error) {
      throw told(error, property(key));
    }
    this.#byte(END);
    this.#spendObject(count);
  }

  #spendObject(properties: number): void {
    const few = Math.min(properties, FEW_PROPERTIES);
    this.#spend(OBJECT_BYTES + few * PROPERTY_BYTES + (properties - few) * TABLE_PROPERTY_BYTES);
  }

  /** The first element of a list, if that is an object with keys. Returns them: those after it may have the same. */
  #first(element: unknown, depth: number): readonly string[] | undefined {
    if (
      typeof element !== "object" ||
      element === null ||
      Array.isArray(element) ||
      !isPlain(element) ||
      depth >= MAX_DEPTH ||
      this.#seen.put(element, this.#position) >= 0
    ) {
      return undefined;
    }
    const object = element as Record<string, unknown>;
    const names = namesOf(object);
    this.#byte(OBJECT);
    let key = "";
    try {
      for (key of names) {
        this.#string(key);
        this.#value(object[key], depth + 1);
      }
    } catch (error) {
      throw told(error, property(key));
    }
    this.#byte(END);
    this.#spendObject(names.length);
    return names;
  }

  /** An element of a list whose first one is an object with these keys. */
  #next(element: unknown, names: readonly string[], depth: number): void {
    if (typeof element !== "object" || element === null || !hasNames(element, names)) {
      this.#value(element, depth);
      return;
    }
    const first = this.#seen.put(element, this.#position);
    if (first >= 0) {
      this.#reference(first);
      return;
    }
    const object = element as Record<string, unknown>;
    this.#byte(ALIKE);
    let index = 0;
    try {
      for (; index < names.length; index++) {
        this.#value(object[names[index]], depth + 1);
      }
    } catch (error) {
      throw told(error, property(names[index]));
    }
    this.#spendObject(names.length);
  }

  #map(map: Map<unknown, unknown>, depth: number): void {
    // As it is now: a getter of what is in it may change it.
    const entries: unknown[] = [];
    forEachEntry.call(map, (value, key) => entries.push(key, value));
    const count = entries.length / 2;
    this.#spend(COLLECTION_BYTES + count * MAP_ENTRY_BYTES);
    this.#byte(MAP);
    this.#count(count);
    let index = 0;
    try {
      for (; index < entries.length; index++) {
        this.#value(entries[index], depth + 1);
      }
    } catch (error) {
      const place = index >> 1;
      throw told(error, index % 2 === 0 ? `.keys()[${place}]` : entry(entries[index - 1], place));
    }
  }

  #set(set: Set<unknown>, depth: number): void {
    const members: unknown[] = [];
    forEachMember.call(set, (member) => members.push(member));
    this.#spend(COLLECTION_BYTES + members.length * SET_MEMBER_BYTES);
    this.#byte(SET);
    this.#count(members.length);
    let index = 0;
    try {
      for (; index < members.length; index++) {
        this.#value(members[index], depth + 1);
      }
    } catch (error) {
      throw told(error, `.values()[${index}]`);
    }
  }

  #regExp(regExp: RegExp): void {
    const { source, flags, lastIndex } = regExp;
    if (typeof lastIndex !== "number") {
      throw told(new Unsupported("is no number"), ".lastIndex");
    }
    this.#spend(REGEXP_BYTES);
    this.#byte(REGEXP);
    this.#string(source);
    this.#string(flags);
    this.#number(lastIndex);
  }

  #binary(value: ArrayBuffer | ArrayBufferView, depth: number): void {
    const { view, bytes } = binaryOf(value);
    this.#spend(BINARY_BYTES);
    if (isShared(bytes)) {
      this.#byte(VIEW);
      this.#byte(view);
      this.#count(bytes.byteOffset);
      this.#count(bytes.length);
      this.#object(bytes.buffer, depth + 1);
      return;
    }
    this.#binaries.push(bytes);
    if (view === BUFFER_VIEW) {
      this.#buffers ??= new Set();
      this.#buffers.add(bytes.buffer);
    }
    const region = view === BUFFER_VIEW ? undefined : this.#regions?.of(bytes);
    if (region === undefined) {
      this.#byte(BINARY);
      this.#byte(view);
      this.#count(bytes.length);
      this.#bytes(bytes);
      return;
    }
    this.#byte(VIEW);
    this.#byte(view);
    this.#count(bytes.byteOffset - region.start);
    this.#count(bytes.length);
    this.#region(region);
  }

  #region({ identity, start, bytes }: Region): void {
    const first = this.#seen.put(identity, this.#position);
    if (first >= 0) {
      this.#reference(first);
      return;
    }
    this.#spend(BINARY_BYTES);
    const slack = bytes.byteOffset - start;
    this.#byte(BINARY);
    this.#byte(BUFFER_VIEW);
    this.#count(slack + bytes.length);
    for (let done = 0; done < slack; done++) {
      this.#byte(0);
    }
    this.#bytes(bytes);
  }

  #shared(buffer: SharedArrayBuffer): void {
    this.#spend(BINARY_BYTES);
    this.#byte(SHARED);
    this.#count(this.#refer(buffer));
  }

  #mapped(buffer: ProcessSharedBuffer): void {
    let mapping: SharedMapping;
    try {
      mapping = buffer.sendable();
    } catch (cause) {
      throw new Unsupported(`can't be shared: ${(cause as Error).message}`, { cause });
    }
    this.#spend(BINARY_BYTES);
    this.#byte(MAPPED);
    this.#count(this.#refer(mapping));
    this.#count(buffer.descriptor.byteOffset);
    this.#count(buffer.byteLength);
    this.#string(mapping.name ?? "");
    this.#count(mapping.inode);
  }

  /** The number by which the encoding refers to this memory. */
  #refer(memory: SharedMemory): number {
    const known = this.references?.find((reference) => reference.memory === memory);
    const number = known?.number ?? this.#referrer.refer(memory);
    if (known === undefined) {
      this.references = [...(this.references ?? []), { number, memory }];
    }
    return number;
  }

  #envelope({ header, payload }: Pick<Envelope, "header" | "payload">, depth: number): void {
    this.#hasEnvelope = true;
    this.#spend(OBJECT_BYTES);
    this.#byte(ENVELOPE);
    let part = "header";
    try {
      this.#value(header, depth + 1);
      part = "payload";
      this.#value(payload, depth + 1);
    } catch (error) {
      throw told(error, property(part));
    }
  }

  #error(error: Error, depth: number): void {
    const name = text(error.name, "Error");
    this.#spend(ERROR_BYTES);
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
      const before = this.#progress();
      try {
        this.#spend(ERROR_PART_BYTES);
        // One more follows.
        this.#byte(1);
        this.#byte(part);
        if (part === PART_PROPERTY) {
          this.#string(key);
        }
        this.#value(properties[key], depth + 1);
      } catch (failure) {
        if (!this.#lenient) {
          throw told(failure, property(key));
        }
        this.#returnTo(before);
      }
    }
    this.#byte(0);
  }

  #progress(): Progress {
    return {
      position: this.#position,
      notes: this.#notes.length,
      noted: this.#noted,
      binaries: this.#binaries.length,
      heapBytes: this.#heapBytes,
      references: this.references,
    };
  }

  /** Takes back what was encoded since then. */
  #returnTo({ position, notes, noted, binaries, heapBytes, references }: Progress): void {
    this.#position = position;
    this.#notes.length = notes;
    this.#noted = noted;
    this.#binaries.length = binaries;
    this.#heapBytes = heapBytes;
    this.references = references;
    this.#seen.forgetFrom(position);
  }
}

/** How far an encoding has come. */
interface Progress {
  readonly position: number;
  readonly notes: number;
  readonly noted: number;
  readonly binaries: number;
  readonly heapBytes: number;
  readonly references: readonly Reference[] | undefined;
}

// As they are before anybody replaces them, for values of every realm.
const { hasOwnProperty: isOwn } = Object.prototype;
const { forEach: forEachEntry } = Map.prototype;
const { forEach: forEachMember } = Set.prototype;

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
export function withEncoder<T>(
  value: unknown,
  thrown: boolean,
  use: (encoder: Encoder) => T,
  referrer: Referrer = NOTHING_SHARED,
): T {
  if (sharedInUse) {
    return encodeWith(new Encoder(), value, thrown, use, referrer);
  }
  sharedInUse = true;
  try {
    return encodeWith(shared, value, thrown, use, referrer);
  } finally {
    shared.reset();
    sharedInUse = false;
  }
}

function encodeWith<T>(
  encoder: Encoder,
  value: unknown,
  thrown: boolean,
  use: (encoder: Encoder) => T,
  referrer: Referrer,
): T {
  try {
    encoder.encode(value, thrown, referrer);
  } catch (error) {
    throw error instanceof Unsupported ? refused(error) : error;
  }
  return use(encoder);
}

/**
 * The class and the bytes of a binary value of more bytes than these; undefined for any other value, and for bytes in shared
 * memory. Throws `UnsupportedPayloadError` for one that is detached.
 */
export function rawBinary(value: unknown, moreThanBytes: number): Binary | undefined {
  if (typeof value !== "object" || value === null || !isBinary(value) || !isLonger(value, moreThanBytes)) {
    return undefined;
  }
  try {
    const binary = binaryOf(value);
    return isShared(binary.bytes) ? undefined : binary;
  } catch (error) {
    throw error instanceof Unsupported ? refused(error) : error;
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

/** What to throw from a value's part that failed. */
function told(error: unknown, step: string): unknown {
  // Of the whole value, whichever part was the last.
  return error instanceof PayloadTooLargeError ? error : located(error, step, "can't be read");
}

/** An object literal of whatever realm, or an object without a prototype. */
function isPlain(value: object): boolean {
  const prototype = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null || isForeignObjectPrototype(prototype);
}

function isForeignObjectPrototype(prototype: object): boolean {
  return Object.getPrototypeOf(prototype) === null && Object.hasOwn(prototype, "isPrototypeOf");
}

function namesOf(object: object): readonly string[] {
  const names: string[] = [];
  for (const key in object) {
    if (isOwn.call(object, key)) {
      names.push(key);
    }
  }
  return names;
}

/** Whether it is an object with these keys in this order, and with no others. */
function hasNames(object: object, names: readonly string[]): boolean {
  if (Array.isArray(object) || !isPlain(object)) {
    return false;
  }
  let count = 0;
  for (const key in object) {
    if (isOwn.call(object, key)) {
      if (key !== names[count]) {
        return false;
      }
      count++;
    }
  }
  return count === names.length;
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

function text(value: unknown, otherwise: string): string {
  return typeof value === "string" ? value : otherwise;
}
