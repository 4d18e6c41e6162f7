/**
 * The grammar of values on the way in: which value some bytes stand for, see format.ts. The reader takes the bytes from
 * memory.
 *
 * The bytes may come from a hostile worker. The reader checks every count against what is left. Here the depth is
 * bounded, keys become own properties whatever their names are, and no code is made.
 *
 * Bytes that no encoder writes are `MalformedPayload`: the peer can't be trusted. A value that an honest encoder has
 * written and that this runtime can't make is only unsupported. Its call rejects, and the lane goes on behind the
 * payload.
 *
 * The file is long because a value may stand inside any other, so the methods for all kinds of values call each other.
 */

import { types } from "node:util";
import { SharedMemoryError } from "../base/errors";
import {
  asUnsupported,
  entry,
  located,
  MalformedPayload,
  property,
  refused,
  Unsupported,
} from "../base/payload-errors";
import { ALIGN_BYTES } from "../shared-memory/mapping";
import { ProcessSharedBuffer } from "../shared-memory/process-shared-buffer";
import type { Resolver } from "../shared-memory/references";
import { isIndex } from "./array-keys";
import { isView, makeView, viewName } from "./binary";
import { Chains, FEW_KEYS } from "./collisions";
import { errorPrototype } from "./error-class";
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
  OBJECT_BYTES,
  PROPERTY_BYTES,
  REGEXP_BYTES,
  SET_MEMBER_BYTES,
  SPARSE_BYTES,
  SPARSE_ELEMENT_BYTES,
  TABLE_PROPERTY_BYTES,
} from "./heap-cost";
import { Reader } from "./reader";
import { Envelope, isEnvelopePayload } from "./value";

export { MalformedPayload };

/** Length of the longest array that the language allows. */
const MAX_LENGTH = 2 ** 32 - 1;
/** An index too high for the contiguous store of an array, and low enough that the array may get such a store later. */
const FAR_INDEX = 2 ** 24;
/** Bytes of the largest bigint that V8 makes. */
const MAX_BIGINT_BYTES = 2 ** 27;

/** Steps along chains of colliding keys that a value may take beyond the usual: about a millisecond. */
const SPARE_STEPS = 2 ** 18;

const RUNTIME = runtimeName();
/** Words for a value that the engine refuses to make. */
const CANNOT_MAKE = `can't be made by ${RUNTIME}`;

/** Most symbols of different keys that are made in this process. Engines never forget a symbol. */
const MAX_SYMBOLS = 65_536;
const symbolKeys = new Set<string>();

/** Decodes values that lie in one piece of memory. */
export class Decoder extends Reader {
  /** Steps it may still take along chains of colliding keys. */
  #steps = 0;
  /** Objects that references may refer to, by the offsets of their tags. */
  #marked: Map<number, object> | undefined;
  /** Finds the memory that values refer to. */
  #resolver: Resolver | undefined;

  /** Lets values refer to the memory that this resolver finds. */
  sharing(resolver: Resolver): this {
    this.#resolver = resolver;
    return this;
  }

  /**
   * The value in the `length` bytes from `offset`. Throws `MalformedPayload`, or `UnsupportedPayloadError` for a value
   * that this runtime can't make, or `SharedMemoryError` for memory that can't be opened, and nothing else.
   */
  decode(offset: number, length: number): unknown {
    this.begin(offset, length);
    this.#steps = SPARE_STEPS;
    let value: unknown;
    try {
      value = this.#value(0);
    } catch (error) {
      throw isFinal(error) ? error : refused(asUnsupported(error, CANNOT_MAKE));
    } finally {
      this.#marked = undefined;
    }
    this.finish();
    return value;
  }

