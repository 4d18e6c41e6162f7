/** Random values of the payload grammar, odd ones weighted in. */
import fc from "fast-check";

const oddNumbers = [
  0,
  -0,
  1,
  -1,
  NaN,
  Infinity,
  -Infinity,
  2 ** 31,
  -(2 ** 31),
  2 ** 32,
  2 ** 53,
  5e-324,
  0.1,
];
const oddStrings = [
  "",
  "\0",
  "é",
  "\u00ff",
  "\u0100",
  "\ud800",
  "\udc00x",
  "🦀",
  "__proto__",
  "x".repeat(47),
  "x".repeat(48),
  "x".repeat(49),
  "ÿ".repeat(64),
  "€".repeat(65),
  `${"a".repeat(5_000)}\udfff`,
  "ab".repeat(40_000),
];

const numbers = fc.oneof(
  { weight: 3, arbitrary: fc.integer() },
  { weight: 2, arbitrary: fc.double() },
  { weight: 2, arbitrary: fc.constantFrom(...oddNumbers) },
);

const strings = fc.oneof(
  { weight: 4, arbitrary: fc.string({ unit: "grapheme-ascii", maxLength: 60 }) },
  { weight: 2, arbitrary: fc.string({ unit: "binary", maxLength: 80 }) },
  { weight: 2, arbitrary: fc.constantFrom(...oddStrings) },
  {
    weight: 1,
    arbitrary: fc
      .array(fc.integer({ min: 0, max: 0xffff }), { maxLength: 80 })
      .map((units) => String.fromCharCode(...units)),
  },
);

const bigints = fc.oneof(
  fc.bigInt({ min: -(2n ** 70n), max: 2n ** 70n }),
  fc.constantFrom(0n, -1n, 2n ** 64n, -(10n ** 300n)),
);

const dates = fc.date({ noInvalidDate: false });

const bytes = fc.oneof(
  { weight: 8, arbitrary: fc.uint8Array({ maxLength: 100 }) },
  { weight: 1, arbitrary: fc.integer({ min: 4_000, max: 70_000 }).map((length) => pattern(length)) },
);

/** All classes of binary values of this runtime; offsets and slack around a view are not sent. */
const binaries = fc
  .tuple(bytes, fc.nat({ max: 13 }), fc.boolean())
  .map(([source, kind, slack]): ArrayBuffer | ArrayBufferView => {
    const whole = source.slice(0, source.length - (source.length % 8));
    const offset = slack ? 8 : 0;
    const buffer = new ArrayBuffer(whole.length + 2 * offset);
    new Uint8Array(buffer, offset).set(whole);
    const length = whole.length;
    switch (kind) {
      case 0:
        return whole.buffer;
      case 1:
        return Buffer.from(buffer, offset, length);
      case 2:
        return new DataView(buffer, offset, length);
      case 3:
        return new Int8Array(buffer, offset, length);
      case 4:
        return new Uint8ClampedArray(buffer, offset, length);
      case 5:
        return new Int16Array(buffer, offset, length / 2);
      case 6:
        return new Uint16Array(buffer, offset, length / 2);
      case 7:
        return new Int32Array(buffer, offset, length / 4);
      case 8:
        return new Uint32Array(buffer, offset, length / 4);
      case 9:
        return new Float32Array(buffer, offset, length / 4);
      case 10:
        return new Float64Array(buffer, offset, length / 8);
      case 11:
        return new BigInt64Array(buffer, offset, length / 8);
      case 12:
        return new BigUint64Array(buffer, offset, length / 8);
      default:
        return new Uint8Array(buffer, offset, length);
    }
  });

const keys = fc.oneof(
  { weight: 4, arbitrary: fc.string({ maxLength: 10 }) },
  {
    weight: 1,
    arbitrary: fc.constantFrom("__proto__", "constructor", "then", "0", "-1", "toString", "é", "\ud800", ""),
  },
);

/** One level of nesting around values. */
function nested(inner: fc.Arbitrary<unknown>): fc.Arbitrary<unknown> {
  return fc.oneof(
    { weight: 4, arbitrary: fc.array(inner, { maxLength: 8 }) },
    {
      weight: 4,
      arbitrary: fc
        .array(fc.tuple(keys, inner), { maxLength: 8 })
        // A `then` that is no function is harmless; Object.fromEntries makes `__proto__` an own property.
        .map((entries) => Object.fromEntries(entries)),
    },
    { weight: 1, arbitrary: sparse(inner) },
    { weight: 1, arbitrary: errors(inner) },
  );
}

function sparse(inner: fc.Arbitrary<unknown>): fc.Arbitrary<unknown[]> {
  return fc
    .tuple(fc.nat({ max: 20 }), fc.array(fc.tuple(fc.nat({ max: 19 }), inner), { maxLength: 4 }))
    .map(([length, elements]) => {
      const array: unknown[] = new Array(length);
      for (const [index, value] of elements) {
        array[index] = value;
      }
      return array;
    });
}

function errors(inner: fc.Arbitrary<unknown>): fc.Arbitrary<Error> {
  const classes = [Error, TypeError, RangeError, SyntaxError, ReferenceError, EvalError, URIError];
  return fc
    .tuple(fc.constantFrom(...classes), strings, fc.option(fc.tuple(inner)), fc.option(inner))
    .map(([Class, message, cause, extra]) => {
      const error = cause === null ? new Class(message) : new Class(message, { cause: cause[0] });
      return extra === null ? error : Object.assign(error, { extra });
    });
}

const leaves = fc.oneof(
  fc.constantFrom(undefined, null, true, false),
  numbers,
  strings,
  bigints,
  dates,
  binaries,
);

/** Any value that can be sent. */
export const payloads: fc.Arbitrary<unknown> = fc.oneof(
  { weight: 4, arbitrary: leaves },
  { weight: 3, arbitrary: nested(leaves) },
  { weight: 2, arbitrary: nested(nested(leaves)) },
  { weight: 1, arbitrary: nested(nested(nested(leaves))) },
  { weight: 1, arbitrary: fc.nat({ max: 200 }).map((depth) => tower(depth)) },
);

/** An array in an array in an array. */
function tower(depth: number): unknown {
  let value: unknown = "top";
  for (let level = 0; level < depth; level++) {
    value = level % 2 === 0 ? [value] : { level: value };
  }
  return value;
}

/** Bytes that differ from place to place. */
export function pattern(length: number, seed = 1): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(length);
  const words = new Uint32Array(bytes.buffer, 0, length >> 2);
  let state = seed;
  for (let index = 0; index < words.length; index++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    words[index] = state;
  }
  return bytes;
}
