/** `node bench/streams.mjs`: items per second with a stream, with a call for each item, and with a MessagePort. */
import { strictEqual } from "node:assert/strict";
import { Worker } from "node:worker_threads";
import { createPool, importTask } from "knitting-native";
import { interleave } from "./interleave.mjs";
import { spread } from "./statistics.mjs";

const ITEMS = 10_000;
const SECONDS = 10;

const of = (name) => importTask({ href: new URL("./stream-tasks.mjs", import.meta.url), name });
const pool = createPool()({ count: of("count"), read: of("read"), item: of("item") });
const port = new Worker(new URL("./stream-tasks.mjs", import.meta.url), { workerData: "port" });

async function* source(long) {
  for (let index = 0; index < ITEMS; index++) {
    yield long ? { index, text: "x".repeat(1_000) } : index;
  }
}

const ways = {
  "stream as the result": async (long) => {
    let count = 0;
    for await (const _ of pool.call.count({ items: ITEMS, long })) {
      count++;
    }
    return count;
  },
  "stream as the argument": (long) => pool.call.read(source(long)),
  "a call for each item": async (long) => {
    let count = 0;
    for (let index = 0; index < ITEMS; index++) {
      await pool.call.item({ index, long });
      count++;
    }
    return count;
  },
  "MessagePort, without back-pressure": (long) =>
    new Promise((resolve) => {
      let count = 0;
      const hear = () => {
        if (++count === ITEMS) {
          port.off("message", hear);
          resolve(count);
        }
      };
      port.on("message", hear);
      port.postMessage({ items: ITEMS, long });
    }),
};

const events = [false, true].map((long) => ({
  long,
  figures: new Map(Object.keys(ways).map((way) => [way, []])),
  scenario: {
    warm: async () => {},
    turn: async (way) => {
      const start = performance.now();
      strictEqual(await ways[way](long), ITEMS);
      return (ITEMS / (performance.now() - start)) * 1e3;
    },
  },
}));

await interleave(events, { seconds: SECONDS }, () => {});
for (const { long, figures } of events) {
  console.log(long ? "objects of 1 KiB" : "numbers");
  for (const [way, rates] of figures) {
    console.log(`  ${way}: ${Math.round(spread(rates).median / 1e3)} thousand a second`);
  }
}
await pool.shutdown();
await port.terminate();
