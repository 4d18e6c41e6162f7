/** Results that are streams: a task yields one item after the other. */
import {
  createPool,
  importTask,
  PoolClosedError,
  type TaskStream,
  TaskTimeoutError,
  UnsupportedPayloadError,
  WorkerCrashedError,
  WorkerKilledError,
} from "knitting-native";
import { expect, test } from "vitest";
import { onEveryRuntime, onEveryRuntimeInGate } from "../support/kinds";
import { Host, until, within } from "../support/processes";

const href = "../fixtures/tasks/streams.mjs";
const of = <Argument, Result>(name: string) => importTask<Argument, Result>({ href, name });
type Numbers = AsyncGenerator<number, string>;
const tasks = {
  echo: of<unknown, unknown>("echo"),
  endedSoFar: of<void, string[]>("endedSoFar"),
  pulledSoFar: of<void, number>("pulledSoFar"),
  count: of<number, Numbers>("count"),
  countInOneGo: of<number, Generator<number, string>>("countInOneGo"),
  countLater: of<number, Promise<Numbers>>("countLater"),
  countAsReadable: of<number, ReadableStream<number>>("countAsReadable"),
  countByHand: of<number, AsyncIterable<number>>("countByHand"),
  pulling: of<number, AsyncGenerator<unknown>>("pulling"),
  throwing: of<number, Numbers>("throwing"),
  unsendable: of<void, AsyncGenerator<unknown>>("unsendable"),
  finicky: of<void, Numbers>("finicky"),
  slowToEnd: of<number, Numbers>("slowToEnd"),
  waitsForSignal: importTask<void, Numbers>({ href, name: "waitsForSignal", abortSignal: true }),
  tellAndYield: of<number, Numbers>("tellAndYield"),
  yieldThenDie: of<number, Numbers>("yieldThenDie"),
  yieldThenStop: of<number, Numbers>("yieldThenStop"),
  yieldThenSpin: of<number, Numbers>("yieldThenSpin"),
};

const upTo = (end: number) => Array.from({ length: end }, (_, index) => index);
const pause = (millis: number) => new Promise((resolve) => setTimeout(resolve, millis));

/** All items of a stream, with the watchdog's time limit. */
async function all<Item>(stream: AsyncIterable<Item>): Promise<Item[]> {
  const items: Item[] = [];
  const read = async () => {
    for await (const item of stream) {
      items.push(item);
    }
    return items;
  };
  return within(read());
}

/** The items of a stream that fails, and its error. */
async function failing(stream: AsyncIterable<unknown>): Promise<{ items: unknown[]; error: unknown }> {
  const items: unknown[] = [];
  const read = async () => {
    try {
      for await (const item of stream) {
        items.push(item);
      }
    } catch (error) {
      return { items, error };
    }
    throw new Error("the stream has ended well");
  };
  return within(read());
}

onEveryRuntimeInGate(({ worker }) => {
  const open = (options = {}) => createPool({ ...options, worker })(tasks);

  test("a call of a generator can be iterated over, whatever kind of generator it is", async () => {
    await using pool = open();
    expect(await all(pool.call.count(5))).toEqual(upTo(5));
    expect(await all(pool.call.countInOneGo(5))).toEqual(upTo(5));
    expect(await all(pool.call.countLater(5))).toEqual(upTo(5));
    expect(await all(pool.call.countAsReadable(5))).toEqual(upTo(5));
    expect(await all(pool.call.countByHand(5))).toEqual(upTo(5));
    expect(await all(pool.call.count(0))).toEqual([]);
    expect(await all(pool.call.count(10_000))).toEqual(upTo(10_000));
  });

  test("it resolves to the stream, whose last is what the generator returns", async () => {
    await using pool = open();
    const stream: TaskStream<number, string> = await within(pool.call.count(2));
    expect(await within(stream.next())).toEqual({ done: false, value: 0 });
    expect(await within(stream.next())).toEqual({ done: false, value: 1 });
    expect(await within(stream.next())).toEqual({ done: true, value: "counted" });
    expect(await within(stream.next())).toEqual({ done: true, value: undefined });
    expect(await within(stream.return())).toEqual({ done: true, value: undefined });
  });

  test("leaving the loop runs the generator's finally in the worker, before the host goes on", async () => {
    await using pool = open();
    for await (const value of pool.call.count(Number.POSITIVE_INFINITY)) {
      if (value === 1_000) {
        break;
      }
    }
    expect(await within(pool.call.endedSoFar())).toEqual(["count"]);
    for await (const _ of pool.call.slowToEnd(50)) {
      break;
    }
    expect(await within(pool.call.endedSoFar())).toEqual(["count", "slowToEnd"]);
  });

  test("an error comes after the items before it", async () => {
    await using pool = open();
    const { items, error } = await failing(pool.call.throwing(400));
    expect(items).toEqual(upTo(400));
    expect(error).toBeInstanceOf(RangeError);
    expect(error).toMatchObject({ message: "no more than that" });
    expect(await within(pool.call.echo(1))).toBe(1);
  });

  test("a slow reader has a bounded number of items ahead, and a worker that waits serves others", async () => {
    await using pool = open();
    const stream = await within(pool.call.pulling(0));
    let most = 0;
    for (let read = 1; read <= 2_000; read++) {
      expect(await within(stream.next())).toEqual({ done: false, value: read });
      if (read % 500 === 0) {
        await pause(20);
        most = Math.max(most, (await within(pool.call.pulledSoFar())) - read);
      }
    }
    expect(most).toBeGreaterThan(0);
    expect(most).toBeLessThan(600);
    await within(stream.return());
  });

  test("long items count for more: a reader has few of them ahead", async () => {
    await using pool = open();
    const stream = await within(pool.call.pulling(1_000_000));
    expect((await within(stream.next())).value).toHaveLength(1_000_000);
    await pause(100);
    expect(await within(pool.call.pulledSoFar())).toBeLessThan(12);
    for (let read = 0; read < 20; read++) {
      expect((await within(stream.next())).value).toHaveLength(1_000_000);
    }
    await within(stream.return());
  });

  test("the reader of a worker that dies gets what came before, then why", async () => {
    await using pool = open();
    const { items, error } = await failing(pool.call.yieldThenDie(100));
    expect(items).toEqual(upTo(100));
    expect(error).toBeInstanceOf(WorkerCrashedError);
    expect(error).toMatchObject({ task: "yieldThenDie", started: true });
    expect(await all(pool.call.count(3))).toEqual(upTo(3));
  });
});