  #value(depth: number): unknown {
    const at = this.position;
    const tag = this.byte();
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
        return this.int32();
      case FLOAT64:
        return this.float64();
      case LATIN1:
      case UTF16:
        return this.string(tag);
      case BIGINT:
        return this.#bigint();
      case REFERENCE:
        return this.#reference();
      case SYMBOL:
        return this.#symbol();
    }
    return tag < MARK ? this.#object(tag, -1, depth) : this.#object(tag - MARK, at - this.start, depth);
  }

  /** An object. `mark` is the offset by which references refer to it, or -1 if there are no references. */
  #object(tag: number, mark: number, depth: number): unknown {
    if (tag === DATE) {
      return this.#date(mark);
    }
    if (tag === BINARY) {
      return this.#binary(mark);
    }
    if (depth >= MAX_DEPTH) {
      throw new MalformedPayload(`it is nested more than ${MAX_DEPTH} levels deep`);
    }
    switch (tag) {
      case ARRAY:
        return this.#array(mark, depth);
      case OBJECT:
        return this.#plain(mark, depth);
      case SPARSE:
        return this.#sparse(mark, depth);
      case EXTENDED:
        return this.#extended(mark, depth);
      case ERROR:
        return this.#error(mark, depth);
      case MAP:
        return this.#map(mark, depth);
      case SET:
        return this.#set(mark, depth);
      case REGEXP:
        return this.#regExp(mark);
      case VIEW:
        return this.#shownBy(mark, depth);
      case SHARED:
        return this.#shared(mark);
      case MAPPED:
        return this.#mapped(mark);
      case ENVELOPE:
        return this.#envelope(mark, depth);
      default:
        throw new MalformedPayload(`no value begins with ${tag}`);
    }
  }

  /** Keeps an object that references refer to. Its own parts may refer to it, so it is kept before they are decoded. */
  #keep(mark: number, object: object): void {
    if (mark >= 0) {
      this.spend(MARK_BYTES);
      this.#marked ??= new Map();
      this.#marked.set(mark, object);
    }
  }

  #reference(): object {
    const object = this.#marked?.get(this.count());
    if (object === undefined) {
      throw new MalformedPayload("a reference refers to nothing");
    }
    return object;
  }

  #symbol(): symbol {
    const key = this.text();
    if (!symbolKeys.has(key)) {
      if (key.length > MAX_SYMBOL_UNITS) {
        throw new MalformedPayload("a symbol's key is too long");
      }
      if (symbolKeys.size >= MAX_SYMBOLS) {
        throw new Unsupported(
          `is one symbol more than the ${MAX_SYMBOLS} different ones that may arrive here`,
        );
      }
      symbolKeys.add(key);
    }
    return Symbol.for(key);
  }

  #bigint(): bigint {
    const negative = this.byte() !== 0;
    const length = this.countOf(1);
    if (length > MAX_BIGINT_BYTES) {
      throw new MalformedPayload("a bigint is larger than bigints can be");
    }
    const magnitude = length === 0 ? 0n : BigInt(`0x${this.hex(length)}`);
    return negative ? -magnitude : magnitude;
  }

  #date(mark: number): Date {
    this.spend(DATE_BYTES);
    const date = new Date(this.float64());
    this.#keep(mark, date);
    return date;
  }

  #binary(mark: number): unknown {
    this.spend(BINARY_BYTES);
    const view = this.byte();
    const length = this.countOf(1);
    const value = viewOver(view, this.copy(this.skip(length), length));
    this.#keep(mark, value);
    return value;
  }

  /** A view of a buffer that other views may show too. */
  #shownBy(mark: number, depth: number): unknown {
    this.spend(BINARY_BYTES);
    const view = this.byte();
    const offset = this.count();
    const length = this.count();
    const buffer = this.#value(depth + 1);
    if (!types.isAnyArrayBuffer(buffer)) {
      throw new MalformedPayload("a view has no buffer");
    }
    const value = viewOver(view, buffer, offset, length);
    this.#keep(mark, value);
    return value;
  }

  #shared(mark: number): SharedArrayBuffer {
    this.spend(BINARY_BYTES);
    const buffer = this.#memories().arrayBuffer(this.count());
    this.#keep(mark, buffer);
    return buffer;
  }

  #mapped(mark: number): ProcessSharedBuffer {
    this.spend(BINARY_BYTES);
    const [number, offset, length] = [this.count(), this.count(), this.count()];
    const name = this.text();
    const mapping = this.#memories().mapping(number, name, this.count());
    if (length === 0 || offset % ALIGN_BYTES !== 0 || offset + length > mapping.byteLength) {
      throw new MalformedPayload("a part of shared memory lies outside of it");
    }
    const buffer = new ProcessSharedBuffer(mapping, offset, length, false);
    this.#keep(mark, buffer);
    return buffer;
  }

  #memories(): Resolver {
    if (this.#resolver === undefined) {
      throw new MalformedPayload("it refers to memory that nobody shares here");
    }
    return this.#resolver;
  }

  #envelope(mark: number, depth: number): Envelope {
    this.spend(OBJECT_BYTES);
    // The header may refer to the envelope, so there has to be one before its parts are decoded.
    const envelope = Object.create(Envelope.prototype) as { header: unknown; payload: unknown };
    this.#keep(mark, envelope);
    let part = "header";
    try {
      envelope.header = this.#value(depth + 1);
      part = "payload";
      envelope.payload = this.#value(depth + 1);
    } catch (error) {
      throw failureAt(error, property(part));
    }
    if (!isEnvelopePayload(envelope.payload)) {
      throw new MalformedPayload("an envelope has no payload");
    }
    return envelope as Envelope;
  }

  #regExp(mark: number): RegExp {
    this.spend(REGEXP_BYTES);
    // This throws for a pattern that is not valid here: it may be one of a newer runtime.
    const regExp = new RegExp(this.text(), this.text());
    const lastIndex = this.#value(MAX_DEPTH);
    if (typeof lastIndex !== "number") {
      throw new MalformedPayload("a regular expression has no lastIndex");
    }
    regExp.lastIndex = lastIndex;
    this.#keep(mark, regExp);
    return regExp;
  }

  #array(mark: number, depth: number): unknown[] {
    const length = this.countOf(1);
    this.spend(ARRAY_BYTES + length * ELEMENT_BYTES);
    if (length >= LIST_LENGTH && (this.peek() | MARK) === (OBJECT | MARK)) {
      return this.#list(mark, length, depth);
    }
    let index = 0;
    try {
      if (mark < 0 && length > 0 && length <= 3) {
        // V8 would make room for 17 elements when the first one is added.
        const first = this.#value(depth + 1);
        if (length === ++index) {
          return [first];
        }
        const second = this.#value(depth + 1);
        return length === ++index ? [first, second] : [first, second, this.#value(depth + 1)];
      }
      const array: unknown[] = [];
      this.#keep(mark, array);
      for (; index < length; index++) {
        array.push(this.#value(depth + 1));
      }
      return array;
    } catch (error) {
      throw failureAt(error, `[${index}]`);
    }
  }

  /** An array that begins with an object. The next elements may have the same keys. */
  #list(mark: number, length: number, depth: number): unknown[] {
    const array: unknown[] = [];
    this.#keep(mark, array);
    const names: string[] = [];
    try {
      const at = this.position;
      const first = this.#plain(this.byte() === OBJECT ? -1 : at - this.start, depth + 1, names);
      array.push(first);
      while (array.length < length) {
        const isAlike = (this.peek() | MARK) === (ALIKE | MARK);
        array.push(isAlike ? this.#alike(first, names, depth + 1) : this.#value(depth + 1));
      }
    } catch (error) {
      throw failureAt(error, `[${array.length}]`);
    }
    return array;
  }

  /** An object with the same keys as the first one of its list. */
  #alike(first: object, names: readonly string[], depth: number): Record<string, unknown> {
    const at = this.position;
    const mark = this.byte() === ALIKE ? -1 : at - this.start;
    this.spendObject(names.length);
    // A copy has all keys at once. They are its own properties, so that no inherited setter is called.
    const object: Record<string, unknown> = { ...first };
    this.#keep(mark, object);
    let index = 0;
    try {
      for (; index < names.length; index++) {
        object[names[index]] = this.#value(depth + 1);
      }
    } catch (error) {
      throw failureAt(error, property(names[index]));
    }
    return object;
  }

  #sparse(mark: number, depth: number): unknown[] {
    const length = this.count();
    if (length > MAX_LENGTH) {
      throw new MalformedPayload("an array is longer than arrays can be");
    }
    const count = this.countOf(2);
    this.spend(SPARSE_BYTES + count * SPARSE_ELEMENT_BYTES);
    const array: unknown[] = [];
    // V8 reserves memory for the whole length of an array, unless an element was far away: then it keeps a table.
    array[FAR_INDEX] = undefined;
    delete array[FAR_INDEX];
    array.length = length;
    this.#keep(mark, array);
    let last = -1;
    try {
      for (let done = 0; done < count; done++) {
        const index = this.count();
        if (index >= length || index <= last) {
          throw new MalformedPayload("an index lies outside its array, or behind the next");
        }
        last = index;
        array[index] = this.#value(depth + 1);
      }
    } catch (error) {
      throw failureAt(error, `[${last}]`);
    }
    return array;
  }

  /** An array with properties besides its elements. Its mark stands before its inner tag. */
  #extended(mark: number, depth: number): unknown[] {
    const tag = this.byte();
    if (tag !== ARRAY && tag !== SPARSE) {
      throw new MalformedPayload(`${tag} has no properties besides its elements`);
    }
    const array = tag === ARRAY ? this.#array(mark, depth) : this.#sparse(mark, depth);
    this.spend(OBJECT_BYTES);
    let key = "";
    try {
      while (!this.skips(END)) {
        key = this.key();
        if (key === "length" || isIndex(key, MAX_LENGTH)) {
          throw new MalformedPayload("an array has an element among its other properties");
        }
        this.spend(TABLE_PROPERTY_BYTES);
        define(array, key, this.#value(depth + 1), true);
      }
    } catch (error) {
      throw failureAt(error, property(key));
    }
    return array;
  }

  /** An object with keys of its own. They are added to `names`, in the order of the encoding. */
  #plain(mark: number, depth: number, names?: string[]): Record<string, unknown> {
    const object: Record<string, unknown> = {};
    this.#keep(mark, object);
    let count = 0;
    let key = "";
    try {
      while (!this.skips(END)) {
        key = this.key();
        put(object, key, this.#value(depth + 1));
        names?.push(key);
        if (++count > FEW_PROPERTIES) {
          this.spend(TABLE_PROPERTY_BYTES);
        }
      }
    } catch (error) {
      throw failureAt(error, property(key));
    }
    this.spend(OBJECT_BYTES + Math.min(count, FEW_PROPERTIES) * PROPERTY_BYTES);
    return object;
  }

  #map(mark: number, depth: number): Map<unknown, unknown> {
    const count = this.countOf(2);
    this.spend(COLLECTION_BYTES + count * MAP_ENTRY_BYTES);
    const map = new Map<unknown, unknown>();
    this.#keep(mark, map);
    const chains = count > FEW_KEYS ? new Chains(count) : undefined;
    let done = 0;
    let key: unknown;
    let isKey = true;
    try {
      for (; done < count; done++) {
        isKey = true;
        key = chains === undefined ? this.#value(depth + 1) : this.#watched(chains, depth);
        isKey = false;
        map.set(key, this.#value(depth + 1));
      }
    } catch (error) {
      throw failureAt(error, isKey ? `.keys()[${done}]` : entry(key, done));
    }
    if (map.size !== count) {
      throw new MalformedPayload("a Map has a key twice");
    }
    return map;
  }

  #set(mark: number, depth: number): Set<unknown> {
    const count = this.countOf(1);
    this.spend(COLLECTION_BYTES + count * SET_MEMBER_BYTES);
    const set = new Set<unknown>();
    this.#keep(mark, set);
    const chains = count > FEW_KEYS ? new Chains(count) : undefined;
    let done = 0;
    try {
      for (; done < count; done++) {
        set.add(chains === undefined ? this.#value(depth + 1) : this.#watched(chains, depth));
      }
    } catch (error) {
      throw failureAt(error, `.values()[${done}]`);
    }
    if (set.size !== count) {
      throw new MalformedPayload("a Set has a member twice");
    }
    return set;
  }

  /** A key of a large Map, or a member of a large Set. */
  #watched(chains: Chains, depth: number): unknown {
    const start = this.position;
    const key = this.#value(depth + 1);
    this.#steps -= chains.add(key, this.position - start);
    if (this.#steps < 0) {
      throw new Unsupported("collides with too many others in a hash table");
    }
    return key;
  }

  #error(mark: number, depth: number): Error {
    this.spend(ERROR_BYTES);
    const className = this.text();
    const name = this.text();
    const error = makeError(this.text());
    this.#keep(mark, error);
    const prototype = errorPrototype(className) ?? Error.prototype;
    if (prototype !== Error.prototype) {
      Object.setPrototypeOf(error, prototype);
    }
    let key = "stack";
    try {
      define(error, key, this.#value(depth + 1), false);
      if (error.name !== name) {
        define(error, "name", name, false);
      }
      while (this.byte() !== 0) {
        this.spend(ERROR_PART_BYTES);
        const part = this.byte();
        if (part === PART_PROPERTY) {
          key = this.text();
        } else if (part === PART_CAUSE || part === PART_ERRORS) {
          key = part === PART_CAUSE ? "cause" : "errors";
        } else {
          throw new MalformedPayload(`an error has no part ${part}`);
        }
        define(error, key, this.#value(depth + 1), part === PART_PROPERTY);
      }
    } catch (failure) {
      throw failureAt(failure, property(key));
    }
    return error;
  }
}

