/**
 * The grammar of values on the way out: which bytes stand for a value, see format.ts. The writer puts them into memory.
 *
 * The file is long because a value may stand inside any other, so the methods for all kinds of values call each other.
 */
import { types } from "node:util";
import { PayloadTooLargeError } from "../base/errors";
import { entry, isNative, located, property, refused, Unsupported, whatIs } from "../base/payload-errors";
import type { SharedMapping } from "../shared-memory/mapping";
import { foreignMemory, openForeign, ProcessSharedBuffer } from "../shared-memory/process-shared-buffer";
import { NothingShared, type Reference, type Referrer, type SharedMemory } from "../shared-memory/references";
import { countIndices, unusualKeys } from "./array-keys";
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
  EXTENDED,
  FALSE,
  FLOAT64,
  INT32,
  LIST_LENGTH,
  MAP,
  MAPPED,
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
  MAP_ENTRY_BYTES,
  MARK_BYTES,
  OBJECT_BYTES,
  REGEXP_BYTES,
  SET_MEMBER_BYTES,
  SPARSE_BYTES,
  SPARSE_ELEMENT_BYTES,
  TABLE_PROPERTY_BYTES,
} from "./heap-cost";
import { type Region, Regions } from "./overlap";
import { Seen } from "./seen";
import { standInFor, UNSENT, Unsent } from "./thrown";
import { Envelope, foreignEnvelope } from "./value";
import { type Progress, Writer } from "./writer";

const NOTHING_SHARED = new NothingShared();

/** A binary value: the number of its class, and its bytes. */
export interface Binary {
  readonly view: number;
  readonly bytes: Uint8Array;
}

/** Encodes one value at a time. Ask for one by {@link withEncoder}. */
export class Encoder extends Writer {
  /** A thrown value loses what can't be sent. Any other value is refused as a whole. */
  #lenient = false;
  /** The error in place of a thrown value, and what is left out of it already. */
  #unsentOf: { readonly error: Error; readonly unsent: Unsent } | undefined;
  /** Objects by the scratch positions of their tags. */
  readonly #seen = new Seen();
  /** The bytes of all binary values. */
  #binaries: Uint8Array[] = [];
  /** The buffers among them. */
  #buffers: Set<ArrayBufferLike> | undefined;
  /** The memory that several binary values show. It is known after a first pass over the whole value. */
  #regions: Regions | undefined;
  #referrer: Referrer = NOTHING_SHARED;
  #hasEnvelope = false;
  /** The memory that the encoding refers to, if there is any. */
  references: readonly Reference[] | undefined;

  /** Whether the value can be sent beside these bytes: it doesn't show their buffer, and holds no envelope. */
  standsBeside({ buffer }: Uint8Array): boolean {
    return !this.#hasEnvelope && !this.#binaries.some((bytes) => bytes.buffer === buffer);
  }

  /**
   * Encodes a value. An error in a `thrown` value keeps only the parts that can be sent, and so does any other object
   * that is thrown. Throws `Unsupported` or `PayloadTooLargeError`.
   */
  encode(value: unknown, thrown: boolean, referrer: Referrer): void {
    this.#lenient = thrown;
    this.#referrer = referrer;
    try {
      this.#whole(value);
    } catch (error) {
      const unsent = new Unsent();
      const standIn = thrown && error instanceof Unsupported ? standInFor(value, error, unsent) : undefined;
      if (standIn === undefined) {
        throw error;
      }
      this.reset();
      this.#unsentOf = { error: standIn, unsent };
      this.#whole(standIn);
    }
  }

  #whole(value: unknown): void {
    this.#value(value, 0);
    if (this.#binaries.length > 1) {
      const regions = new Regions(this.#binaries, this.#buffers ?? new Set());
      if (!regions.isEmpty) {
        // A second pass, which knows the overlaps before it meets the first of them.
        this.reset();
        this.#regions = regions;
        this.#value(value, 0);
      }
    }
    this.checkNotes();
  }