onEveryRuntime(({ worker, isProcess }) => {
  const open = (options = {}) => createPool({ ...options, worker })(tasks);

  test("a hundred thousand items pass, and are never all in memory", async () => {
    await using pool = open();
    let most = 0;
    let read = 0;
    for await (const value of pool.call.pulling(0)) {
      expect(value).toBe(++read);
      if (read % 10_000 === 0) {
        await pause(5);
        most = Math.max(most, (await within(pool.call.pulledSoFar())) - read);
      }
      if (read === 100_000) {
        break;
      }
    }
    expect(most).toBeLessThan(600);
  });

  test("several readers of one stream take turns, and each call has its own", async () => {
    await using pool = open({ threads: 2 });
    const stream = await within(pool.call.count(4));
    const steps = [stream.next(), stream.next(), stream.next(), stream.next(), stream.next(), stream.next()];
    expect(await within(Promise.all(steps))).toEqual([
      ...upTo(4).map((value) => ({ done: false, value })),
      { done: true, value: "counted" },
      { done: true, value: undefined },
    ]);
    const streams = upTo(20).map((index) => all(pool.call.count(index * 50)));
    expect(await Promise.all(streams)).toEqual(upTo(20).map((index) => upTo(index * 50)));
  });

  test("a stream in full flow starves no other call", async () => {
    await using pool = open();
    let read = 0;
    let isDone = false;
    const reading = (async () => {
      for await (const _ of pool.call.count(Number.POSITIVE_INFINITY)) {
        read++;
        if (isDone) {
          break;
        }
      }
    })();
    for (let index = 0; index < 200; index++) {
      expect(await within(pool.call.echo(index))).toBe(index);
    }
    await until("the stream goes on", () => read > 1_000);
    isDone = true;
    await within(reading);
  });

  test("throw ends the generator too, and rejects with its argument", async () => {
    await using pool = open();
    const stream = await within(pool.call.count(Number.POSITIVE_INFINITY));
    await within(stream.next());
    await expect(within(stream.throw?.(new Error("mine")) as Promise<unknown>)).rejects.toThrow("mine");
    expect(await within(pool.call.endedSoFar())).toEqual(["count"]);
    expect(await within(stream.next())).toEqual({ done: true, value: undefined });
  });

  test("the end of an await using block ends a stream", async () => {
    await using pool = open();
    {
      await using stream = await within(pool.call.count(Number.POSITIVE_INFINITY));
      await within(stream.next());
    }
    expect(await within(pool.call.endedSoFar())).toEqual(["count"]);
  });

  test("what a finally throws is what leaving rejects with", async () => {
    await using pool = open();
    const stream = await within(pool.call.finicky());
    await within(stream.next());
    await expect(within(stream.return())).rejects.toThrow(new TypeError("from the finally"));
    expect(await within(pool.call.echo(1))).toBe(1);
  });

  test("an item that can't be sent ends the stream, and the generator", async () => {
    await using pool = open();
    const { items, error } = await failing(pool.call.unsendable());
    expect(items).toEqual([1]);
    expect(error).toBeInstanceOf(UnsupportedPayloadError);
    expect(error).toMatchObject({
      path: "$.deep[0]",
      message: expect.stringContaining('(item of the result of task "unsendable")'),
    });
    expect(await within(pool.call.endedSoFar())).toEqual(["unsendable"]);
  });

  test("leaving tells a generator that waits", async () => {
    await using pool = open();
    for await (const _ of pool.call.waitsForSignal()) {
      break;
    }
    expect(await within(pool.call.endedSoFar())).toEqual(["waitsForSignal"]);
  });

  test("an abort ends a stream with its reason, and the generator", async () => {
    await using pool = open();
    const controller = new AbortController();
    const stream = await within(pool.call.count(Number.POSITIVE_INFINITY, { signal: controller.signal }));
    await within(stream.next());
    controller.abort(new Error("changed my mind"));
    await expect(within(stream.next())).rejects.toThrow("changed my mind");
    expect(await within(stream.next())).toEqual({ done: true, value: undefined });

    const call = pool.call.waitsForSignal();
    const rejected = await within(call);
    await within(rejected.next());
    const pending = rejected.next();
    call.reject(new Error("mine too"));
    await expect(within(pending)).rejects.toThrow("mine too");
    let ended: string[] = [];
    while (ended.length < 2) {
      ended = await within(pool.call.endedSoFar());
    }
    expect(ended.sort()).toEqual(["count", "waitsForSignal"]);
  });

  test("a time limit is for each item that is waited for, not for the whole", async () => {
    await using pool = open();
    const stream = await within(pool.call.count(1_000, { timeout: 200 }));
    for (let value = 0; value < 3; value++) {
      await pause(150);
      expect(await within(stream.next())).toEqual({ done: false, value });
    }
    await within(stream.return());
    const { items, error } = await failing(pool.call.yieldThenStop(10, { timeout: 100 }));
    expect(items).toEqual(upTo(10));
    expect(error).toBeInstanceOf(TaskTimeoutError);
    expect(await within(pool.call.echo(1))).toBe(1);
  });

  test("worker.hardTimeoutMs kills a generator that is stuck, never one whose reader is slow", async () => {
    await using pool = createPool({ worker: { ...worker, hardTimeoutMs: 300 } })(tasks);
    const stream = await within(pool.call.count(1_000));
    await within(stream.next());
    await pause(1_000);
    expect(await within(stream.next())).toEqual({ done: false, value: 1 });
    await within(stream.return());
    expect(await within(pool.call.endedSoFar())).toEqual(["count"]);
    const { items, error } = await failing(pool.call.yieldThenSpin(10));
    expect(items).toEqual(upTo(10));
    expect(error).toBeInstanceOf(WorkerKilledError);
  });

  test("a stream is a call in flight: shutdown(delayMs) waits for its end", async () => {
    const pool = open();
    const stream = await within(pool.call.count(1_000));
    const shutdown = pool.shutdown(15_000);
    expect(await all(stream)).toEqual(upTo(1_000));
    await within(shutdown);

    const other = open();
    const endless = await within(other.call.count(Number.POSITIVE_INFINITY));
    await within(endless.next());
    const over = other.shutdown(100);
    const { error } = await failing(endless);
    expect(error).toBeInstanceOf(PoolClosedError);
    await within(over);
  });

  test("a stream counts as one call of its worker", async () => {
    await using pool = open({ threads: 2, balancer: "firstIdle" });
    await until("both serve", () => pool.workers.every(({ state }) => state === "ready"));
    const stream = await within(pool.call.count(1_000));
    await all(pool.call.count(10));
    expect(pool.workers.map(({ served }) => served)).toEqual([0, 1]);
    await all(stream);
    expect(pool.workers.map(({ served }) => served)).toEqual([1, 1]);
  });

  test("what is no stream can't be iterated over, and says so", async () => {
    await using pool = open();
    const call = pool.call.echo([1, 2]) as unknown as AsyncIterable<unknown>;
    await expect(all(call)).rejects.toThrow(/no stream to iterate over.*an array/);
    expect(await within(pool.call.echo([1, 2]))).toEqual([1, 2]);
  });

  test("a task tells of its progress between its items", async () => {
    await using pool = open();
    const told: unknown[] = [];
    expect(await all(pool.call.tellAndYield(3).on("progress", (value) => told.push(value)))).toEqual(upTo(3));
    expect(told).toEqual(["before 0", "before 1", "before 2"]);
  });

  test("a stream that nobody can read any more ends its generator", async () => {
    const host = new Host("stream-host.mjs", isProcess ? "process" : "thread", "collected");
    await host.says("ended by itself");
    expect(await host.exit()).toEqual({ code: 0, signal: null });
  });

  test("a stream keeps the process alive while somebody waits for an item, and only then", async () => {
    const runtime = isProcess ? "process" : "thread";
    const unread = new Host("stream-host.mjs", runtime, "unread");
    expect(await unread.exit()).toEqual({ code: 0, signal: null });
    expect(unread.stdout).toBe("open\n");
    const reading = new Host("stream-host.mjs", runtime, "reading");
    expect(await reading.exit()).toEqual({ code: 0, signal: null });
    expect(reading.stdout).toBe("read 3\n");
  });
});
