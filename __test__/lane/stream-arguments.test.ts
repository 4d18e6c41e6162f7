/** Arguments that are streams: the host yields one item after the other, as the task asks for them. */
import { Readable } from "node:stream";
import {
  createPool,
  importTask,
  PoolClosedError,
  TaskTimeoutError,
  UnsupportedPayloadError,
  WorkerCrashedError,
  WorkerKilledError,
} from "knitting-native";
import { expect, test } from "vitest";
import { onEveryRuntime, onEveryRuntimeInGate } from "../support/kinds";
import { until, within } from "../support/processes";

const of = <Argument, Result>(name: string) =>
  importTask<Argument, Result>({ href: "../fixtures/tasks/streams.mjs", name });
type Source<Item = unknown> = AsyncIterable<Item>;
const tasks = {
  echo: of<unknown, unknown>("echo"),
  sum: of<Source<number>, number>("sum"),
  typesOf: of<Source, string[]>("typesOf"),
  firstOf: of<Source, unknown>("firstOf"),
  returnOf: of<Source, unknown>("returnOf"),
  failureOf: of<Source, { got: unknown[]; name: string; message: string }>("failureOf"),
  ignoring: of<Source, string>("ignoring"),
  takeSlowly: of<Source, number>("takeSlowly"),
  readThenDie: of<Source, void>("readThenDie"),
  spinForEver: of<void, void>("spinForEver"),
  double: of<Source<number>, AsyncGenerator<number>>("double"),
  dispose: of<Source, unknown>("dispose"),
};

/** Numbers, with the count of those that were pulled and the state of their iterator. */
function numbers(end = Number.POSITIVE_INFINITY) {
  const state = { pulled: 0, isEnded: false, returned: undefined as unknown };
  async function* count() {
    try {
      while (state.pulled < end) {
        yield state.pulled++;
      }
      return "all of them";
    } finally {
      state.isEnded = true;
    }
  }
  return Object.assign(count(), { state });
}

const sumUpTo = (end: number) => (end === 0 ? 0 : (end * (end - 1)) / 2);

onEveryRuntimeInGate(({ worker }) => {
  const open = (options = {}) => createPool({ ...options, worker })(tasks);

  test("a task reads what the host yields, whatever it yields it by", async () => {
    await using pool = open();
    expect(await within(pool.call.sum(numbers(5)))).toBe(10);
    expect(await within(pool.call.sum(Readable.from([1, 2, 3])))).toBe(6);
    expect(await within(pool.call.sum(ReadableStream.from([1, 2, 3]) as Source<number>))).toBe(6);
    expect(await within(pool.call.sum(Promise.resolve(numbers(4))))).toBe(6);
    function* inOneGo() {
      yield* [1, 2, 3];
    }
    expect(await within(pool.call.sum(inOneGo() as unknown as Source<number>))).toBe(6);
    expect(await within(pool.call.sum(numbers(0)))).toBe(0);
    expect(await within(pool.call.sum(numbers(20_000)))).toBe(sumUpTo(20_000));
    async function* things() {
      yield* [1, "two", { three: 3 }, undefined, 10n, new Uint8Array(100_000)];
    }
    expect(await within(pool.call.typesOf(things()))).toEqual([
      ...["number", "string", "object", "undefined", "bigint", "object"],
    ]);
  });

  test("a task that leaves early ends the host's iterator", async () => {
    await using pool = open();
    const source = numbers();
    expect(await within(pool.call.firstOf(source))).toBe(0);
    await until("the iterator has ended", () => source.state.isEnded);
    const unread = numbers();
    expect(await within(pool.call.ignoring(unread))).toBe("not read");
    expect(unread.state.pulled).toBe(0);
    expect(await within(unread.next())).toEqual({ done: true, value: undefined });
    const disposed = numbers();
    expect(await within(pool.call.dispose(disposed))).toBe(0);
    await until("the iterator has ended", () => disposed.state.isEnded);
  });

  test("the host pulls no more than the task has asked for", async () => {
    await using pool = open();
    const source = numbers();
    expect(await within(pool.call.takeSlowly(source))).toBe(50);
    expect(source.state.pulled).toBeGreaterThanOrEqual(50);
    expect(source.state.pulled).toBeLessThan(600);
    await until("the iterator has ended", () => source.state.isEnded);
  });

  test("what the source throws reaches the task, after the items before it", async () => {
    await using pool = open();
    async function* failing() {
      yield 1;
      yield 2;
      throw new RangeError("the source is dry");
    }
    const failure = { got: [1, 2], name: "RangeError", message: "the source is dry" };
    expect(await within(pool.call.failureOf(failing()))).toEqual(failure);
    await expect(within(pool.call.sum(failing()))).rejects.toThrow(new RangeError("the source is dry"));
    expect(await within(pool.call.echo(1))).toBe(1);
  });

  test("streams go in both directions at once", async () => {
    await using pool = open();
    let sum = 0;
    for await (const value of pool.call.double(numbers(5_000))) {
      sum += value;
    }
    expect(sum).toBe(2 * sumUpTo(5_000));
    // The result of one task is the argument of another.
    expect(await within(pool.call.sum(pool.call.double(numbers(1_000))))).toBe(2 * sumUpTo(1_000));
    const source = numbers();
    for await (const value of pool.call.double(source)) {
      if (value === 2_000) {
        break;
      }
    }
    await until("the iterator has ended", () => source.state.isEnded);
  });

  test("a worker that dies ends the source", async () => {
    await using pool = open();
    const source = numbers();
    const error = await within(pool.call.readThenDie(source).catch((reason: unknown) => reason));
    expect(error).toBeInstanceOf(WorkerCrashedError);
    expect(error).toMatchObject({ task: "readThenDie", started: true });
    await until("the iterator has ended", () => source.state.isEnded);
    expect(await within(pool.call.sum(numbers(3)))).toBe(3);
  });
});

