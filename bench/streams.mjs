/** `node bench/streams.mjs`: items per second with a stream, with a call for each item, and with a MessagePort. */
import { strictEqual } from "node:assert/strict";
import { Worker } from "node:worker_threads";
import { createPool, importTask } from "knitting-native";
import { failureOf } from "./failures.mjs";
import { play } from "./play.mjs";
import { spread } from "./statistics.mjs";
import { figureOf } from "./summary.mjs";

const ITEMS = 10_000;
const SECONDS = 10;
const WARM_ROUNDS = 3;

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

const rows = [false, true].map((long) => ({
  id: long ? "objects of 1 KiB" : "numbers",
  title: long ? "objects of 1 KiB" : "numbers",
  turn: async ({ name }) => {
    const start = performance.now();
    strictEqual(await ways[name](long), ITEMS);
    return { value: (ITEMS / (performance.now() - start)) * 1e3 };
  },
}));
const contenders = Object.keys(ways).map((name) => ({ name }));

// Code becomes fast by being used.
await play({ rows, contenders, rounds: WARM_ROUNDS, warmRounds: 0 }, () => {});
const { figures } = await play({ rows, contenders, rounds: 3, seconds: SECONDS, warmRounds: 0 }, () => {});
for (const [title, byWay] of Object.entries(figures)) {
  console.log(title);
  for (const [way, turns] of Object.entries(byWay)) {
    const failure = failureOf(turns);
    const rate = failure ?? `${Math.round(spread(turns.map(figureOf)).median / 1e3)} thousand a second`;
    console.log(`  ${way}: ${rate}`);
  }
}
await pool.shutdown();
await port.terminate();