  /** Lets go of the value and of what it took, for the next one. */
  override reset(): void {
    super.reset();
    if (this.#binaries.length > 0) {
      this.#binaries = [];
      this.#buffers = undefined;
      this.#regions = undefined;
    }
    this.#seen.clear();
    this.references = undefined;
    this.#hasEnvelope = false;
    this.#unsentOf = undefined;
  }

  #value(value: unknown, depth: number): void {
    switch (typeof value) {
      case "string":
        this.string(value);
        break;
      case "number":
        this.#number(value);
        break;
      case "boolean":
        this.byte(value ? TRUE : FALSE);
        break;
      case "undefined":
        this.byte(UNDEFINED);
        break;
      case "bigint":
        this.#bigint(value);
        break;
      case "object":
        if (value === null) {
          this.byte(NULL);
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
    this.byte(SYMBOL);
    this.string(key);
  }

  #number(value: number): void {
    if ((value | 0) === value && !Object.is(value, -0)) {
      this.int32(INT32, value);
    } else {
      this.float64(FLOAT64, value);
    }
  }

  #bigint(value: bigint): void {
    const hex = (value < 0n ? -value : value).toString(16);
    const magnitude = Buffer.from(hex.length % 2 === 0 ? hex : `0${hex}`, "hex");
    this.byte(BIGINT);
    this.byte(value < 0n ? 1 : 0);
    this.count(magnitude.length);
    this.bytes(magnitude);
  }

  #object(value: object, depth: number): void {
    const first = this.#seen.put(value, this.position);
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
      this.spend(DATE_BYTES);
      this.float64(DATE, Date.prototype.getTime.call(value));
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

  /**
   * An object that another copy of this package has made, or one with prototypes that have nothing. Any other object is
   * refused here.
   */
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
    if (buffer !== undefined) {
      this.#mapped(buffer);
    } else if (inheritsNothing(value)) {
      this.#plain(value as Record<string, unknown>, depth);
    } else {
      throw new Unsupported(`is ${whatIs(value)}${adviceFor(value)}`);
    }
  }

  /** Refers to the object whose tag is at this position of the scratch memory. */
  #reference(position: number): void {
    if (this.mark(position)) {
      this.spend(MARK_BYTES);
    }
    this.byte(REFERENCE);
    this.count(this.offsetOf(position));
  }

  #array(array: readonly unknown[], depth: number): void {
    const keys = unusualKeys(array);
    if (keys === undefined) {
      this.#dense(array, depth);
    } else {
      this.#unusual(array, keys, depth);
    }
  }

  /** An array with holes or with properties besides its elements. */
  #unusual(array: readonly unknown[], keys: readonly string[], depth: number): void {
    const { length } = array;
    const count = countIndices(keys, length);
    if (count < keys.length) {
      this.byte(EXTENDED);
    }
    if (count < length) {
      this.#sparse(array, keys, count, depth);
    } else {
      this.#dense(array, depth);
    }
    if (count < keys.length) {
      this.#properties(array as unknown as Record<string, unknown>, keys.slice(count), depth);
    }
  }

  #dense(array: readonly unknown[], depth: number): void {
    const { length } = array;
    let index = 0;
    try {
      this.spend(ARRAY_BYTES + length * ELEMENT_BYTES);
      this.byte(ARRAY);
      this.count(length);
      const names = length >= LIST_LENGTH ? this.#first(array[0], depth + 1) : undefined;
      if (names === undefined) {
        for (; index < length; index++) {
          const element = array[index];
          // Most elements are of these two types.
          if (typeof element === "string") {
            this.string(element);
          } else if (typeof element === "number") {
            this.#number(element);
          } else {
            this.#value(element, depth + 1);
          }
        }
      } else {
        for (index = 1; index < length; index++) {
          this.#next(array[index], names, depth + 1);
        }
      }
    } catch (error) {
      throw failureAt(error, `[${index}]`);
    }
  }

  /** An array with holes. The first `count` of the keys are the indices of its elements. */
  #sparse(array: readonly unknown[], keys: readonly string[], count: number, depth: number): void {
    this.spend(SPARSE_BYTES + count * SPARSE_ELEMENT_BYTES);
    this.byte(SPARSE);
    this.count(array.length);
    this.count(count);
    let done = 0;
    try {
      for (; done < count; done++) {
        const index = Number(keys[done]);
        this.count(index);
        this.#value(array[index], depth + 1);
      }
    } catch (error) {
      throw failureAt(error, `[${keys[done]}]`);
    }
  }

  /** The properties of an array besides its elements. */
  #properties(array: Record<string, unknown>, names: readonly string[], depth: number): void {
    this.spend(OBJECT_BYTES + names.length * TABLE_PROPERTY_BYTES);
    this.#named(array, names, depth);
  }

  /** The properties of these names, up to their end. */
  #named(object: Record<string, unknown>, names: readonly string[], depth: number): void {
    let key = "";
    try {
      for (key of names) {
        this.string(key);
        this.#value(object[key], depth + 1);
      }
    } catch (error) {
      throw failureAt(error, property(key));
    }
    this.byte(END);
  }

  #plain(object: Record<string, unknown>, depth: number): void {
    this.byte(OBJECT);
    let count = 0;
    let key = "";
    try {
      // Unlike Object.keys, this lets the engine load properties by their place in the object's shape.
      for (key in object) {
        if (isOwn.call(object, key)) {
          count++;
          this.string(key);
          this.#value(object[key], depth + 1);
        }
      }
    } catch (error) {
      throw failureAt(error, property(key));
    }
    this.byte(END);
    this.spendObject(count);
  }

  /** The first element of a list, if it is an object. Returns its keys: the next elements may have the same ones. */
  #first(element: unknown, depth: number): readonly string[] | undefined {
    if (
      typeof element !== "object" ||
      element === null ||
      Array.isArray(element) ||
      !isPlain(element) ||
      depth >= MAX_DEPTH ||
      this.#seen.put(element, this.position) >= 0
    ) {
      return undefined;
    }
    const object = element as Record<string, unknown>;
    const names = namesOf(object);
    this.byte(OBJECT);
    this.#named(object, names, depth);
    this.spendObject(names.length);
    return names;
  }

  /** An element of a list whose first one is an object with these keys. */
  #next(element: unknown, names: readonly string[], depth: number): void {
    if (typeof element !== "object" || element === null || !hasNames(element, names)) {
      this.#value(element, depth);
      return;
    }
    const first = this.#seen.put(element, this.position);
    if (first >= 0) {
      this.#reference(first);
      return;
    }
    const object = element as Record<string, unknown>;
    this.byte(ALIKE);
    let index = 0;
    try {
      // As in `#plain`. A getter that removes or adds properties ends this loop early.
      for (const key in object) {
        if (isOwn.call(object, key)) {
          if (key !== names[index]) {
            break;
          }
          this.#value(object[key], depth + 1);
          index++;
        }
      }
      for (; index < names.length; index++) {
        this.#value(object[names[index]], depth + 1);
      }
    } catch (error) {
      throw failureAt(error, property(names[index]));
    }
    this.spendObject(names.length);
  }

  #map(map: Map<unknown, unknown>, depth: number): void {
    // A copy of the entries, because a getter of something in the Map may change the Map.
    const entries: unknown[] = [];
    forEachEntry.call(map, (value, key) => entries.push(key, value));
    const count = entries.length / 2;
    this.spend(COLLECTION_BYTES + count * MAP_ENTRY_BYTES);
    this.byte(MAP);
    this.count(count);
    let index = 0;
    try {
      for (; index < entries.length; index++) {
        this.#value(entries[index], depth + 1);
      }
    } catch (error) {
      const place = index >> 1;
      throw failureAt(error, index % 2 === 0 ? `.keys()[${place}]` : entry(entries[index - 1], place));
    }
  }

  #set(set: Set<unknown>, depth: number): void {
    const members: unknown[] = [];
    forEachMember.call(set, (member) => members.push(member));
    this.spend(COLLECTION_BYTES + members.length * SET_MEMBER_BYTES);
    this.byte(SET);
    this.count(members.length);
    let index = 0;
    try {
      for (; index < members.length; index++) {
        this.#value(members[index], depth + 1);
      }
    } catch (error) {
      throw failureAt(error, `.values()[${index}]`);
    }
  }

  #regExp(regExp: RegExp): void {
    const { source, flags, lastIndex } = regExp;
    if (typeof lastIndex !== "number") {
      throw failureAt(new Unsupported("is no number"), ".lastIndex");
    }
    this.spend(REGEXP_BYTES);
    this.byte(REGEXP);
    this.string(source);
    this.string(flags);
    this.#number(lastIndex);
  }

  #binary(value: ArrayBuffer | ArrayBufferView, depth: number): void {
    const { view, bytes } = binaryOf(value);
    this.spend(BINARY_BYTES);
    if (isShared(bytes)) {
      this.byte(VIEW);
      this.byte(view);
      this.count(bytes.byteOffset);
      this.count(bytes.length);
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
      this.byte(BINARY);
      this.byte(view);
      this.count(bytes.length);
      this.bytes(bytes);
      return;
    }
    this.byte(VIEW);
    this.byte(view);
    this.count(bytes.byteOffset - region.start);
    this.count(bytes.length);
    this.#region(region);
  }

  #region({ identity, start, bytes }: Region): void {
    const first = this.#seen.put(identity, this.position);
    if (first >= 0) {
      this.#reference(first);
      return;
    }
    this.spend(BINARY_BYTES);
    const slack = bytes.byteOffset - start;
    this.byte(BINARY);
    this.byte(BUFFER_VIEW);
    this.count(slack + bytes.length);
    for (let done = 0; done < slack; done++) {
      this.byte(0);
    }
    this.bytes(bytes);
  }

  #shared(buffer: SharedArrayBuffer): void {
    this.spend(BINARY_BYTES);
    this.byte(SHARED);
    this.count(this.#refer(buffer));
  }

  #mapped(buffer: ProcessSharedBuffer): void {
    let mapping: SharedMapping;
    try {
      mapping = buffer.sendable();
    } catch (cause) {
      throw new Unsupported(`can't be shared: ${(cause as Error).message}`, { cause });
    }
    this.spend(BINARY_BYTES);
    this.byte(MAPPED);
    this.count(this.#refer(mapping));
    this.count(buffer.descriptor.byteOffset);
    this.count(buffer.byteLength);
    this.string(mapping.name ?? "");
    this.count(mapping.inode);
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
    this.spend(OBJECT_BYTES);
    this.byte(ENVELOPE);
    let part = "header";
    try {
      this.#value(header, depth + 1);
      part = "payload";
      this.#value(payload, depth + 1);
    } catch (error) {
      throw failureAt(error, property(part));
    }
  }

  #error(error: Error, depth: number): void {
    const unsent = this.#unsentOf?.error === error ? this.#unsentOf.unsent : new Unsent();
    const read = (key: "name" | "message" | "stack") =>
      this.#lenient ? unsent.text(`.${key}`, () => error[key]) : text(error[key]);
    const name = read("name") ?? "Error";
    this.spend(ERROR_BYTES);
    this.byte(ERROR);
    this.string(errorClass(error, name));
    this.string(name);
    this.string(read("message") ?? "");
    this.#value(read("stack"), depth + 1);

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
      const before = this.progress();
      const binaries = this.#binaries.length;
      const { references } = this;
      try {
        this.spend(ERROR_PART_BYTES);
        // One more part follows.
        this.byte(1);
        this.byte(part);
        if (part === PART_PROPERTY) {
          this.string(key);
        }
        this.#value(properties[key], depth + 1);
      } catch (failure) {
        if (!this.#lenient) {
          throw failureAt(failure, property(key));
        }
        this.#forgetSince(before, binaries, references);
        unsent.add(property(key), failure);
      }
    }
    if (unsent.entries.length > 0 && !Object.hasOwn(error, UNSENT)) {
      this.spend(ERROR_PART_BYTES);
      this.byte(1);
      this.byte(PART_PROPERTY);
      this.string(UNSENT);
      this.#value(unsent.entries, depth + 1);
    }
    this.byte(0);
  }

  /** Takes back everything that was encoded since then. */
  #forgetSince(progress: Progress, binaries: number, references: readonly Reference[] | undefined): void {
    this.returnTo(progress);
    this.#binaries.length = binaries;
    this.references = references;
    this.#seen.forgetFrom(progress.position);
  }
}

