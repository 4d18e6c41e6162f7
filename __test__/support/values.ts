/** Random values of the payload grammar, with extra weight on odd ones. */
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

const dates = fc.oneof(
  { weight: 5, arbitrary: fc.date() },
  { weight: 1, arbitrary: fc.constant(NaN).map((time) => new Date(time)) },
);

const bytes = fc.oneof(
  { weight: 8, arbitrary: fc.uint8Array({ maxLength: 100 }) },
  { weight: 1, arbitrary: fc.integer({ min: 4_000, max: 70_000 }).map((length) => pattern(length)) },
);

/** All classes of binary values of this runtime. Offsets and unused bytes around a view are not sent. */
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

const symbols = fc
  .oneof(fc.constantFrom("", "knitting", "é", "€", "\ud800", "x".repeat(256)), fc.string({ maxLength: 1 }))
  .map((key) => Symbol.for(key));

const regExps = fc
  .tuple(
    fc.constantFrom("", "a", "/", "\\d+(?<year>x)?", "[^\\]]\n", "é\u2028", "€", "(?:x|y){2,}$"),
    fc.constantFrom("", "g", "i", "dgimsuy", "y", "u"),
    fc.oneof(fc.nat(), fc.constantFrom(0, 2 ** 40, -1, 0.5)),
  )
  .map(([source, flags, lastIndex]) => Object.assign(new RegExp(source, flags), { lastIndex }));

/** Views of one buffer, some of them overlapping, with or without the buffer itself. */
const overlapping = fc
  .tuple(
    fc.integer({ min: 8, max: 600 }),
    fc.array(fc.tuple(fc.nat(), fc.nat(), fc.nat({ max: 3 })), { minLength: 1, maxLength: 4 }),
    fc.boolean(),
  )
  .map(([size, cuts, whole]) => {
    const { buffer } = pattern(size * 8, size);
    const views: unknown[] = cuts.map(([from, to, kind]) => {
      const start = (from % size) * 8;
      const length = to % (size * 8 - start + 1);
      switch (kind) {
        case 0:
          return new Float64Array(buffer, start, length >> 3);
        case 1:
          return new DataView(buffer, start + (length > 0 ? 1 : 0), Math.max(0, length - 1));
        case 2:
          return Buffer.from(buffer, start, length);
        default:
          return new Uint16Array(buffer, start, length >> 1);
      }
    });
    return whole ? [...views, buffer] : views;
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
        // A `then` that is not a function is harmless. Object.fromEntries makes `__proto__` an own property.
        .map((entries) => Object.fromEntries(entries)),
    },
    { weight: 1, arbitrary: sparse(inner) },
    { weight: 1, arbitrary: extended(inner) },
    { weight: 1, arbitrary: fc.oneof(errors(inner), aggregates(inner)) },
    {
      weight: 1,
      arbitrary: fc.array(fc.tuple(inner, inner), { maxLength: 6 }).map((entries) => new Map(entries)),
    },
    { weight: 1, arbitrary: fc.array(inner, { maxLength: 6 }).map((members) => new Set(members)) },
    { weight: 1, arbitrary: graphs(inner) },
    { weight: 2, arbitrary: records(inner) },
  );
}

/** Objects with the same keys, some of them twice, and occasionally something else among them. */
function records(inner: fc.Arbitrary<unknown>): fc.Arbitrary<unknown[]> {
  return fc
    .tuple(
      fc.uniqueArray(keys, { minLength: 1, maxLength: 4 }),
      fc.array(fc.array(inner, { minLength: 4, maxLength: 4 }), { minLength: 4, maxLength: 7 }),
      fc.option(fc.tuple(fc.nat(), inner)),
      fc.nat({ max: 30 }),
    )
    .map(([names, rows, stranger, twice]) => {
      const list: unknown[] = rows.map((row) =>
        Object.fromEntries(names.map((name, index) => [name, row[index]])),
      );
      if (stranger !== null) {
        list[stranger[0] % list.length] = stranger[1];
      }
      if (twice < list.length) {
        list.push(list[twice]);
      }
      return list;
    });
}

