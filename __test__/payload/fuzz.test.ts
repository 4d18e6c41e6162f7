/**
 * The decoder with bytes that no encoder has written. It must always and soon give a value or a typed error, and change
 * nothing else in the process.
 */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { UnsupportedPayloadError } from "../../build/base/errors.js";
import { Decoder, MalformedPayload } from "../../build/payload/decode.js";
import { withEncoder } from "../../build/payload/encode.js";
import * as format from "../../build/payload/format.js";
// @ts-expect-error the fixtures are plain JavaScript
import { generator } from "../fixtures/random.mjs";
import { HOSTILE_DECODES } from "../support/repetitions";
import { payloads } from "../support/values";

/** Longer encodings are mostly text, and one of them takes the time of many shorter ones. */
const MAX_BYTES = 1_500;
/**
 * No run may take longer. The encodings are short, so they can't cost much. The limit is generous, for a machine that
 * others use.
 */
const MAX_MILLIS = 3_000;

const seed = Date.now() & 0x7fffffff;
console.log(`fuzz: seed ${seed}`);

const encodings = fc
  .sample(payloads, { seed, numRuns: 6_000 })
  .map((value) => withEncoder(value, false, (encoder) => encoder.toBytes()))
  .filter(({ length }) => length > 0 && length <= MAX_BYTES);

const TAGS = Object.entries(format)
  .filter(([name]) => /^[A-Z0-9]+$/.test(name))
  .map(([, tag]) => tag as number);

const memory = new ArrayBuffer(MAX_BYTES + 64);
const bytes = new Uint8Array(memory);
const decoder = new Decoder(memory);

/** Puts bytes into `bytes` and returns their number. */
type Make = (below: (limit: number) => number) => number;

const pick = (below: (limit: number) => number) => encodings[below(encodings.length)];

const ways: Record<string, Make> = {
  "random bytes": (below) => {
    const length = 1 + below(64);
    for (let index = 0; index < length; index++) {
      // Half of them are valid at the beginning of a value.
      bytes[index] =
        below(2) === 0 ? below(256) : TAGS[below(TAGS.length)] | (below(8) === 0 ? format.MARK : 0);
    }
    return length;
  },
  "truncated encodings": (below) => {
    const whole = pick(below);
    bytes.set(whole);
    return below(whole.length);
  },
  "encodings with flipped bits": (below) => {
    const whole = pick(below);
    bytes.set(whole);
    for (let flips = 1 + below(4); flips > 0; flips--) {
      bytes[below(whole.length)] ^= 1 << below(8);
    }
    return whole.length;
  },
  "encodings with a piece of another": (below) => {
    const whole = pick(below);
    const other = pick(below);
    const at = below(whole.length);
    const from = below(other.length);
    const length = Math.min(other.length - from, whole.length - at, 1 + below(64));
    bytes.set(whole);
    bytes.set(other.subarray(from, from + length), at);
    return whole.length;
  },
};

/**
 * Everything that decoded values inherit from or are created by: objects, their prototypes, keys, attributes and
 * values.
 */
function surroundings(): unknown[] {
  const classes = [
    ...[Object, Array, Map, Set, Date, RegExp, Error, TypeError, AggregateError, Symbol, String, Number],
    ...[ArrayBuffer, DataView, Buffer, Uint8Array, Object.getPrototypeOf(Uint8Array), Function, BigInt],
  ];
  const found: unknown[] = [];
  for (const object of classes.flatMap((each) => [each, each.prototype])) {
    found.push(object, Object.getPrototypeOf(object));
    for (const key of Reflect.ownKeys(object)) {
      // The static properties RegExp.$1 and so on describe the last match, whoever made it.
      if (object !== RegExp) {
        const descriptor = Object.getOwnPropertyDescriptor(object, key) as PropertyDescriptor;
        found.push(key, ...Object.values(descriptor));
      }
    }
  }
  return [...found, ...Reflect.ownKeys(globalThis)];
}

describe(`${4 * HOSTILE_DECODES} runs of the decoder`, () => {
  for (const [index, [name, make]] of Object.entries(ways).entries()) {
    test(`${name}: a value or a typed error`, { timeout: 120_000 }, () => {
      const before = surroundings();
      const below = generator(seed + index);
      let values = 0;
      let slowest = 0;
      let start = performance.now();
      for (let run = 0; run < HOSTILE_DECODES; run++) {
        const length = make(below);
        try {
          decoder.decode(0, length);
          values++;
        } catch (error) {
          if (!(error instanceof MalformedPayload || error instanceof UnsupportedPayloadError)) {
            const hostile = Buffer.from(bytes.subarray(0, length)).toString("hex");
            throw new Error(`seed ${seed}, run ${run}, bytes ${hostile}`, { cause: error });
          }
        }
        const end = performance.now();
        slowest = Math.max(slowest, end - start);
        start = end;
      }
      console.log(
        `${name}: ${values} values, ${HOSTILE_DECODES - values} refused, slowest ${slowest.toFixed(1)} ms`,
      );
      expect(slowest, `seed ${seed}`).toBeLessThan(MAX_MILLIS);
      // No encoding is the beginning of another one.
      expect(values > 0).toBe(name !== "truncated encodings");
      expect(values).toBeLessThan(HOSTILE_DECODES);
      const after = surroundings();
      expect(after).toHaveLength(before.length);
      expect(after.findIndex((each, at) => !Object.is(each, before[at]))).toBe(-1);
    });
  }

  test("those that are still valid can be encoded again, and mean the same", () => {
    const below = generator(seed);
    let again = 0;
    for (let run = 0; run < 20_000; run++) {
      const length = ways["encodings with flipped bits"](below);
      let value: unknown;
      try {
        value = decoder.decode(0, length);
      } catch {
        continue;
      }
      const once = withEncoder(value, false, (encoder) => encoder.toBytes());
      const twice = withEncoder(
        new Decoder(once.buffer as ArrayBuffer, once.byteOffset, once.length).decode(0, once.length),
        false,
        (encoder) => encoder.toBytes(),
      );
      expect(Buffer.compare(once, twice), `seed ${seed}, run ${run}`).toBe(0);
      again++;
    }
    expect(again).toBeGreaterThan(100);
  });
});
