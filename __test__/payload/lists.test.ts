/** Lists of objects with the same keys: the keys are encoded once, and the decoded values are the same. */
import { describe, expect, test } from "vitest";
import { Decoder, MalformedPayload } from "../../build/payload/decode.js";
import { withEncoder } from "../../build/payload/encode.js";
import {
  ALIKE,
  ARRAY,
  END,
  LATIN1,
  LIST_LENGTH,
  MARK,
  NULL,
  OBJECT,
  REFERENCE,
  TRUE,
} from "../../build/payload/format.js";

const encode = (value: unknown) => withEncoder(value, false, (encoder) => encoder.toBytes());

function decode(bytes: Uint8Array | readonly number[]): unknown {
  const { buffer } = Uint8Array.from(bytes);
  return new Decoder(buffer).decode(0, buffer.byteLength);
}

const roundTrip = <T>(value: T) => decode(encode(value)) as T;
const rows = <T>(make: (index: number) => T, length = 10) =>
  Array.from({ length }, (_, index) => make(index));

describe("a list of objects with the same keys", () => {
  test("names them once", () => {
    const name = "a key of this list";
    const bytes = encode(rows((index) => ({ [name]: index, other: { [name]: index } })));
    expect(bytes.toString("latin1").split(name)).toHaveLength(1 + 1 + 10);
  });

  test.each<[string, unknown[]]>([
    ["of any length", rows((index) => ({ index }), LIST_LENGTH)],
    ["without any key", rows(() => ({}))],
    ["with keys that are indices", rows((index) => ({ x: 1, 7: index, 3: [index] }))],
    [
      "with more keys than a hash table begins with",
      rows((row) => Object.fromEntries(rows((key) => [`k${key}`, row], 2_000))),
    ],
    [
      "whose keys are called like what objects inherit",
      rows((index) => JSON.parse(`{"__proto__":{"a":${index}},"constructor":1,"toString":null}`)),
    ],
    [
      "with others among them",
      [...rows((index) => ({ a: index })), 1, null, [2], { b: 1 }, { a: 1, b: 2 }, {}, { a: 3 }],
    ],
    ["with the keys in another order", [...rows(() => ({ a: 1, b: 2 })), { b: 3, a: 4 }, { a: 5, b: 6 }]],
    ["with a Map, a Date, an Error among them", [...rows(() => ({})), new Map(), new Date(1), [], {}]],
    [
      "in one another",
      rows((outer) => ({ outer, list: rows((inner) => ({ inner, list: rows(() => ({ outer })) })) })),
    ],
    ["that begins with none", [1, ...rows((index) => ({ index }))]],
    ["that begins with another", [{ z: 1 }, ...rows((index) => ({ index }))]],
  ])("%s arrives as it was", (_, list) => {
    const result = roundTrip(list);
    expect(result).toStrictEqual(list);
    const order = (of: unknown[]) => of.map((each) => Object.keys(each ?? {}));
    expect(order(result)).toEqual(order(list));
    expect(
      result.every(
        (each, index) =>
          Object(each) !== each || Object.getPrototypeOf(each) === Object.getPrototypeOf(list[index]),
      ),
    ).toBe(true);
  });

  test("keeps what is met again, and what holds itself", () => {
    const list: Record<string, unknown>[] = rows((index) => ({ self: undefined, index, first: undefined }));
    for (const each of list) {
      each.self = each;
      each.first = list[0];
    }
    list.push(list[3], list[0]);
    const result = roundTrip({ list, third: list[2] });
    expect(result.list[10]).toBe(result.list[3]);
    expect(result.list[11]).toBe(result.list[0]);
    expect(result.third).toBe(result.list[2]);
    for (const [index, each] of result.list.slice(0, 10).entries()) {
      expect(each.self).toBe(each);
      expect(each.first).toBe(result.list[0]);
      expect(each.index).toBe(index);
    }
  });

  test("that was met before begins with a reference", () => {
    const first = { a: 1 };
    const list = [first, { a: 2 }, { a: 3 }, { a: 4 }];
    const result = roundTrip({ first, list });
    expect(result).toEqual({ first, list });
    expect(result.list[0]).toBe(result.first);
  });

  test("has the keys that it had when it was met, whatever its getters do", () => {
    const list = rows((index) => {
      const object: Record<string, unknown> = { a: index, b: index, c: index };
      Object.defineProperty(object, "a", {
        enumerable: true,
        get() {
          delete object.c;
          object.d = 1;
          return index;
        },
      });
      return object;
    });
    expect(roundTrip(list)).toEqual(rows((index) => ({ a: index, b: index, c: undefined })));
  });

  test("may be made of proxies, whose keys are in any order", () => {
    const proxy = (index: number) =>
      new Proxy<Record<string, number>>({ 0: index, b: index + 0.5 }, { ownKeys: () => ["b", "0"] });
    expect(roundTrip(rows(proxy))).toEqual(rows((index) => ({ 0: index, b: index + 0.5 })));
  });

  test("calls each getter once", () => {
    let calls = 0;
    const getter = {
      get a() {
        return ++calls;
      },
    };
    const list = rows(() => Object.defineProperties({}, Object.getOwnPropertyDescriptors(getter)));
    expect(roundTrip(list)).toEqual(rows((index) => ({ a: index + 1 })));
  });

  test("tells the place of what can't be sent in it", () => {
    const list: unknown[] = rows((index) => ({ index, fine: true }));
    list[7] = { index: 7, fine: () => 1 };
    expect(() => encode({ list })).toThrow("$.list[7].fine is a function");
    list[0] = { index: () => 1, fine: 2 };
    expect(() => encode({ list })).toThrow("$.list[0].index is a function");
  });
});

describe("lies about lists", () => {
  const object = [OBJECT, LATIN1, 1, 97, TRUE, END];
  const four = (...rest: number[]) => [ARRAY, 4, ...object, ...rest];

  test("an honest one, by hand", () => {
    expect(decode(four(ALIKE, NULL, ALIKE + MARK, TRUE, REFERENCE, 10))).toEqual([
      { a: true },
      { a: null },
      { a: true },
      { a: true },
    ]);
  });

  test.each<[string, number[]]>([
    ["outermost", [ALIKE, NULL]],
    ["first of a list", [ARRAY, 4, ALIKE, NULL, ...object, NULL, NULL]],
    ["behind what is no object", [ARRAY, 4, NULL, ALIKE, NULL, NULL, NULL]],
    ["in a list that is too short", [ARRAY, 2, ...object, ALIKE, NULL]],
    ["in what an element holds", four(ARRAY, 1, ALIKE, NULL, NULL, NULL)],
    ["with too few values", four(NULL, NULL, ALIKE)],
    ["with too many", four(NULL, NULL, ALIKE, NULL, NULL)],
  ])("an object with the keys of the first: %s", (_, bytes) => {
    expect(() => decode(bytes)).toThrow(MalformedPayload);
  });

  test("many that would fill the heap are refused before they do", () => {
    const names = rows((index) => [LATIN1, 5, ...Buffer.from(String(10_000 + index)), NULL], 3_000).flat();
    const row = [ALIKE, ...new Array(3_000).fill(NULL)];
    const bytes = Buffer.alloc(8_000 * row.length + names.length + 16, Buffer.from(row));
    const head = Buffer.from([ARRAY, 0xc0, 0x3e, OBJECT, ...names, END]);
    const whole = Buffer.concat([head, bytes.subarray(0, 7_999 * row.length)]);
    expect(() => decode(whole)).toThrow(/bytes of memory/);
  });
});
