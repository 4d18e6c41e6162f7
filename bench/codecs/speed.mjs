/** The time that each codec takes for typical values, and the number of bytes. */

import { deepStrictEqual } from "node:assert";
import { KIB, latinText, records } from "../rows/values.mjs";
import { spread } from "../statistics.mjs";
import { codecs } from "./codecs.mjs";

const WARM_ROUNDS = 20;
const BATCH_MICROS = 500;

const values = {
  "a small object": { id: 17, name: "Ada", active: true },
  "100 records": records,
  "1 KiB of text": latinText(KIB),
  "1 KiB of Cyrillic": "Съешь ещё этих мягких французских булок. ".repeat(30).slice(0, 512),
  "Map, Set, Date, bigint, bytes": {
    map: new Map(Array.from({ length: 20 }, (_, index) => [`key ${index}`, index])),
    set: new Set(["a", "b", "c"]),
    date: new Date(0),
    big: 2n ** 70n,
    bytes: new Uint8Array(256).fill(7),
  },
};

/** One row per value and codec. */
export function measure(rounds) {
  return Object.entries(values).map(([name, value]) => {
    const contenders = Object.entries(codecs).map(([codec, { encode, decode }]) => {
      const bytes = Buffer.from(encode(value));
      deepStrictEqual(decode(bytes), value, codec);
      return {
        codec,
        bytes: bytes.length,
        steps: [() => encode(value), () => decode(bytes)],
        figures: [[], []],
      };
    });
    const batch = batchOf(contenders[0].steps[0]);
    for (let round = -WARM_ROUNDS; round < rounds; round++) {
      // The codecs take turns, and each round starts with another one.
      const first = Math.abs(round) % contenders.length;
      for (const { steps, figures } of [...contenders.slice(first), ...contenders.slice(0, first)]) {
        for (const [index, step] of steps.entries()) {
          const micros = timeOf(step, batch);
          if (round >= 0) {
            figures[index].push(micros);
          }
        }
      }
    }
    return {
      name,
      rows: contenders.map(({ codec, bytes, figures }) => {
        const [encode, decode] = figures.map((all) => spread(all).median);
        return { codec, bytes, encode, decode };
      }),
    };
  });
}

function batchOf(step) {
  timeOf(step, 1000);
  return Math.max(1, Math.round(BATCH_MICROS / timeOf(step, 100)));
}

function timeOf(step, times) {
  const start = performance.now();
  for (let count = 0; count < times; count++) {
    step();
  }
  return ((performance.now() - start) * 1e3) / times;
}
