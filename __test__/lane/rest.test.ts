/** A lane at rest: a timer looks after memory that can be given back, and without such memory there is none. */
import { setImmediate as turn } from "node:timers/promises";
import { createPool, importTask } from "knitting-native";
import { expect, test } from "vitest";
// @ts-expect-error the fixtures are plain JavaScript
import { timersMade } from "../fixtures/tasks/timers-made.mjs";
import { kinds, on } from "../support/kinds";

const KIB = 1024;
const MIB = 1024 * KIB;

const href = "../fixtures/tasks/timers-made.mjs";
const tasks = {
  timersMade: importTask<void, number>({ href, name: "timersMade" }),
  size: importTask<Uint8Array | string, number>({ href, name: "size" }),
  ofSize: importTask<number, Uint8Array>({ href, name: "ofSize" }),
};

/** Deno and Bun have no hooks for timers. */
const inNode = kinds.filter(({ isWrapped, name }) => !isWrapped && !/deno|bun/.test(name));

on(inNode, ({ worker }) => {
  const pool = () => createPool({ worker })(tasks);

  /** The timers that both sides have made within some rounds of `use`. */
  async function timersOf(use: (call: ReturnType<typeof pool>["call"]) => Promise<unknown>) {
    await using used = pool();
    const { call } = used;
    await call.timersMade();
    await turn();
    const [host, inWorker] = [timersMade(), await call.timersMade()];
    for (let round = 0; round < 20; round++) {
      await use(call);
      await turn();
    }
    return { host: timersMade() - host, worker: (await call.timersMade()) - inWorker };
  }

  test("small values leave no timer on either side", async () => {
    const made = await timersOf(async (call) => {
      expect(await call.size("a string in the arena ".repeat(20))).toBe(440);
      expect(await call.ofSize(KIB)).toHaveLength(KIB);
    });
    expect(made).toEqual({ host: 0, worker: 0 });
  });

  test("a large argument leaves one in the worker, a large result one in the host", async () => {
    expect(await timersOf((call) => call.size(new Uint8Array(MIB)))).toEqual({ host: 0, worker: 1 });
    expect(await timersOf((call) => call.ofSize(MIB))).toEqual({ host: 1, worker: 0 });
  });

  test("an arena that has grown beyond what stays leaves one", async () => {
    const bytes = 6 * MIB;
    expect(await timersOf((call) => call.size(new Uint8Array(bytes)))).toEqual({ host: 1, worker: 1 });
    expect(await timersOf((call) => call.ofSize(bytes))).toEqual({ host: 1, worker: 1 });
  });

  test("so do many small results that the host takes in parts: the worker's arena holds them", async () => {
    const { host } = await timersOf((call) =>
      Promise.all(Array.from({ length: 100 }, () => call.ofSize(16 * KIB))),
    );
    expect(host).toBe(1);
  });
});