// The functions as they are before anybody replaces them. They work for values of every realm.
const { hasOwnProperty: isOwn } = Object.prototype;
const { forEach: forEachEntry } = Map.prototype;
const { forEach: forEachMember } = Set.prototype;

const SENT_FIRST = new Set(["name", "message", "stack"]);

/** Whether a property is a method: in Deno, errors of Node's modules have a `toString` of their own. */
function isMethod(error: Error, key: string): boolean {
  return key === "toString" && typeof error.toString === "function";
}

/** Whether the `code` is inherited: in Bun, errors of Node's modules have it from their class. */
function inheritsCode(error: Error): boolean {
  return "code" in error && !Object.hasOwn(error, "code");
}

/** Whether a property of an error is as the constructor makes it: the error's own, and not enumerable. */
function hides(error: Error, key: string): boolean {
  return Object.getOwnPropertyDescriptor(error, key)?.enumerable === false;
}

const shared = new Encoder();
let sharedInUse = false;

/** Encodes a value and hands the encoder to `use`. A getter may make a call itself: that gets its own encoder. */
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
 * The class and the bytes of a binary value of more than `moreThanBytes`. Returns undefined for any other value, and
 * for bytes in shared memory. Throws `UnsupportedPayloadError` for a value that is detached.
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
    // A DataView whose buffer is detached or too short by now. The caller finds that out when it asks for the bytes.
    return true;
  }
}

