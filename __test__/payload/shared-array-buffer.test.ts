/** SharedArrayBuffer: shared by reference between a host and its threads, and refused for processes. */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { createPool, importTask, UnsupportedPayloadError } from "knitting-native";
import { describe, expect, test } from "vitest";
import { onProcessesInGate } from "../support/kinds";
import { until, within } from "../support/processes";

const href = "../fixtures/tasks/shared.mjs";
const from = <Argument, Result>(name: string) => importTask<Argument, Result>({ href, name });
const tasks = {
  echo: from<unknown, unknown>("echo"),
  add: from<{ memory: SharedArrayBuffer | ArrayBufferView; times: number }, number>("add"),
  keep: from<unknown, void>("keep"),
  kept: from<void, SharedArrayBuffer>("kept_"),
  keptWord: from<void, number>("keptWord"),
  makeArray: from<number, SharedArrayBuffer>("makeArray"),
  awaitWord: from<Int32Array, number>("awaitWord"),
  sleep: from<number, void>("sleep"),
};
const open = (threads = 1) => createPool({ threads })(tasks);

describe("with a thread", () => {
  test("both sides have one memory", async () => {
    await using pool = open();
    const memory = new SharedArrayBuffer(64);
    const words = new Int32Array(memory);
    const waits = pool.call.awaitWord(words);
    await new Promise((resolve) => setTimeout(resolve, 20));
    Atomics.store(words, 0, 5);
    Atomics.notify(words, 0);
    expect(await within(waits)).toBe(5);
    expect(await pool.call.add({ memory, times: 3 })).toBe(5);
    expect(words[0]).toBe(8);
  });

  test("views of every class show the bytes they showed", async () => {
    await using pool = open();
    const memory = new SharedArrayBuffer(64);
    const views = [
      new Uint8Array(memory, 3, 10),
      new Float64Array(memory, 8, 2),
      new DataView(memory, 5, 7),
      Buffer.from(memory, 4, 9),
      new BigInt64Array(memory),
    ];
    const back = (await pool.call.echo({ views, memory })) as { views: typeof views; memory: unknown };
    expect(back.memory).toBe(memory);
    for (const [index, view] of back.views.entries()) {
      expect(view.constructor).toBe(views[index].constructor);
      expect(view.buffer).toBe(memory);
      expect([view.byteOffset, view.byteLength]).toEqual([views[index].byteOffset, views[index].byteLength]);
    }
  });

  test("it stands anywhere in a value, and what is one is one", async () => {
    await using pool = open();
    const one = new SharedArrayBuffer(8);
    const other = new SharedArrayBuffer(8);
    const value = { map: new Map([["a", { deep: [one, other] }]]), set: new Set([one]), again: one };
    const back = (await pool.call.echo(value)) as typeof value;
    expect(back.again).toBe(one);
    expect(back.set.has(one)).toBe(true);
    expect(back.map.get("a")?.deep).toEqual([one, other]);
    expect(back.map.get("a")?.deep[1]).toBe(other);
  });

  test("a growable one grows on both sides", async () => {
    await using pool = open();
    const Growable = SharedArrayBuffer as unknown as new (
      bytes: number,
      options: { maxByteLength: number },
    ) => SharedArrayBuffer & { grow(bytes: number): void };
    const memory = new Growable(8, { maxByteLength: 64 });
    await pool.call.keep(memory);
    memory.grow(32);
    expect(await pool.call.kept()).toBe(memory);
    expect(((await pool.call.echo(new Uint8Array(memory))) as Uint8Array).length).toBe(32);
  });

  test("one that a task has made comes to the host, and goes to other threads", async () => {
    await using pool = open(2);
    const memory = await pool.call.makeArray(16);
    expect(memory).toBeInstanceOf(SharedArrayBuffer);
    expect([...new Uint8Array(memory)]).toEqual(new Array(16).fill(7));
    const words = new Int32Array(memory);
    words[0] = 0;
    await Promise.all([1, 2, 3, 4].map((times) => pool.call.add({ memory, times })));
    expect(words[0]).toBe(10);
  });

  test("a call that waits for room, and one that moves to another worker, bring theirs along", async () => {
    const pool = createPool({ threads: 1, worker: { hardTimeoutMs: 300 } })(tasks);
    const memory = new SharedArrayBuffer(8);
    await pool.call.sleep(0);
    const stuck = pool.call.sleep(100_000).catch((error: Error) => error.name);
    const blocked = pool.call
      .awaitWord(new Int32Array(new SharedArrayBuffer(8)))
      .catch((error) => error.name);
    const calls = Array.from({ length: 3_000 }, () => pool.call.add({ memory, times: 1 }));
    const settled = await within(Promise.allSettled(calls), 60_000);
    expect(settled.filter(({ status }) => status === "rejected")).toEqual([]);
    expect(new Int32Array(memory)[0]).toBe(3_000);
    expect([await stuck, await blocked]).toEqual(["WorkerKilledError", "WorkerKilledError"]);
    await pool.shutdown();
  });

  test("neither side keeps what the host has let go of", async () => {
    setFlagsFromString("--expose-gc");
    const gc = runInNewContext("gc") as () => void;
    await using pool = open();
    let left = 0;
    const registry = new FinalizationRegistry(() => left--);
    for (let round = 0; round < 20; round++) {
      const memory = new SharedArrayBuffer(8 * 1024 * 1024);
      registry.register(memory, 0);
      left++;
      new Uint8Array(memory).fill(1);
      expect(await pool.call.add({ memory, times: 1 })).toBe(0x01010101);
      if (round % 4 === 3) {
        gc();
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
    }
    gc();
    await until("they are collected", () => {
      gc();
      return left <= 2;
    });
  });

  test("one that only the task has kept is the same memory when it comes back", async () => {
    await using pool = open();
    await pool.call.keep(new SharedArrayBuffer(8));
    expect((await pool.call.kept()).byteLength).toBe(8);
    const back = await pool.call.kept();
    new Int32Array(back)[0] = 9;
    expect(await pool.call.keptWord()).toBe(9);
  });
});

onProcessesInGate(({ worker }) => {
  test("a process is refused it, with advice and the place", async () => {
    await using pool = createPool({ worker })(tasks);
    const memory = new SharedArrayBuffer(8);
    for (const [value, path] of [
      [memory, "$"],
      [new Uint8Array(memory), "$"],
      [{ a: [1, { memory }] }, "$.a[1].memory"],
    ] as const) {
      const error = await pool.call.echo(value).catch((error: unknown) => error);
      expect(error).toBeInstanceOf(UnsupportedPayloadError);
      expect(error).toMatchObject({ path, message: expect.stringContaining("ProcessSharedBuffer") });
    }
    const error = await pool.call.makeArray(8).catch((error: unknown) => error);
    expect(error).toBeInstanceOf(UnsupportedPayloadError);
    expect(error).toMatchObject({ path: "$", message: expect.stringContaining("ProcessSharedBuffer") });
  });
});