/** Containers that contain one another and themselves, and share their other contents. */
function graphs(inner: fc.Arbitrary<unknown>): fc.Arbitrary<unknown> {
  return fc
    .tuple(
      fc.array(fc.nat({ max: 4 }), { minLength: 1, maxLength: 6 }),
      fc.array(inner, { maxLength: 3 }),
      fc.array(fc.tuple(fc.nat(), fc.nat()), { maxLength: 16 }),
    )
    .map(([containers, contents, edges]) => {
      const nodes = containers.map((kind) => [{}, [], new Map(), new Set(), new RangeError("node")][kind]);
      const targets = [...nodes, ...contents];
      for (const [index, [from, to]] of edges.entries()) {
        // The first nodes hang on the root, so that most of them can be reached from it.
        const source = nodes[from % Math.min(nodes.length, index + 1)];
        connect(source, targets[to % targets.length], index);
      }
      return nodes[0];
    });
}

function connect(source: object, target: unknown, index: number): void {
  if (Array.isArray(source)) {
    source.push(target);
  } else if (source instanceof Map) {
    source.set(index % 2 === 0 ? index : target, target);
  } else if (source instanceof Set) {
    source.add(target);
  } else {
    Object.assign(source, { [`edge${index}`]: target });
  }
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

/** Arrays, long ones and some with holes among them, with properties besides their elements. */
function extended(inner: fc.Arbitrary<unknown>): fc.Arbitrary<unknown[]> {
  const array = fc.oneof(
    { weight: 3, arbitrary: fc.array(inner, { maxLength: 4 }) },
    { weight: 1, arbitrary: sparse(inner) },
    {
      weight: 1,
      arbitrary: fc.integer({ min: 120, max: 300 }).map((length) => new Array(length).fill(length)),
    },
  );
  return fc
    .tuple(array, fc.array(fc.tuple(names, inner), { minLength: 1, maxLength: 4 }))
    .map(([array, entries]) => {
      for (const [key, value] of entries) {
        Object.defineProperty(array, key, { value, enumerable: true, configurable: true, writable: true });
      }
      return array;
    });
}

/** Keys that are no indices of elements, even if some look like it. */
const names = fc.constantFrom(
  ...["index", "groups", "__proto__", "flat", "-1", "01", "1.5", "4294967295", "é", "", "then"],
);

function errors(inner: fc.Arbitrary<unknown>): fc.Arbitrary<Error> {
  const classes = [Error, TypeError, RangeError, SyntaxError, ReferenceError, EvalError, URIError];
  return fc
    .tuple(fc.constantFrom(...classes), strings, fc.option(fc.tuple(inner)), fc.option(inner))
    .map(([Class, message, cause, extra]) => {
      const error = cause === null ? new Class(message) : new Class(message, { cause: cause[0] });
      return extra === null ? error : Object.assign(error, { extra });
    });
}

function aggregates(inner: fc.Arbitrary<unknown>): fc.Arbitrary<AggregateError> {
  return fc
    .tuple(fc.array(inner, { maxLength: 3 }), strings)
    .map(([all, message]) => new AggregateError(all, message));
}

const leaves = fc.oneof(
  fc.constantFrom(undefined, null, true, false),
  numbers,
  strings,
  bigints,
  dates,
  binaries,
  regExps,
  symbols,
);

/** Any value that can be sent. */
export const payloads: fc.Arbitrary<unknown> = fc.oneof(
  { weight: 4, arbitrary: leaves },
  { weight: 3, arbitrary: nested(leaves) },
  { weight: 2, arbitrary: nested(nested(leaves)) },
  { weight: 1, arbitrary: nested(nested(nested(leaves))) },
  { weight: 1, arbitrary: fc.nat({ max: 200 }).map((depth) => tower(depth)) },
  { weight: 1, arbitrary: overlapping },
  { weight: 1, arbitrary: nested(overlapping) },
);

/** An array in an array in an array. */
function tower(depth: number): unknown {
  let value: unknown = "top";
  for (let level = 0; level < depth; level++) {
    value = level % 2 === 0 ? [value] : { level: value };
  }
  return value;
}

/** The parts of the grammar. */
export const GRAMMAR = [
  ...["undefined", "null", "boolean", "string", "wide string", "long string", "bigint", "symbol"],
  ...["whole number", "fraction", "-0", "NaN", "Date", "invalid Date", "RegExp"],
  ...[
    "object",
    "object with __proto__",
    "array",
    "array with holes",
    "array with properties",
    "list of records",
    "Map",
    "Set",
    "met again",
    "cycle",
  ],
  ...["error", "error with cause", "error with errors", "error with properties"],
  ...["ArrayBuffer", "Buffer", "DataView", "Int8Array", "Uint8Array", "Uint8ClampedArray", "Int16Array"],
  ...["Uint16Array", "Int32Array", "Uint32Array", "Float32Array", "Float64Array", "BigInt64Array"],
  ...["BigUint64Array", "long binary", "overlapping views"],
] as const;

/** Adds to `found` the parts of the grammar that a value contains, each with its depth: `"Map at 2"`. */
export function survey(value: unknown, found: Set<string>): void {
  const within = new Set<unknown>();
  const met = new Set<unknown>();
  const shown: { view: ArrayBufferView; depth: number }[] = [];
  visit(value, 0);

  function visit(each: unknown, depth: number): void {
    const add = (kind: (typeof GRAMMAR)[number]) => found.add(`${kind} at ${depth}`);
    if (typeof each !== "object" || each === null) {
      for (const kind of kindsOfPrimitive(each)) {
        add(kind);
      }
      return;
    }
    if (met.has(each)) {
      add(within.has(each) ? "cycle" : "met again");
      return;
    }
    met.add(each);
    within.add(each);
    for (const kind of kindsOfObject(each)) {
      add(kind);
    }
    if (ArrayBuffer.isView(each)) {
      const { buffer, byteOffset, byteLength } = each;
      const isOver = ({ view }: { view: ArrayBufferView }) =>
        view.buffer === buffer &&
        view.byteLength > 0 &&
        byteLength > 0 &&
        view.byteOffset < byteOffset + byteLength &&
        byteOffset < view.byteOffset + view.byteLength;
      if (shown.some(isOver)) {
        add("overlapping views");
      }
      shown.push({ view: each, depth });
    } else if (each instanceof Map) {
      for (const [key, inner] of each) {
        visit(key, depth + 1);
        visit(inner, depth + 1);
      }
    } else if (each instanceof Set) {
      for (const member of each) {
        visit(member, depth + 1);
      }
    } else {
      const hidden = each instanceof Error ? [each.cause, (each as AggregateError).errors] : [];
      for (const inner of [...Object.values(each), ...hidden]) {
        visit(inner, depth + 1);
      }
    }
    within.delete(each);
  }
}

function kindsOfPrimitive(value: unknown): (typeof GRAMMAR)[number][] {
  switch (typeof value) {
    case "number":
      if (Object.is(value, -0)) {
        return ["-0"];
      }
      return [Number.isNaN(value) ? "NaN" : Number.isInteger(value) ? "whole number" : "fraction"];
    case "string":
      return [value.length > 4_096 ? "long string" : /[^\0-\xff]/.test(value) ? "wide string" : "string"];
    case "object":
      return ["null"];
    default:
      return [typeof value as "undefined"];
  }
}

function kindsOfObject(value: object): (typeof GRAMMAR)[number][] {
  if (Array.isArray(value)) {
    const keys = value.map((each) => (isRecord(each) ? JSON.stringify(Object.keys(each)) : undefined));
    if (value.length >= 4 && keys[0] !== undefined && keys.filter((each) => each === keys[0]).length > 2) {
      return ["list of records"];
    }
    if (Object.keys(value).some((key) => !(Number(key) < value.length && String(Number(key)) === key))) {
      return ["array with properties"];
    }
    return [Object.keys(value).length < value.length ? "array with holes" : "array"];
  }
  if (value instanceof Error) {
    const has = (key: string) => Object.hasOwn(value, key);
    return [
      "error",
      ...(has("cause") ? (["error with cause"] as const) : []),
      ...(has("errors") ? (["error with errors"] as const) : []),
      ...(Object.keys(value).length > 0 ? (["error with properties"] as const) : []),
    ];
  }
  if (value instanceof Date) {
    return [Number.isNaN(value.getTime()) ? "invalid Date" : "Date"];
  }
  const name = value.constructor?.name;
  if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer) {
    return [name as "Buffer", ...(value.byteLength > 4_096 ? (["long binary"] as const) : [])];
  }
  if (value instanceof Map || value instanceof Set || value instanceof RegExp) {
    return [name as "Map"];
  }
  return [Object.hasOwn(value, "__proto__") ? "object with __proto__" : "object"];
}

function isRecord(value: unknown): value is object {
  return typeof value === "object" && value !== null && Object.getPrototypeOf(value) === Object.prototype;
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
