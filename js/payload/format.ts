/**
 * The bytes of an encoded value. They mean the same in every runtime, and no code is made from them.
 *
 * ```text
 *   value   = tag byte, then by tag:
 *   INT32   4 bytes               FLOAT64, DATE  8 bytes, little-endian
 *   BIGINT  sign byte, count, magnitude, most significant byte first
 *   LATIN1  count, one byte a code unit       UTF16  count of bytes, two bytes a code unit
 *   ARRAY   count, values         SPARSE  length, count, (index, value)...
 *   OBJECT  count, (key: a string value, value)...
 *   BINARY  view byte, count, bytes
 *   ERROR   class, name, message: string values; stack: value; then (1, part byte, [key: a string value], value)..., 0
 *   count, length, index = LEB128, at most 2^53 - 1
 * ```
 */
import { types } from "node:util";

export const UNDEFINED = 0;
export const NULL = 1;
export const FALSE = 2;
export const TRUE = 3;
export const INT32 = 4;
export const FLOAT64 = 5;
export const BIGINT = 6;
export const LATIN1 = 7;
export const UTF16 = 8;
export const DATE = 9;
export const ARRAY = 10;
export const SPARSE = 11;
export const OBJECT = 12;
export const BINARY = 13;
export const ERROR = 14;

/** What of an error follows its stack. */
export const PART_CAUSE = 0;
export const PART_ERRORS = 1;
export const PART_PROPERTY = 2;

/** How deep values may be nested. Deeper ones, and values that contain themselves, are refused. */
export const MAX_DEPTH = 500;

type ViewConstructor = new (buffer: ArrayBuffer) => ArrayBufferView;

/** The classes of binary values; a view travels as its index. */
const VIEWS: readonly (readonly [name: string, make: ((buffer: ArrayBuffer) => unknown) | undefined])[] = [
  ["ArrayBuffer", (buffer) => buffer],
  ["Buffer", (buffer) => Buffer.from(buffer)],
  ...[
    "DataView",
    "Int8Array",
    "Uint8Array",
    "Uint8ClampedArray",
    "Int16Array",
    "Uint16Array",
    "Int32Array",
    "Uint32Array",
    "Float32Array",
    "Float64Array",
    "BigInt64Array",
    "BigUint64Array",
    // Node 24 and later.
    "Float16Array",
  ].map((name) => {
    const View = (globalThis as unknown as Record<string, ViewConstructor | undefined>)[name];
    return [name, View && ((buffer: ArrayBuffer) => new View(buffer))] as const;
  }),
];

const VIEW_BY_NAME = new Map(VIEWS.map(([name], index) => [name, index]));

/** The number of a binary value's class; -1 for one that is none of them. */
export function viewOf(value: ArrayBuffer | ArrayBufferView): number {
  if (Buffer.isBuffer(value)) {
    return 1;
  }
  const name = (value as { [Symbol.toStringTag]?: string })[Symbol.toStringTag];
  return VIEW_BY_NAME.get(name ?? "") ?? -1;
}

/** The bytes of a binary value. Throws a TypeError if it is detached. */
export function bytesOf(value: ArrayBuffer | ArrayBufferView): Uint8Array {
  return ArrayBuffer.isView(value)
    ? new Uint8Array(value.buffer, value.byteOffset, value.byteLength)
    : new Uint8Array(value);
}

/** A binary value of the class with this number over the whole of `buffer`; `undefined` if there is no such class here. */
export function makeView(view: number, buffer: ArrayBuffer): unknown {
  const make = VIEWS[view]?.[1];
  return make?.(buffer);
}

/** The name of a class of binary values, for messages. */
export function viewName(view: number): string {
  return VIEWS[view]?.[0] ?? `view ${view}`;
}

/** True for an ArrayBuffer or a view, of whatever realm. */
export function isBinary(value: object): value is ArrayBuffer | ArrayBufferView {
  return ArrayBuffer.isView(value) || types.isArrayBuffer(value);
}