/** The error to throw when the part of a value that `step` leads to has failed. */
function failureAt(error: unknown, step: string): unknown {
  // The size is that of the whole value, whichever part came last.
  return error instanceof PayloadTooLargeError ? error : located(error, step, "can't be read");
}

/** Whether an object is a literal, of any realm, or has no prototype. */
function isPlain(value: object): boolean {
  const prototype = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null || isForeignObjectPrototype(prototype);
}

/**
 * Whether an object's prototypes have nothing that the object could inherit, so that it is the same without them. A
 * prototype may name the runtime's own constructor, as that of `process.env` does, but no class of a user.
 */
function inheritsNothing(value: object): boolean {
  for (
    let prototype = Object.getPrototypeOf(value);
    prototype !== null && prototype !== Object.prototype && !isForeignObjectPrototype(prototype);
    prototype = Object.getPrototypeOf(prototype)
  ) {
    for (const key of Reflect.ownKeys(prototype)) {
      const made: unknown = key === "constructor" ? prototype.constructor : undefined;
      if (typeof made !== "function" || !isNative(made)) {
        return false;
      }
    }
  }
  return true;
}

/** What to do with an object whose class is not sent, in words that follow what it is. */
function adviceFor(value: object): string {
  const { constructor: made } = value as { constructor?: unknown };
  const isOfUser = typeof made !== "function" || !isNative(made);
  return isOfUser && Object.keys(value).length > 0 ? ", send its own data as { ...value }" : "";
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

/** Whether it is a plain object that has these keys, in this order, and no others. */
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

function text(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}