/** An error without a stack: the stack will be overwritten, and to capture one takes longer than everything else. */
function makeError(message: string): Error {
  const { stackTraceLimit } = Error;
  if (typeof stackTraceLimit !== "number") {
    return new Error(message);
  }
  // Without a number as limit nothing is captured, and no `prepareStackTrace` of a user is called. Unlike an
  // assignment, this doesn't throw where `Error` is frozen.
  Reflect.set(Error, "stackTraceLimit", undefined);
  try {
    return new Error(message);
  } finally {
    Reflect.set(Error, "stackTraceLimit", stackTraceLimit);
  }
}

/**
 * A binary value over a buffer that belongs to it alone. Throws `MalformedPayload`, or `UnsupportedPayloadError` for a
 * class that this runtime doesn't have.
 */
export function binaryOver(view: number, buffer: ArrayBuffer): object {
  try {
    return viewOver(view, buffer);
  } catch (error) {
    throw error instanceof Unsupported ? refused(error) : error;
  }
}

/** A binary value inside another value. It shows a whole buffer, or these bytes of a buffer that others show too. */
function viewOver(view: number, buffer: ArrayBufferLike, byteOffset = 0, byteLength?: number): object {
  let value: object | undefined;
  try {
    value = makeView(view, buffer, byteOffset, byteLength);
  } catch {
    throw new MalformedPayload(`${byteLength ?? buffer.byteLength} bytes are no whole ${viewName(view)}`);
  }
  if (value !== undefined) {
    return value;
  }
  if (isView(view)) {
    throw new Unsupported(`is a ${viewName(view)}, which ${RUNTIME} doesn't have`);
  }
  throw new MalformedPayload(`there is no ${viewName(view)}`);
}

/** The error to throw when the part of a value that `step` leads to has failed. */
function failureAt(error: unknown, step: string): unknown {
  return isFinal(error) ? error : located(error, step, CANNOT_MAKE);
}

/** Whether an error is about the whole value, wherever it came up. */
function isFinal(error: unknown): boolean {
  return error instanceof MalformedPayload || error instanceof SharedMemoryError;
}

/** Makes an own property, whatever the object inherits. */
function put(object: Record<string, unknown>, key: string, value: unknown): void {
  if (key === "__proto__") {
    define(object, key, value, true);
    return;
  }
  try {
    object[key] = value;
  } catch {
    // A name that a frozen `Object.prototype` has can't be assigned.
    define(object, key, value, true);
  }
}

function define(object: object, key: string, value: unknown, enumerable: boolean): void {
  Object.defineProperty(object, key, { value, enumerable, configurable: true, writable: true });
}

function runtimeName(): string {
  const { bun, deno, node } = process.versions;
  return bun !== undefined ? `Bun ${bun}` : deno !== undefined ? `Deno ${deno}` : `Node ${node}`;
}
