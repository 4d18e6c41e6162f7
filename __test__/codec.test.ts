/** The encoding by itself: what a pool's own calls don't reach, such as bytes that no encoder writes. */
import { runInNewContext } from "node:vm";
import { UnsupportedPayloadError } from "knitting-native";
import { describe, expect, test } from "vitest";
import { Decoder, MalformedPayload } from "../dist/payload/decode.js";
import { rawBinary, withEncoder } from "../dist/payload/encode.js";
import { ARRAY, BIGINT, END, ERROR, LATIN1, OBJECT, SPARSE, UNDEFINED } from "../dist/payload/format.js";

const MIB = 1024 * 1024;

const encode = (value: unknown, thrown = false) => withEncoder(value, thrown, (encoder) => encoder.toBytes());

function decode(bytes: Uint8Array | readonly number[]): unknown {
  const { buffer } = Uint8Array.from(bytes);
  return new Decoder(buffer).decode(0, buffer.byteLength);
}

const roundTrip = <T>(value: T, thrown = false) => decode(encode(value, thrown)) as T;

/** How many bytes of memory a piece of code takes and keeps. */
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

  test("what the engine refuses to make is malformed too", () => {
    let nested = [UNDEFINED];
    for (let depth = 0; depth < 400; depth++) {
      nested = [OBJECT, LATIN1, 1, 120, ...nested, END];
    }
    /** Decodes with less and less stack left, and gives back the first thing that is thrown. */
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
        return error instanceof MalformedPayload || !(error instanceof Error) ? error : undefined;
      }
    }
    expect(deeper()).toBeInstanceOf(MalformedPayload);
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
    for (const other of [undefined, null, 100, "x".repeat(100), [1], { byteLength: 100 }]) {
      expect(rawBinary(other, 1)).toBeUndefined();
    }
  });

  test("rawBinary refuses those whose bytes can't be sent", () => {
    expect(() => rawBinary(new Uint8Array(new SharedArrayBuffer(100)), 10)).toThrow("of shared memory");
    const view = new DataView(new ArrayBuffer(100));
    structuredClone(view.buffer, { transfer: [view.buffer] });
    expect(() => rawBinary(view, 10)).toThrow(UnsupportedPayloadError);
    expect(() => rawBinary(view, 10)).toThrow("$ is a detached DataView");
  });
});
