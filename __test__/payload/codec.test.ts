/** The encoding by itself. Covers what a pool's own calls don't reach, such as bytes that no encoder writes. */
import { runInNewContext } from "node:vm";
import { describe, expect, test } from "vitest";
import { PayloadTooLargeError, UnsupportedPayloadError } from "../../build/base/errors.js";
import { viewName, viewOf } from "../../build/payload/binary.js";
import { Decoder, MalformedPayload } from "../../build/payload/decode.js";
import { rawBinary, withEncoder } from "../../build/payload/encode.js";
import {
  ARRAY,
  BIGINT,
  BINARY,
  END,
  ERROR,
  EXTENDED,
  INT32,
  LATIN1,
  MAP,
  MARK,
  NULL,
  OBJECT,
  REFERENCE,
  REGEXP,
  SET,
  SPARSE,
  UNDEFINED,
  VIEW,
} from "../../build/payload/format.js";
import { same } from "../support/same";

const MIB = 1024 * 1024;

const encode = (value: unknown, thrown = false) => withEncoder(value, thrown, (encoder) => encoder.toBytes());

function decode(bytes: Uint8Array | readonly number[]): unknown {
  const { buffer } = Uint8Array.from(bytes);
  return new Decoder(buffer).decode(0, buffer.byteLength);
}

/** The index of a class of binary values, whether this runtime has the class or not. */
function viewNumber(name: string): number {
  let view = 0;
  while (viewName(view) !== name) {
    view++;
  }
  return view;
}

const roundTrip = <T>(value: T, thrown = false) => decode(encode(value, thrown)) as T;

/** How many bytes of memory a piece of code allocates and keeps. */
function memoryOf(make: () => unknown): number {
  const before = process.memoryUsage();
  const kept = make();
  const after = process.memoryUsage();
  expect(kept).toBeDefined();
  return after.heapUsed + after.arrayBuffers - before.heapUsed - before.arrayBuffers;
}

/** LEB128. */
function count(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) {
    bytes.push((rest % 0x80) | 0x80);
  }
  return [...bytes, rest];
}

