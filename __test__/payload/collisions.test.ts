/** Maps, Sets and objects with keys chosen so that the host takes long to build a hash table of them. */
import { createPool, importTask } from "knitting-native";
import { describe, expect, test } from "vitest";
import { UnsupportedPayloadError } from "../../build/base/errors.js";
import { Decoder } from "../../build/payload/decode.js";
import { withEncoder } from "../../build/payload/encode.js";
import {
  BIGINT,
  FLOAT64,
  INT32,
  LATIN1,
  MAP,
  NULL,
  OBJECT,
  SET,
  SPARSE,
} from "../../build/payload/format.js";
// @ts-expect-error the tasks are plain JavaScript
import { collidingKeys, KINDS } from "../fixtures/tasks/flooding.mjs";
import { onEveryRuntime } from "../support/kinds";

type Key = number | bigint;
const chosen: (kind: string, count: number) => Key[] = collidingKeys;
const kinds: readonly string[] = KINDS;

const KEYS = 65_000;
/** A hostile value may take at most this many times as long as an honest value of the same size. */
const AMPLIFICATION = 10;
/** Number of measurements, of which the shortest counts. */
const ATTEMPTS = 3;

function count(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) {
    bytes.push((rest % 0x80) | 0x80);
  }
  return [...bytes, rest];
}

/** Encoded by hand, because an encoder would have to build the collection first. */
function encodedKey(key: Key): number[] {
  if (typeof key === "bigint") {
    const bytes = Buffer.from(key.toString(16).padStart(32, "0"), "hex");
    return [BIGINT, 0, bytes.length, ...bytes];
  }
  const bytes = Buffer.alloc(8);
  if ((key | 0) === key) {
    bytes.writeInt32LE(key);
    return [INT32, ...bytes.subarray(0, 4)];
  }
  bytes.writeDoubleLE(key);
  return [FLOAT64, ...bytes];
}

const encodedMap = (keys: readonly Key[]) =>
  Uint8Array.from([MAP, ...count(keys.length), ...keys.flatMap((key) => [...encodedKey(key), NULL])]);
const encodedSet = (keys: readonly Key[]) =>
  Uint8Array.from([SET, ...count(keys.length), ...keys.flatMap(encodedKey)]);

function decode(bytes: Uint8Array): unknown {
  return new Decoder(bytes.buffer as ArrayBuffer).decode(0, bytes.length);
}

/** The least processor time that the action takes, in microseconds. That in which others have the core does not count. */
function timeOf(action: () => unknown): number {
  let shortest = Number.POSITIVE_INFINITY;
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const before = process.cpuUsage();
    action();
    const { user, system } = process.cpuUsage(before);
    shortest = Math.min(shortest, user + system);
  }
  return shortest;
}

/** As many keys of the same class that nobody has chosen. */
function honest(keys: readonly Key[]): Key[] {
  return keys.map((key, index) => {
    if (typeof key === "bigint") {
      return (BigInt(index * 7_919) << 32n) + BigInt(index);
    }
    return (key | 0) === key ? index * 7_919 : index + 0.5;
  });
}

describe.each(kinds)("keys that collide: %s", (kind) => {
  test("V8 itself takes long for them: they are hashed as is taken into account", () => {
    const keys = chosen(kind, 4_096);
    const usual = timeOf(() => new Set(honest(keys)));
    expect(timeOf(() => new Set(keys))).toBeGreaterThan(10 * usual);
  });

  test.each([
    ["Map", encodedMap],
    ["Set", encodedSet],
  ])(`a %s of ${KEYS} is refused in the time of an honest one`, (_, encoded) => {
    const keys = chosen(kind, KEYS);
    const [hostile, usual] = [encoded(keys), encoded(honest(keys))];
    const limit = AMPLIFICATION * timeOf(() => decode(usual));
    const taken = timeOf(() => {
      expect(() => decode(hostile)).toThrow(UnsupportedPayloadError);
    });
    expect(taken).toBeLessThan(limit);
    expect(() => decode(hostile)).toThrow(/\[\d+\] collides with too many others in a hash table$/);
  });

  test("many small collections are no way around it", () => {
    for (const size of [100, 700, 3_000]) {
      const keys = chosen(kind, size);
      const many = Math.floor(KEYS / size);
      const all = (of: readonly Key[]) =>
        Uint8Array.from([
          10,
          ...count(many),
          ...Array.from({ length: many }, () => [...encodedSet(of)]).flat(),
        ]);
      const [hostile, usual] = [all(keys), all(honest(keys))];
      const limit = AMPLIFICATION * timeOf(() => decode(usual));
      const taken = timeOf(() => {
        try {
          decode(hostile);
        } catch (error) {
          expect(error).toBeInstanceOf(UnsupportedPayloadError);
        }
      });
      expect(taken, `sets of ${size}`).toBeLessThan(limit);
    }
  });

  test("some that collide by chance are no harm", () => {
    const keys = chosen(kind, 300);
    expect(decode(encodedSet(keys))).toEqual(new Set(keys));
  });
});

