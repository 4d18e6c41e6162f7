/** `progress(value)` in a task, `call.on("progress", listener)` on the host. */
import { type CallPromise, createPool, InvalidOptionError, importTask } from "knitting-native";
import { expect, test } from "vitest";
import { onEveryRuntime, onEveryRuntimeInGate } from "../support/kinds";
import { until, within } from "../support/processes";

const of = <Argument, Result>(name: string) =>
  importTask<Argument, Result>({ href: "../fixtures/tasks/streams.mjs", name });
const tasks = {
  echo: of<unknown, unknown>("echo"),
  tellUpTo: of<number, number>("tellUpTo"),
  tellAndSpin: importTask<number, string>({
    href: "../fixtures/tasks/streams.mjs",
    name: "tellAndSpin",
    abortSignal: true,
  }),
  tellLater: of<unknown[], number>("tellLater"),
  tellUnsendable: of<void, { name: string; path: string; message: string }>("tellUnsendable"),
  flood: of<number, number>("flood"),
  keepTelling: of<void, void>("keepTelling"),
  tellTooLate: of<void, boolean>("tellTooLate"),
  defaulted: of<number, number[]>("defaulted"),
};

/** A call's result, and the progress before it. */
async function heard<Result>(call: CallPromise<Result>): Promise<{ result: Result; told: unknown[] }> {
  const told: unknown[] = [];
  const result = await within(call.on("progress", (value) => told.push(value)));
  return { result, told: [...told] };
}

onEveryRuntimeInGate(({ worker }) => {
  const open = (options = {}) => createPool({ ...options, worker })(tasks);

  test("a task tells of its progress, in order and before it has its result", async () => {
    await using pool = open();
    const values = [
      1,
      "two",
      { three: [3] },
      null,
      undefined,
      new Date(4),
      new Uint8Array([5]),
      "x".repeat(100_000),
    ];
    expect(await heard(pool.call.tellLater(values))).toEqual({ result: values.length, told: values });
    const upTo = await heard(pool.call.tellUpTo(500));
    expect(upTo).toEqual({ result: 500, told: Array.from({ length: 500 }, (_, index) => index) });
  });

  test("progress out of a busy loop arrives while it is busy", async () => {
    await using pool = open();
    const call = pool.call.tellAndSpin(60_000);
    const told: unknown[] = [];
    call.on("progress", (value) => {
      told.push(value);
      call.reject(new Error("heard enough"));
    });
    await expect(within(call)).rejects.toThrow("heard enough");
    expect(told).toEqual(["at once"]);
    expect(await within(pool.call.echo(1))).toBe(1);
  });

  test("a flood that the host can't take loses what is in the middle: never the order, never the newest", async () => {
    await using pool = open();
    const COUNT = 20_000;
    const indices: number[] = [];
    const call = pool.call.flood(COUNT).on("progress", ({ index }) => indices.push(index));
    await pool.call.echo(0).catch(() => {});
    expect(await within(call)).toBe(COUNT);
    expect(indices.at(-1)).toBe(COUNT - 1);
    expect(indices).toEqual([...new Set(indices)].sort((a, b) => a - b));
  });

  test("what can't be sent is an error in the task", async () => {
    await using pool = open();
    expect(await heard(pool.call.tellUnsendable())).toEqual({
      result: {
        name: "UnsupportedPayloadError",
        path: "$.step.run",
        message: '$.step.run is a function (progress of task "tellUnsendable")',
      },
      told: ["sendable"],
    });
  });
});

onEveryRuntime(({ worker }) => {
  const open = (options = {}) => createPool({ ...options, worker })(tasks);

  test("a flood of a million takes a bounded part of either side's memory", async () => {
    await using pool = open();
    await pool.call.tellUpTo(10_000);
    // What an exchange has brought keeps its slots until the next one: with an answer alone the ring is as good as empty.
    await pool.call.echo(0);
    let heap = 0;
    let count = 0;
    let last = -1;
    let isOrdered = true;
    const call = pool.call.tellUpTo(1_000_000).on("progress", (value) => {
      isOrdered &&= (value as number) > last;
      last = value as number;
      if (count++ % 10_000 === 0) {
        heap = Math.max(heap, process.memoryUsage().heapUsed);
      }
    });
    // The host is busy elsewhere meanwhile.
    const end = performance.now() + 300;
    while (performance.now() < end) {}
    expect(await within(call)).toBe(1_000_000);
    // A quick worker is done before the host listens again: it then hears what fits into a ring, and the newest value.
    expect(count).toBeGreaterThan(1_000);
    expect([last, isOrdered]).toEqual([999_999, true]);
    expect(heap).toBeLessThan(500_000_000);
  });

  test("with nobody who listens a task tells in vain", async () => {
    await using pool = open();
    expect(await within(pool.call.tellUpTo(100_000))).toBe(100_000);
    const late = pool.call.tellLater(["first", "second"]);
    await within(late);
    const told: unknown[] = [];
    late.on("progress", (value) => told.push(value));
    await pool.call.echo(0);
    expect(told).toEqual([]);
  });

  test("each of several listeners hears everything, and each call's its own", async () => {
    await using pool = open({ threads: 2 });
    const told: string[] = [];
    const calls = ["a", "b", "c"].map((name) =>
      pool.call
        .tellLater([1, 2])
        .on("progress", (value) => told.push(`${name}${value} first`))
        .on("progress", (value) => told.push(`${name}${value} second`)),
    );
    await within(Promise.all(calls));
    for (const name of ["a", "b", "c"]) {
      expect(told.filter((said) => said.startsWith(name))).toEqual([
        `${name}1 first`,
        `${name}1 second`,
        `${name}2 first`,
        `${name}2 second`,
      ]);
    }
  });

  test("after its result a task tells nobody, and gets to know", async () => {
    await using pool = open();
    const told: unknown[] = [];
    await within(pool.call.keepTelling().on("progress", (value) => told.push(value)));
    // Another call may have the same id by now.
    expect(await within(pool.call.tellTooLate().on("progress", (value) => told.push(value)))).toBe(false);
    expect(told).toEqual([]);
  });

  test("a second parameter that has a default is the task's own", async () => {
    await using pool = open();
    expect(await within(pool.call.defaulted(1))).toEqual([1, 3]);
  });

  test("what a listener throws is an uncaught exception, and the calls go on", async () => {
    await using pool = open();
    const uncaught: unknown[] = [];
    const listeners = process.listeners("uncaughtException");
    process.removeAllListeners("uncaughtException");
    process.on("uncaughtException", (error) => uncaught.push(error.message));
    try {
      const call = pool.call.tellLater(["one", "two"]).on("progress", (value) => {
        throw new Error(`not ${value}`);
      });
      expect(await within(call)).toBe(2);
      await until("both were thrown", () => uncaught.length === 2);
      expect(uncaught).toEqual(["not one", "not two"]);
      expect(await within(pool.call.echo(1))).toBe(1);
    } finally {
      process.removeAllListeners("uncaughtException");
      for (const listener of listeners) {
        process.on("uncaughtException", listener);
      }
    }
  });

  test("only progress can be listened to, and by a function", async () => {
    await using pool = open();
    const call = pool.call.echo(1);
    // @ts-expect-error there is no such event
    expect(() => call.on("data", () => {})).toThrow(InvalidOptionError);
    // @ts-expect-error a listener is a function
    expect(() => call.on("progress", 5)).toThrow('"listener" is 5, it must be a function');
    expect(await call).toBe(1);
  });
});
