/** The classes of binary values, and the bytes of such values. */
import { types } from "node:util";
import { Unsupported, whatIs } from "../base/payload-errors";

interface ViewConstructor {
  new (buffer: ArrayBufferLike, byteOffset?: number, length?: number): ArrayBufferView;
  /** DataView doesn't have this member. */
  readonly BYTES_PER_ELEMENT?: number;
}

type Make = (buffer: ArrayBufferLike, byteOffset: number, byteLength?: number) => object;

/** The classes of binary values. A view is sent with the index of its class. */
const VIEWS: readonly (readonly [name: string, make: Make | undefined])[] = [
  ["ArrayBuffer", (buffer) => buffer],
  ["Buffer", (buffer, offset, byteLength) => Buffer.from(buffer, offset, byteLength)],
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
    // Only in Node 24 and later.
    "Float16Array",
  ].map((name) => {
    const View = (globalThis as unknown as Record<string, ViewConstructor | undefined>)[name];
    return [name, View && makerOf(View)] as const;
  }),
];

function makerOf(View: ViewConstructor): Make {
  const bytesEach = View.BYTES_PER_ELEMENT ?? 1;
  return (buffer, byteOffset, byteLength) => {
    if (byteLength === undefined) {
      return new View(buffer);
    }
    if (byteLength % bytesEach !== 0) {
      throw new RangeError("not a whole number of elements");
    }
    return new View(buffer, byteOffset, byteLength / bytesEach);
  };
}

/** The index of ArrayBuffer itself. */
export const BUFFER_VIEW = 0;

const VIEW_BY_NAME = new Map(VIEWS.map(([name], index) => [name, index]));

/** The index of a binary value's class; -1 if it is none of these classes. */
export function viewOf(value: ArrayBuffer | ArrayBufferView): number {
  if (Buffer.isBuffer(value)) {
    return 1;
  }
  const name = (value as { [Symbol.toStringTag]?: string })[Symbol.toStringTag];
  return VIEW_BY_NAME.get(name ?? "") ?? -1;
}

/** Whether bytes lie in a SharedArrayBuffer. */
export function isShared({ buffer }: Uint8Array): boolean {
  return !types.isArrayBuffer(buffer);
}

/** The bytes of a binary value. Throws a TypeError if the value is detached. */
export function bytesOf(value: ArrayBuffer | ArrayBufferView): Uint8Array {
  return ArrayBuffer.isView(value)
    ? new Uint8Array(value.buffer, value.byteOffset, value.byteLength)
    : new Uint8Array(value);
}

/**
 * A binary value of the class with this index, over all of `buffer` or a part of it. `undefined` if this runtime has no
 * such class. Throws a RangeError if the byte length is not a multiple of the element size or the part lies outside of
 * the buffer.
 */
export function makeView(
  view: number,
  buffer: ArrayBufferLike,
  byteOffset = 0,
  byteLength?: number,
): object | undefined {
  const make = VIEWS[view]?.[1];
  return make?.(buffer, byteOffset, byteLength);
}

/** Whether this index stands for a class of binary values in any runtime. */
export function isView(view: number): boolean {
  return view < VIEWS.length;
}

/** The name of a class of binary values, for messages. */
export function viewName(view: number): string {
  return VIEWS[view]?.[0] ?? `view ${view}`;
}

/** Whether a value is an ArrayBuffer or a view of any realm. */
export function isBinary(value: object): value is ArrayBuffer | ArrayBufferView {
  return ArrayBuffer.isView(value) || types.isArrayBuffer(value);
}

/**
 * The class and the bytes of a binary value, which may lie in shared memory. Throws `Unsupported` if the value is
 * detached.
 */
export function binaryOf(value: ArrayBuffer | ArrayBufferView): { view: number; bytes: Uint8Array } {
  const view = viewOf(value);
  if (view < 0) {
    throw new Unsupported(`is ${whatIs(value)}`);
  }
  try {
    return { view, bytes: bytesOf(value) };
  } catch {
    throw new Unsupported(`is a detached ${viewName(view)}`);
  }
}