describe("decoding bytes that no encoder writes", () => {
  test.each([1_000, 30_000_000, 2 ** 32 - 1])("arrays of %i holes take no memory for them", (length) => {
    const arrays = 200;
    const hostile = [ARRAY, ...count(arrays)];
    for (let index = 0; index < arrays; index++) {
      hostile.push(SPARSE, ...count(length), 0);
    }
    let decoded: unknown[][] = [];
    const taken = memoryOf(() => {
      decoded = decode(hostile) as unknown[][];
      return decoded;
    });
    expect(taken).toBeLessThan(MIB);
    expect(decoded.every((array) => array.length === length && Object.keys(array).length === 0)).toBe(true);
  });

  test("a bigint of more bytes than bigints have is refused shortly", () => {
    const length = 2 ** 27 + 1;
    const head = [BIGINT, 0, ...count(length)];
    const hostile = new Uint8Array(head.length + length).fill(0xff);
    hostile.set(head);
    const decoder = new Decoder(hostile.buffer);
    const refused = () => decoder.decode(0, hostile.length);
    expect(refused).toThrow(MalformedPayload);
    expect(refused).toThrow(/^a bigint is larger than bigints can be$/);
  });

  test("what the engine refuses to make is no lie, and told with its place", () => {
    let nested = [UNDEFINED];
    for (let depth = 0; depth < 400; depth++) {
      nested = [OBJECT, LATIN1, 1, 120, ...nested, END];
    }
    /** Decodes with less and less stack left, and returns the first error that is thrown. */
    function deeper(): unknown {
      try {
        return deeper() ?? failure();
      } catch {
        return undefined;
      }
    }
    function failure(): unknown {
      try {
        decode(nested);
      } catch (error) {
        return error instanceof UnsupportedPayloadError || !(error instanceof Error) ? error : undefined;
      }
    }
    expect(deeper()).toBeInstanceOf(UnsupportedPayloadError);
    expect(deeper()).toMatchObject({
      message: expect.stringMatching(/^\$(\.x)+ can't be made by Node .*: Maximum call stack size exceeded$/),
    });
  });

  test("many errors cost no stack traces", () => {
    const errors = 200_000;
    const hostile = [ARRAY, ...count(errors)];
    for (let index = 0; index < errors; index++) {
      hostile.push(ERROR, LATIN1, 0, LATIN1, 0, LATIN1, 0, UNDEFINED, 0);
    }
    let stacks = 0;
    const { prepareStackTrace } = Error;
    Error.prepareStackTrace = () => stacks++;
    try {
      decode(hostile);
    } finally {
      Error.prepareStackTrace = prepareStackTrace;
    }
    expect(stacks).toBe(0);
  });
});

describe("hostile bytes", () => {
  const refused = (bytes: readonly number[]) => (message: string | RegExp) => {
    expect(() => decode(bytes)).toThrow(message);
    expect(() => decode(bytes)).toThrow(MalformedPayload);
  };
  const text = (of: string) => [LATIN1, of.length, ...Buffer.from(of, "latin1")];

  test("a reference to nothing, or to what is not marked, is refused", () => {
    for (const offset of [0, 1, 2, 3, 100, 2 ** 40]) {
      refused([ARRAY, 2, OBJECT, END, REFERENCE, ...count(offset)])("a reference refers to nothing");
    }
    const [first, second] = decode([ARRAY, 2, OBJECT + MARK, END, REFERENCE, 2]) as object[];
    expect(first).toBe(second);
  });

  test("a marked value that is no object is refused", () => {
    refused([LATIN1 + MARK, 0])(`no value begins with ${LATIN1}`);
    refused([REFERENCE + MARK, 0])(`no value begins with ${REFERENCE}`);
  });

  test("a pattern that is none here may be one elsewhere: it is refused by itself", () => {
    for (const [source, flags] of [
      ["(", ""],
      ["x", "gg"],
      ["x", "q"],
    ]) {
      const list = [ARRAY, 2, NULL, REGEXP, ...text(source), ...text(flags), INT32, 0, 0, 0, 0];
      expect(() => decode(list)).toThrow(/^\$\[1\] can't be made by Node .*: Invalid/);
      expect(() => decode(list)).toThrow(UnsupportedPayloadError);
    }
    refused([REGEXP, ...text("x"), ...text("g"), NULL])("a regular expression has no lastIndex");
  });

  test("a view of what is no buffer, or beyond its end, is refused", () => {
    const buffer = [BINARY, 0, 8, 1, 2, 3, 4, 5, 6, 7, 8];
    const uint16 = viewOf(new Uint16Array());
    expect(decode([VIEW, uint16, 2, 4, ...buffer])).toEqual(Uint16Array.of(0x0403, 0x0605));
    refused([VIEW, uint16, 2, 4, NULL])("a view has no buffer");
    for (const [offset, length] of [
      [1, 2],
      [0, 3],
      [0, 10],
      [8, 2],
      [100, 0],
    ]) {
      refused([VIEW, uint16, offset, length, ...buffer])(`${length} bytes are no whole Uint16Array`);
    }
  });

  test("a class of binary values that another runtime has is refused by itself, one that none has is a lie", () => {
    const list = (view: number) => [ARRAY, 2, NULL, BINARY, view, 2, 0, 0x3c];
    const float16 = viewNumber("Float16Array");
    refused(list(float16 + 1))(`there is no view ${float16 + 1}`);
    if ("Float16Array" in globalThis) {
      expect(decode(list(float16))).toHaveProperty("1.0", 1);
    } else {
      expect(() => decode(list(float16))).toThrow(
        `$[1] is a Float16Array, which Node ${process.versions.node} doesn't have`,
      );
    }
  });

  test("where it stands is told, whatever it stands in", () => {
    const odd = [REGEXP, ...text("("), ...text(""), INT32, 0, 0, 0, 0];
    for (const [bytes, path] of [
      [[ARRAY, 1, ...odd], "$[0]"],
      [[ARRAY, 3, NULL, NULL, ...odd], "$[2]"],
      [[ARRAY, 5, NULL, NULL, NULL, ...odd, NULL], "$[3]"],
      [[SPARSE, 9, 1, 7, ...odd], "$[7]"],
      [[OBJECT, ...text("a"), OBJECT, ...text("b c"), ...odd, END, END], '$.a["b c"]'],
      [[MAP, 1, ...text("k"), ...odd], '$.get("k")'],
      [[MAP, 1, ...odd, NULL], "$.keys()[0]"],
      [[SET, 2, NULL, ...odd], "$.values()[1]"],
      [[ERROR, ...text("Error"), ...text("Error"), ...text(""), NULL, 1, 0, ...odd, 0], "$.cause"],
      [[ERROR, ...text("Error"), ...text("Error"), ...text(""), NULL, 1, 2, ...text("p"), ...odd, 0], "$.p"],
    ] as const) {
      expect(() => decode(bytes)).toThrow(expect.objectContaining({ path, cause: expect.any(SyntaxError) }));
    }
  });

  test("a key that stands twice, and indices that are in no order, are lies", () => {
    refused([MAP, 2, NULL, NULL, NULL, NULL])("a Map has a key twice");
    refused([SET, 2, ...text("a"), ...text("a")])("a Set has a member twice");
    for (const indices of [
      [3, 3],
      [3, 2],
      [3, 9],
    ]) {
      refused([SPARSE, 9, 2, indices[0], NULL, indices[1], NULL])("an index lies outside its array");
    }
  });

  test("no bytes make an array's properties elements, a length or a prototype", () => {
    for (const key of ["length", "0", "1", "7", "4294967294"]) {
      refused([EXTENDED, ARRAY, 1, NULL, ...text(key), NULL, END])("an element among its other properties");
      refused([EXTENDED, SPARSE, 9, 1, 3, NULL, ...text(key), INT32, 9, 0, 0, 0, END])("an element among");
    }
    refused([EXTENDED, OBJECT, END, END])("has no properties besides its elements");
    refused([EXTENDED, ARRAY | MARK, 0, END])("has no properties besides its elements");
    refused([EXTENDED, EXTENDED, ARRAY, 0, END, END])("has no properties besides its elements");
    refused([EXTENDED, ARRAY, 0])("it ends too early");
    refused([EXTENDED, ARRAY, 0, ...text("key")])("it ends too early");
    refused([EXTENDED, ARRAY, 0, NULL, NULL, END])("a string is missing");
    const sent = decode([EXTENDED, ARRAY, 0, ...text("__proto__"), OBJECT, END, ...text("push"), NULL, END]);
    expect(Object.getPrototypeOf(sent)).toBe(Array.prototype);
    expect(Object.keys(sent as object)).toEqual(["__proto__", "push"]);
  });

  test.each([
    ["__proto__", '{"__proto__":{"polluted":1}}'],
    ["constructor", '{"constructor":{"prototype":{"polluted":1}}}'],
    ["toString", '{"toString":1,"hasOwnProperty":2,"valueOf":3}'],
  ])("%s is own data", (_, json) => {
    const sent = roundTrip(JSON.parse(json));
    expect(JSON.stringify(sent)).toBe(json);
    expect(Object.getPrototypeOf(sent)).toBe(Object.prototype);
    expect({}).not.toHaveProperty("polluted");
    const error = roundTrip(Object.assign(new Error("x"), JSON.parse(json)));
    expect(Object.getPrototypeOf(error)).toBe(Error.prototype);
  });

  test("few bytes that would fill the heap are refused before they do", () => {
    const many = 20_000_000;
    for (const small of [
      [UNDEFINED],
      [ARRAY, 0],
      [OBJECT, END],
      [MAP, 0],
      [SET, 0],
      [SPARSE, 0, 0],
      [EXTENDED, ARRAY, 0, END],
      [BINARY, 0, 0],
    ]) {
      const head = [ARRAY, ...count(many * (small.length === 1 ? 2 : 1))];
      const hostile = new Uint8Array(head.length + many * Math.max(2, small.length));
      hostile.set(head);
      hostile.set(Buffer.alloc(hostile.length - head.length, Uint8Array.from(small)), head.length);
      const taken = memoryOf(() => expect(() => decode(hostile)).toThrow("it takes more than") ?? 1);
      expect(taken).toBeLessThan(600 * MIB);
    }
  });
});

describe("Error.stackTraceLimit", () => {
  const descriptor = Object.getOwnPropertyDescriptor(Error, "stackTraceLimit") as PropertyDescriptor;
  const bytes = encode(new RangeError("kept"));

  test.each([
    ["is", { ...descriptor, value: 7 }],
    ["is no number", { ...descriptor, value: "many" }],
    ["is frozen", { ...descriptor, writable: false }],
    ["is absent", undefined],
  ])("stays as it %s", (_, present) => {
    delete (Error as Partial<ErrorConstructor>).stackTraceLimit;
    try {
      if (present !== undefined) {
        Object.defineProperty(Error, "stackTraceLimit", present);
      }
      expect(decode(bytes)).toMatchObject({ message: "kept", stack: expect.stringContaining("codec.test") });
      expect(Object.getOwnPropertyDescriptor(Error, "stackTraceLimit")).toEqual(present);
    } finally {
      Object.defineProperty(Error, "stackTraceLimit", descriptor);
    }
  });
});

describe("errors", () => {
  test("one that holds itself arrives so", () => {
    const error: Error & { again?: Error; kept?: number } = new Error("round and round");
    error.cause = { error, others: [error] };
    error.again = error;
    error.kept = 1;
    for (const thrown of [true, false]) {
      const sent = roundTrip(error, thrown);
      expect(sent).toMatchObject({ message: "round and round", kept: 1 });
      expect(sent.again).toBe(sent);
      expect((sent.cause as { others: Error[] }).others[0]).toBe(sent);
    }
  });

  test("memory in a part that is left out is not shared", () => {
    const memory = new SharedArrayBuffer(8);
    const error = Object.assign(new Error("partly"), { lost: { memory, callback() {} } });
    const references = () => withEncoder(error, true, (encoder) => encoder.references, { refer: () => 1 });
    expect(references()).toBeUndefined();
    Object.assign(error, { kept: memory });
    expect(references()).toEqual([{ number: 1, memory }]);
  });

  test("what was met first in a part that is left out arrives where it is met again", () => {
    for (const before of [0, 100]) {
      const shared = { one: 1 };
      const error = Object.assign(new Error("partly"), {
        padding: Array.from({ length: before }, () => [{}]),
        lost: { shared, bytes: new Uint8Array(5_000), callback() {} },
        first: shared,
        second: [shared],
      });
      const sent = roundTrip(error, true);
      expect(sent).not.toHaveProperty("lost");
      expect(sent.first).toEqual(shared);
      expect(sent.second[0]).toBe(sent.first);
    }
  });

  test("one that stands in a value twice is one", () => {
    const error = new Error("twice");
    const sent = roundTrip([error, { error }]) as [Error, { error: Error }];
    expect(sent).toEqual([error, { error }]);
    expect(sent[1].error).toBe(sent[0]);
  });

  test("errors and cause arrive as they are: hidden or not, a list or not", () => {
    const hidden = new AggregateError([new TypeError("one")], "all", { cause: 5 });
    expect(roundTrip(hidden)).toMatchObject({ errors: [{ message: "one" }], cause: 5 });
    expect(Object.keys(roundTrip(hidden))).toEqual([]);
    const open = Object.assign(new Error("invalid"), { errors: { name: "is empty" }, cause: "the form" });
    expect({ ...roundTrip(open) }).toEqual({ errors: { name: "is empty" }, cause: "the form" });
  });

  test("errors of Node's modules are alike, whichever runtime has made them", () => {
    const inDeno = Object.assign(new TypeError("wrong"), { code: "ERR_X", name: "TypeError", toString() {} });
    const inBun = Object.setPrototypeOf(new TypeError("wrong"), {
      __proto__: TypeError.prototype,
      code: "ERR_X",
    });
    for (const error of [inDeno, inBun]) {
      expect(roundTrip(error)).toMatchObject({ name: "TypeError", message: "wrong", code: "ERR_X" });
      expect(Object.keys(roundTrip(error))).toEqual(["code"]);
    }
  });

  test("a built-in class survives another name", () => {
    const error = Object.assign(new TypeError("wrong"), { name: "WrongType" });
    expect(Object.getPrototypeOf(roundTrip(error))).toBe(TypeError.prototype);
    expect(roundTrip(error).name).toBe("WrongType");
  });

  test("a built-in class of another realm arrives as ours", () => {
    const foreign = runInNewContext('new RangeError("far")');
    expect(Object.getPrototypeOf(roundTrip(foreign))).toBe(RangeError.prototype);
  });

  test("a class of one's own arrives as Error, whatever it is derived from and called", () => {
    class OutOfTea extends TypeError {
      override name = "OutOfTea";
    }
    const Pretender = { TypeError: class extends Error {} }.TypeError;
    Object.defineProperty(Pretender.prototype, "name", { value: "TypeError" });
    for (const Own of [OutOfTea, Pretender]) {
      const sent = roundTrip(new Own("none left"));
      expect(Object.getPrototypeOf(sent)).toBe(Error.prototype);
      expect(sent.name).toBe(new Own().name);
    }
  });

  test("Node's own arrive as what they are derived from", () => {
    let error: unknown;
    try {
      Buffer.alloc("x" as never);
    } catch (thrown) {
      error = thrown;
    }
    const sent = roundTrip(error);
    expect(Object.getPrototypeOf(sent)).toBe(TypeError.prototype);
    expect(sent).toMatchObject({ name: "TypeError", code: "ERR_INVALID_ARG_TYPE" });
  });
});

describe("collections", () => {
  test("Maps and Sets keep their order, of whatever is in them", () => {
    const map = new Map<unknown, unknown>([
      ["b", 1],
      [{ key: true }, new Set([NaN, "x", [1]])],
      [-0, undefined],
      [undefined, new Map()],
      [Symbol.for("shared"), null],
    ]);
    expect(roundTrip(map)).toStrictEqual(map);
    expect([...roundTrip(map).keys()]).toStrictEqual([...map.keys()]);
  });

  test("they are sent as they were met, though a getter changes them", () => {
    const map = new Map<string, unknown>();
    map.set("grows", {
      get now() {
        map.set("late", 1);
        return map.delete("next");
      },
    });
    map.set("next", 2);
    expect(roundTrip(map)).toEqual(
      new Map<string, unknown>([
        ["grows", { now: true }],
        ["next", 2],
      ]),
    );
  });

  test("those of another realm and of derived classes arrive as ours", () => {
    const foreign = runInNewContext(
      '({ map: new Map([["a", new Set([1])]]), regExp: /x/g, date: new Date(1) })',
    );
    const sent = roundTrip(foreign);
    expect(sent.map).toStrictEqual(new Map([["a", new Set([1])]]));
    expect(sent.regExp).toStrictEqual(/x/g);
    expect(sent.date).toStrictEqual(new Date(1));
    class Registry extends Map<string, number> {}
    expect(Object.getPrototypeOf(roundTrip(new Registry([["a", 1]])))).toBe(Map.prototype);
  });
});

describe("regular expressions", () => {
  test.each([
    /(?:)/,
    /a\/b\n"/dgimsuy,
    Reflect.construct(RegExp, ["[a--b]", "v"]),
    /(?<year>\d{4})/u,
    /\ud800/,
  ])("%s", (regExp) => {
    regExp.lastIndex = 3;
    const sent = roundTrip(regExp);
    expect([sent.source, sent.flags, sent.lastIndex]).toEqual([regExp.source, regExp.flags, 3]);
    expect(Object.getPrototypeOf(sent)).toBe(RegExp.prototype);
  });

  test("a lastIndex that is no number is refused", () => {
    const odd = Object.assign(/x/, { lastIndex: {} });
    expect(() => encode([odd])).toThrow("$[0].lastIndex is no number");
  });
});

describe("symbols", () => {
  test("registered ones are what they are, others are refused", () => {
    expect(roundTrip([Symbol.for("a"), Symbol.for("€")])).toEqual([Symbol.for("a"), Symbol.for("€")]);
    for (const refused of [Symbol("a"), Symbol.iterator]) {
      expect(() => encode({ refused })).toThrow(
        "$.refused is a symbol, only those of Symbol.for can be sent",
      );
    }
    expect(() => encode(Symbol.for("x".repeat(257)))).toThrow(
      "$ is a symbol with a key of more than 256 characters",
    );
  });
});

describe("what stands in a value more than once", () => {
  test("arrives as one, whatever it is", () => {
    const shared = [
      {},
      [1],
      new Array(3),
      new Date(1),
      /x/,
      new Map([[1, 2]]),
      new Set([1]),
      new Error("x"),
      new ArrayBuffer(8),
      new Uint8Array(8),
      Buffer.from("abc"),
      new Uint8Array(10_000),
    ];
    for (const padding of [0, 100]) {
      const value = { padding: Array.from({ length: padding }, () => ({})), shared, again: [...shared] };
      const sent = roundTrip(value);
      expect(sent.shared).toHaveLength(shared.length);
      expect(sent.again.every((each, index) => each === sent.shared[index])).toBe(true);
      expect(new Set(sent.shared).size).toBe(shared.length);
    }
  });

  test("may contain itself, in every way there is", () => {
    const object: Record<string, unknown> = { text: "x".repeat(10_000) };
    const array: unknown[] = [object, undefined, object];
    const map = new Map<unknown, unknown>([[object, array]]);
    const set = new Set<unknown>([map, array]);
    Object.assign(object, { object, array, map, set });
    map.set(map, map);
    set.add(set);
    const sent = roundTrip(object) as { object: unknown; array: unknown[]; map: typeof map; set: typeof set };
    expect(sent.object).toBe(sent);
    expect([sent.array[0], sent.array[2]]).toEqual([sent, sent]);
    expect(sent.map.get(sent)).toBe(sent.array);
    expect(sent.map.get(sent.map)).toBe(sent.map);
    expect([...sent.set]).toEqual([sent.map, sent.array, sent.set]);
  });

  test("is encoded once, though there are paths without number to it", () => {
    let value: unknown[] = [];
    for (let level = 0; level < 400; level++) {
      value = [value, value];
    }
    expect(encode(value).length).toBeLessThan(5_000);
    let sent = roundTrip(value);
    let levels = 0;
    for (; sent.length > 0; sent = sent[0] as unknown[]) {
      expect(sent[0]).toBe(sent[1]);
      levels++;
    }
    expect(levels).toBe(400);
  });
});

describe("views of one buffer", () => {
  const source = Uint8Array.from({ length: 64 }, (_, index) => index);

  test("show the same bytes again where they overlap", () => {
    for (const scale of [1, 1000]) {
      const { buffer } = new Uint8Array(64 * scale);
      const bytes = new Uint8Array(buffer, 3, 30 * scale);
      const numbers = new Float64Array(buffer, 16 * scale, 2);
      const data = new DataView(buffer, 4, 20);
      const apart = new Uint8Array(buffer, 60 * scale, 4);
      const sent = roundTrip({ numbers, bytes, data, apart });
      expect(sent.numbers.buffer).toBe(sent.bytes.buffer);
      expect(sent.data.buffer).toBe(sent.bytes.buffer);
      sent.numbers[0] = 0.1;
      expect(Buffer.from(sent.bytes.buffer, sent.numbers.byteOffset, 8)).toEqual(
        Buffer.from(new Float64Array([0.1]).buffer),
      );
      sent.data.setUint8(1, 77);
      expect(sent.bytes[2]).toBe(77);
      expect([sent.bytes.length, sent.data.byteLength, sent.apart.length]).toEqual([30 * scale, 20, 4]);
      expect(sent.apart.buffer.byteLength).toBe(4);
    }
  });

  test("bring no bytes with them that none of them shows", () => {
    const { buffer } = Uint8Array.from(source);
    const sent = roundTrip([
      new Uint8Array(buffer, 13, 10),
      new Uint8Array(buffer, 20, 10),
      new Uint8Array(buffer, 40, 2),
    ]);
    expect(sent.map((view) => [...view])).toEqual([
      [...source.subarray(13, 23)],
      [...source.subarray(20, 30)],
      [40, 41],
    ]);
    expect([...new Uint8Array(sent[0].buffer)]).toEqual([0, 0, 0, 0, 0, ...source.subarray(13, 30)]);
  });

  test("are views of that buffer where it is sent too, before or after them", () => {
    const { buffer } = Uint8Array.from(source);
    const view = new Uint16Array(buffer, 8, 4);
    for (const value of [
      { buffer, view },
      { view, buffer, again: buffer },
      [{ view }, view, { buffer }].reduce(Object.assign),
    ]) {
      const sent = roundTrip(value) as { buffer: ArrayBuffer; view: Uint16Array };
      expect(sent.view.buffer).toBe(sent.buffer);
      expect([sent.view.byteOffset, sent.view.length, sent.buffer.byteLength]).toEqual([8, 4, 64]);
      expect(new Uint8Array(sent.buffer)).toEqual(source);
    }
  });
});

describe("what can't be sent", () => {
  class Point {
    x = 1;
  }
  class Url extends URL {}

  test.each<[string, unknown, string]>([
    ["an instance", { a: { b: [0, 0, 0, new Point()] } }, "$.a.b[3] is an instance of Point"],
    ["an instance of a derived class", [new Url("data:x")], "$[0] is an instance of Url"],
    ["a prototype without class", [Object.create({ a: 1 })], "$[0] is an object with a prototype of its own"],
    ["a number object", { n: Object(1) }, "$.n is a boxed primitive, only what is in it can be sent"],
    ["a symbol object", Object(Symbol.for("x")), "$ is a boxed primitive, only what is in it can be sent"],
    ["a WeakMap", { "my key": new WeakMap() }, '$["my key"] is a WeakMap'],
    ["a promise", new Map([["key", { p: Promise.resolve() }]]), '$.get("key").p is a Promise'],
    ["under a number", new Map([[5, () => {}]]), "$.get(5) is a function"],
    ["under a bigint", new Map([[5n, () => {}]]), "$.get(5n) is a function"],
    ["under a symbol", new Map([[Symbol.for("s"), () => {}]]), "$.get(Symbol(s)) is a function"],
    [
      "under an object",
      new Map<unknown, unknown>([
        [1, 1],
        [{}, () => {}],
      ]),
      "$.values()[1] is a function",
    ],
    [
      "as a key",
      {
        map: new Map<unknown, unknown>([
          [1, 1],
          [[() => {}], 1],
        ]),
      },
      "$.map.keys()[1][0] is a function",
    ],
    ["in a Set", new Set<unknown>([1, { f() {} }]), "$.values()[1].f is a function"],
    ["a generator", { g: (function* () {})() }, "$.g is an object with a prototype of its own"],
    ["in an error", new Error("x", { cause: () => {} }), "$.cause is a function"],
  ])("%s", (_, value, message) => {
    expect(() => encode(value)).toThrow(message);
    expect(() => encode(value)).toThrow(UnsupportedPayloadError);
  });

  test("what a getter throws is the cause of an error that tells its place", () => {
    const thrown = new RangeError("out of tea");
    const value = {
      map: new Map([
        [
          "key",
          {
            get tea() {
              throw thrown;
            },
          },
        ],
      ]),
    };
    let error: unknown;
    try {
      encode(value);
    } catch (caught) {
      error = caught;
    }
    expect(error).toBeInstanceOf(UnsupportedPayloadError);
    expect(error).toMatchObject({
      message: '$.map.get("key").tea can\'t be read: out of tea',
      path: '$.map.get("key").tea',
      cause: thrown,
    });
  });

  test("a value that would fill the heap of its receiver", () => {
    const row = new Array(1000).fill(0);
    const rows = new Array(40_000);
    for (let index = 0; index < rows.length; index++) {
      rows[index] = index < 34_000 ? row.slice() : 0;
    }
    expect(() => encode(rows)).toThrow(PayloadTooLargeError);
    expect(() => encode(rows)).toThrow(
      /^the value takes \d+ bytes of memory or more, at most 1073741824 are possible, and no option changes that$/,
    );
    expect(encode(rows.fill(row)).length).toBeLessThan(200_000);
  });
});

describe("objects without a prototype", () => {
  test("arrive as plain objects", () => {
    const sent = roundTrip(Object.assign(Object.create(null), { a: 1 }));
    expect(sent).toStrictEqual({ a: 1 });
  });

  test("inherited properties stay behind", () => {
    Object.defineProperty(Object.prototype, "inherited", {
      value: 1,
      enumerable: true,
      configurable: true,
      writable: true,
    });
    try {
      expect(Object.keys(roundTrip({ own: 1 }))).toEqual(["own"]);
    } finally {
      delete (Object.prototype as { inherited?: number }).inherited;
    }
  });

  test("properties are own ones, though Object's prototype lets nobody assign them", () => {
    const descriptor = Object.getOwnPropertyDescriptor(Object.prototype, "toString") as PropertyDescriptor;
    Object.defineProperty(Object.prototype, "toString", { ...descriptor, writable: false });
    try {
      expect(Object.entries(roundTrip({ toString: 1, after: 2 }))).toEqual([
        ["toString", 1],
        ["after", 2],
      ]);
    } finally {
      Object.defineProperty(Object.prototype, "toString", descriptor);
    }
  });
});

describe("arrays", () => {
  test("holes stay holes in long and short ones", () => {
    for (const length of [3, 10_000]) {
      const array = Array.from({ length }, (_, index) => index);
      expect(roundTrip(array)).toEqual(array);
      delete array[1];
      const sent = roundTrip(array);
      expect(sent).toStrictEqual(array);
      expect(1 in sent).toBe(false);
    }
  });

  test("four thousand million holes are skipped", () => {
    const array: unknown[] = ["first"];
    array.length = 4_000_000_000;
    const sent = roundTrip(array);
    expect(sent).toHaveLength(4_000_000_000);
    expect(Object.entries(sent)).toEqual([["0", "first"]]);
  });
});

describe("properties of arrays besides their elements", () => {
  const short = [1, 2];
  const long = Array.from({ length: 1_000 }, (_, index) => index);
  const holes = Object.assign(new Array(5), { 3: "three" });

  test.each([
    ["short", short],
    ["long", long],
    ["empty", []],
    ["with holes", holes],
    ["of records", Array.from({ length: 200 }, (_, id) => ({ id }))],
    ["of a class", Object.assign(new (class List extends Array {})(), { 0: 1 })],
  ])("an array that is %s keeps them as structuredClone does", (_, array) => {
    const given = Object.assign(array.slice(), {
      ...{ groups: Object.assign(Object.create(null), { year: "2020" }), index: 4, "01": 1, "-1": 2 },
      ...{ 4294967295: "no index", map: null, [Symbol.for("symbol")]: 1 },
    });
    Object.defineProperty(given, "raw", { value: "not enumerable" });
    expect(same(roundTrip(given), structuredClone(given))).toBe(true);
    expect(same(roundTrip([given, { given }]), structuredClone([given, { given }]))).toBe(true);
    const bare = array.slice();
    expect(same(roundTrip(bare), structuredClone(bare))).toBe(true);
  });

  test("a match has all of them", () => {
    const match = /(?<year>\d+)-(x)?/d.exec("in 2020-") as RegExpExecArray;
    const sent = roundTrip(match);
    expect(sent).toEqual(match);
    expect(Object.keys(sent)).toEqual(["0", "1", "2", "index", "input", "groups", "indices"]);
    expect(sent.indices?.groups?.year).toEqual([3, 7]);
  });

  test("cycles and what is met twice go through them", () => {
    const array: unknown[] & { self?: unknown; list?: unknown } = [{ id: 1 }];
    array.self = array;
    array.list = array[0];
    const sent = roundTrip(array);
    expect(sent.self).toBe(sent);
    expect(sent.list).toBe(sent[0]);
    expect(same(roundTrip([array, array]), [array, array])).toBe(true);
  });

  test("what can't be sent is refused with its place", () => {
    expect(() => encode({ a: [Object.assign([1], { save: () => {} })] })).toThrow(
      "$.a[0].save is a function",
    );
    expect(() => encode(Object.assign([...long], { "no name": () => {} }))).toThrow(
      '$["no name"] is a function',
    );
    expect(() => encode(Object.assign([() => {}], { key: 1 }))).toThrow("$[0] is a function");
    const read = Object.defineProperty([1], "key", { enumerable: true, get: () => JSON.parse("{") });
    expect(() => encode(read)).toThrow("$.key can't be read");
  });
});

describe("binary values", () => {
  test("the encoder lets go of them", async () => {
    let bytes: Uint8Array | undefined = new Uint8Array(50 * MIB);
    const gone = new WeakRef(bytes);
    encode({ bytes });
    bytes = undefined;
    const { setFlagsFromString } = await import("node:v8");
    setFlagsFromString("--expose-gc");
    const collect = runInNewContext("gc") as () => void;
    await new Promise((resolve) => setTimeout(resolve, 10));
    collect();
    expect(gone.deref()).toBeUndefined();
  });

  test("one that a later getter detaches is refused, none of its former bytes are sent", () => {
    const bytes = new Uint8Array(10_000).fill(7);
    const value = {
      bytes,
      get later() {
        structuredClone(bytes.buffer, { transfer: [bytes.buffer] });
        return 1;
      },
    };
    const refused = "$ holds bytes that were detached or resized by one of its getters";
    expect(() => encode(value)).toThrow(refused);
  });

  test("rawBinary tells those of more bytes than a number", () => {
    const bytes = new Uint8Array(new ArrayBuffer(100), 10, 60).fill(3);
    expect(rawBinary(bytes, 59)?.bytes).toEqual(new Uint8Array(60).fill(3));
    expect(rawBinary(bytes, 60)).toBeUndefined();
    expect(rawBinary(bytes.buffer, 60)?.bytes).toHaveLength(100);
    const shared = new SharedArrayBuffer(100);
    const others = [
      undefined,
      null,
      100,
      "x".repeat(100),
      [1],
      { byteLength: 100 },
      shared,
      Buffer.from(shared),
    ];
    for (const other of others) {
      expect(rawBinary(other, 1)).toBeUndefined();
    }
  });

  test("what lies in shared memory is refused where nothing is shared", () => {
    const refused = "$.a[0] is shared memory of this process (SharedArrayBuffer)";
    expect(() => encode({ a: [new SharedArrayBuffer(8)] })).toThrow(refused);
    expect(() => encode({ a: [new Uint8Array(new SharedArrayBuffer(8))] })).toThrow(refused);
  });

  test("rawBinary refuses those whose bytes can't be sent", () => {
    const view = new DataView(new ArrayBuffer(100));
    structuredClone(view.buffer, { transfer: [view.buffer] });
    expect(() => rawBinary(view, 10)).toThrow(UnsupportedPayloadError);
    expect(() => rawBinary(view, 10)).toThrow("$ is a detached DataView");
  });
});