onEveryRuntime(({ worker }) => {
  const open = (options = {}) => createPool({ ...options, worker })(tasks);

  test("a call of which nothing was pulled moves to another worker", async () => {
    await using pool = createPool({ worker: { ...worker, hardTimeoutMs: 300 } })(tasks);
    await pool.call.echo(0);
    const stuck = pool.call.spinForEver().catch((reason: unknown) => reason);
    const source = numbers(1_000);
    const moved = pool.call.sum(source);
    expect(await within(moved)).toBe(sumUpTo(1_000));
    expect(await stuck).toBeInstanceOf(WorkerKilledError);
    expect(source.state).toMatchObject({ pulled: 1_000, isEnded: true });
  });

  test("the return value of the source is the task's last", async () => {
    await using pool = open();
    expect(await within(pool.call.returnOf(numbers(300)))).toBe("all of them");
  });

  test("an item that can't be sent is an error in the task, and ends the source", async () => {
    await using pool = open();
    let isEnded = false;
    async function* unsendable() {
      try {
        yield 1;
        yield { deep: [() => {}] };
      } finally {
        isEnded = true;
      }
    }
    const failure = await within(pool.call.failureOf(unsendable()));
    expect(failure).toMatchObject({ got: [1], name: "UnsupportedPayloadError" });
    expect(failure.message).toContain('$.deep[0] is a function (item of the argument of task "failureOf")');
    expect(isEnded).toBe(true);
  });

  test("a return value that can't be sent is one too", async () => {
    await using pool = open();
    async function* oddly() {
      yield 1;
      return () => {};
    }
    expect(await within(pool.call.failureOf(oddly()))).toMatchObject({
      got: [1],
      name: "UnsupportedPayloadError",
    });
  });

  test("a stream inside an argument is refused by its place, and so is one inside a result", async () => {
    await using pool = open();
    const inside = pool.call.echo({ values: [numbers(1)] });
    await expect(within(inside)).rejects.toBeInstanceOf(UnsupportedPayloadError);
    await expect(within(inside)).rejects.toThrow("$.values[0]");
    await expect(within(pool.call.echo([Readable.from([1])]))).rejects.toThrow("$[0]");
  });

  test("what is given up ends its source, and the task hears of it", async () => {
    await using pool = open();
    const stuck = () => {
      const state = { isEnded: false };
      return {
        state,
        [Symbol.asyncIterator]: () => ({
          next: () => new Promise<IteratorResult<number>>(() => {}),
          return: async () => {
            state.isEnded = true;
            return { done: true as const, value: undefined };
          },
        }),
      };
    };
    const controller = new AbortController();
    const aborted = stuck();
    const call = pool.call.sum(aborted, { signal: controller.signal });
    await pool.call.echo(0);
    controller.abort(new Error("changed my mind"));
    await expect(within(call)).rejects.toThrow("changed my mind");
    expect(aborted.state.isEnded).toBe(true);

    const closing = stuck();
    const pending = pool.call.sum(closing);
    const settled = expect(within(pending)).rejects.toBeInstanceOf(PoolClosedError);
    await pool.call.echo(0);
    await within(pool.shutdown());
    await settled;
    expect(closing.state.isEnded).toBe(true);
    const late = stuck();
    await expect(within(pool.call.sum(late))).rejects.toBeInstanceOf(PoolClosedError);
  });

  test("no time runs while the task waits for the host's own stream", async () => {
    await using pool = createPool({ worker: { ...worker, hardTimeoutMs: 400 } })(tasks);
    async function* slow() {
      for (let value = 0; value < 4; value++) {
        await new Promise((resolve) => setTimeout(resolve, 300));
        yield value;
      }
    }
    expect(await within(pool.call.sum(slow(), { timeout: 200 }))).toBe(6);
    const taken = pool.call.takeSlowly(numbers(), { timeout: 10 });
    await expect(within(taken)).rejects.toBeInstanceOf(TaskTimeoutError);
    const killed = pool.call.readThenDie(numbers(1)).catch((reason: unknown) => reason);
    expect(await within(killed)).not.toBeInstanceOf(WorkerKilledError);
  });

  test("many streams at once, each its own", async () => {
    await using pool = open({ threads: 2 });
    const sums = Array.from({ length: 30 }, (_, index) => pool.call.sum(numbers(index * 40)));
    expect(await within(Promise.all(sums))).toEqual(sums.map((_, index) => sumUpTo(index * 40)));
  });

  test("items of a megabyte wait for room in the arena", async () => {
    await using pool = open();
    async function* long() {
      for (let index = 0; index < 60; index++) {
        yield new Uint8Array(8_000_000).fill(index);
      }
    }
    expect(await within(pool.call.typesOf(long()), 60_000)).toHaveLength(60);
  });
});