test.each<[string, (index: number) => unknown]>([
  ["numbers in a row", (index) => index],
  ["negative ones", (index) => -index],
  ["multiples of 65536", (index) => index * 65_536],
  ["times", (index) => 1_750_000_000_000 + index],
  ["times with fractions", (index) => 1_750_000_000_000 + index / 8],
  ["small fractions", (index) => index / 1_000_003],
  ["large numbers", (index) => index * 2 ** 80],
  ["bigints in a row", (index) => BigInt(index)],
  ["bigints of 32 bits more", (index) => BigInt(index) << 32n],
  ["snowflakes", (index) => (1_750_000_000_000n << 22n) + (BigInt(index) << 12n)],
  ["strings of digits", (index) => `${index * 65_536}`],
  ["names", (index) => `name ${index}`],
  ["objects", (index) => ({ index })],
])("honest keys of a Set are never too many: %s", (_, make) => {
  const set = new Set(Array.from({ length: 100_000 }, (_, index) => make(index)));
  const bytes = withEncoder(set, false, (encoder) => encoder.toBytes());
  expect((decode(Uint8Array.from(bytes)) as Set<unknown>).size).toBe(set.size);
});

describe("names and indices", () => {
  const object = (names: readonly string[]) =>
    Uint8Array.from([
      OBJECT,
      ...names.flatMap((name) => [LATIN1, name.length, ...Buffer.from(name, "latin1"), NULL]),
      0,
    ]);
  const sparse = (length: number, indices: readonly number[]) =>
    Uint8Array.from([
      ...[SPARSE, ...count(length), ...count(indices.length)],
      ...indices.flatMap((index) => [...count(index), NULL]),
    ]);
  const list = <T>(make: (index: number) => T) => Array.from({ length: 60_000 }, (_, index) => make(index));
  const usual = object(list((index) => `key${index}`));

  test.each<[string, Uint8Array]>([
    ["indices in a row", object(list((index) => `${index}`))],
    ["in reverse", object(list((index) => `${60_000 - index}`))],
    ["far apart", object(list((index) => `${index * 65_536}`))],
    ["far apart, around and around", object(list((index) => `${(index * 262_144) >>> 0}`))],
    ["from both ends", object(list((index) => (index % 2 === 0 ? `${index}` : `${4e9 - index}`)))],
    ["beyond all arrays", object(list((index) => `${2 ** 33 + index * 65_536}`))],
    ["names among indices", object(list((index) => (index % 2 === 0 ? `${index}` : `x${index}`)))],
    ["ever farther", object(list((index) => `${index * index}`))],
    [
      "an array with holes",
      sparse(
        2 ** 32 - 1,
        list((index) => index * 65_536),
      ),
    ],
    [
      "an array with few holes",
      sparse(
        540_000,
        list((index) => index * 9),
      ),
    ],
    [
      "an array with a tail",
      sparse(
        2 ** 31,
        list((index) => 2 ** 31 - 60_000 + index),
      ),
    ],
    [
      "runs far from one another",
      sparse(
        2 ** 28,
        list((index) => Math.floor(index / 1_000) * 100_000 + (index % 1_000)),
      ),
    ],
    [
      "objects of as many shapes",
      Uint8Array.from([10, ...count(60_000), ...list((index) => [...object([`s${index}`])]).flat()]),
    ],
  ])("%s take about as long as any", (_, hostile) => {
    const limit = AMPLIFICATION * timeOf(() => decode(usual));
    expect(timeOf(() => decode(hostile))).toBeLessThan(limit);
  });
});

onEveryRuntime(({ worker }) => {
  const href = "../fixtures/tasks/flooding.mjs";
  const tasks = {
    floodMap: importTask<{ kind: string; count: number }, unknown>({ href, name: "floodMap" }),
    floodSet: importTask<{ kind: string; count: number }, unknown>({ href, name: "floodSet" }),
    alive: importTask<void, number>({ href, name: "alive" }),
  };

  test("a worker that sends colliding keys has that call rejected, and serves others", async () => {
    await using pool = createPool({ worker })(tasks);
    const pid = await pool.call.alive();
    for (const kind of kinds) {
      const honestCall = pool.call.alive();
      const flood = { kind, count: 8_000 };
      await expect(pool.call.floodMap(flood)).rejects.toThrow(/^\$\.keys\(\)\[\d+\] collides with too many/);
      await expect(pool.call.floodSet(flood)).rejects.toThrow(
        /^\$\[0\]\.members\.values\(\)\[\d+\] collides with too many/,
      );
      expect(await honestCall).toBe(pid);
    }
    expect(await pool.call.alive()).toBe(pid);
  });
});
