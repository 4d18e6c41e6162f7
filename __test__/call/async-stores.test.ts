/** In which stores of `AsyncLocalStorage` the functions of callers run. */
import { AsyncLocalStorage } from "node:async_hooks";
import { createPool, InvalidOptionError, importTask } from "knitting-native";
import { expect, test } from "vitest";
import { onChildren, onEveryRuntimeInGate } from "../support/kinds";
import { until, within } from "../support/processes";

const of = <Argument, Result>(name: string) =>
  importTask<Argument, Result>({ href: "../fixtures/tasks/streams.mjs", name });
const tasks = {
  echo: of<unknown, unknown>("echo"),
  tellLater: of<number[], number>("tellLater"),
  sum: of<AsyncIterable<number>, number>("sum"),
  firstOf: of<AsyncIterable<number>, number>("firstOf"),
  spin: importTask<number, number>({ href: "../fixtures/tasks/basic.mjs", name: "spin" }),
  signalStore: importTask<string, string[]>({
    href: "../fixtures/tasks/streams.mjs",
    name: "signalStore",
    abortSignal: true,
  }),
};

const stores = new AsyncLocalStorage<string>();
const REQUESTS = ["A", "B", "C", "D"];

/** Handles some requests at once, each in its own store. Returns which stores its functions have seen. */
async function handle(request: (name: string, seen: Set<unknown>) => Promise<unknown>): Promise<void> {
  const handled = REQUESTS.map((name) =>
    stores.run(name, async () => {
      const seen = new Set<unknown>();
      await within(request(name, seen));
      expect(stores.getStore()).toBe(name);
      expect([...seen], `request ${name}`).toEqual([name]);
    }),
  );
  await Promise.all(handled);
}

onEveryRuntimeInGate(({ worker }) => {
  const open = () => createPool({ threads: 2, worker })(tasks);

  test("listeners of progress run in the stores of their call", async () => {
    await using pool = open();
    await pool.call.echo(0);
    await handle((_, seen) =>
      pool.call.tellLater([1, 2, 3]).on("progress", () => {
        seen.add(stores.getStore());
      }),
    );
  });

  test("a stream as the argument runs in the stores of its call, whatever asks for its next item", async () => {
    await using pool = open();
    async function* source(seen: Set<unknown>, items: number) {
      try {
        for (let item = 0; item < items; item++) {
          seen.add(stores.getStore());
          if (item % 50 === 0) {
            await new Promise(setImmediate);
          }
          yield item;
        }
      } finally {
        seen.add(stores.getStore());
      }
    }
    const other = (seen: Set<unknown>) => ({
      [Symbol.asyncIterator]() {
        seen.add(stores.getStore());
        return { next: async () => ({ done: true as const, value: seen.add(stores.getStore()) }) };
      },
    });
    await handle(async (_, seen) => {
      expect(await pool.call.sum(source(seen, 1_000))).toBe(499_500);
      expect(await pool.call.sum(Promise.resolve(source(seen, 3)))).toBe(3);
      expect(await pool.call.sum(other(seen))).toBe(0);
    });
  });

  test("the end of such a stream does so too, when the task leaves it and when another request ends the call", async () => {
    await using pool = open();
    const endless = (seen: Set<unknown>) => ({
      [Symbol.asyncIterator]: () => ({
        next: async () => ({ done: false, value: 1 }),
        return: async () => ({ done: true as const, value: seen.add(stores.getStore()) }),
      }),
    });
    await handle(async (_, seen) => {
      expect(await pool.call.firstOf(endless(seen))).toBe(1);
    });
    await handle(async (_, seen) => {
      const controller = new AbortController();
      const call = pool.call.sum(endless(seen), { signal: controller.signal });
      stores.run("another", () => setImmediate(() => controller.abort("left")));
      expect(await call.catch((reason) => reason)).toBe("left");
    });
  });

  test("listeners of a pool run in the stores in which they were added", async () => {
    const seen: unknown[] = [];
    const pool = stores.run("creator", () => createPool({ worker })(tasks));
    const listener = () => seen.push(stores.getStore());
    stores.run("first", () => pool.on("ready", listener).on("exit", listener));
    stores.run("second", () => pool.once("ready", listener));
    const removed = () => seen.push("removed");
    stores.run("third", () =>
      pool.on("ready", removed).once("ready", removed).off("ready", removed).off("ready", removed),
    );
    await stores.run("caller", () => within(pool.call.echo(1)));
    await until("the listeners of ready have run", () => seen.length >= 2);
    await stores.run("closer", () => within(pool.shutdown()));
    await until("the listeners of exit have run", () => seen.length >= 3);
    expect(seen).toEqual(["first", "second", "first"]);
  });

  test("in a worker, listeners of a task's signal run in the stores in which the task has read it", async () => {
    await using pool = createPool({ worker })(tasks);
    const calls = REQUESTS.map((name) => {
      const controller = new AbortController();
      void pool.call.signalStore(name, { signal: controller.signal }).catch(() => {});
      return controller;
    });
    await pool.call.echo(0);
    for (const controller of calls) {
      controller.abort();
    }
    let heard: string[] = [];
    while (heard.length < REQUESTS.length) {
      heard = await within(pool.call.signalStore(""));
    }
    expect(heard).toEqual(REQUESTS.map((name) => `${name} in ${name}`));
  });
});

onChildren(({ worker }) => {
  test("the function of the wrapper runs in the stores of createPool, also when a worker is replaced", async () => {
    const seen: unknown[] = [];
    const processCommandPrefix = () => {
      seen.push(stores.getStore());
      return ["env"];
    };
    await using pool = stores.run("creator", () =>
      createPool({ worker: { ...worker, processCommandPrefix, hardTimeoutMs: 100 }, permission: "unsafe" })(
        tasks,
      ),
    );
    const late = stores.run("caller", () => pool.call.spin(60_000));
    expect((await within(late.catch((error) => error))).name).toBe("WorkerKilledError");
    expect(await stores.run("caller", () => within(pool.call.echo(1)))).toBe(1);
    expect(seen).toEqual(["creator", "creator"]);
  });
});

test("events that don't exist and listeners that are no functions are refused", async () => {
  const pool = createPool()(tasks);
  for (const method of ["on", "once", "off"] as const) {
    const call = pool[method].bind(pool) as (name: unknown, listener: unknown) => unknown;
    expect(() => call("exits", () => {})).toThrow(InvalidOptionError);
    expect(() => call("exits", () => {})).toThrow(
      `pool.${method}: there is no event "exits", did you mean "exit"?`,
    );
    expect(() => call("message", () => {})).toThrow("the events are spawn, ready, exit, restart, output");
    expect(() => call("toString", () => {})).toThrow('there is no event "toString"');
    expect(() => call(Symbol.iterator, () => {})).toThrow(InvalidOptionError);
    expect(() => call("exit", 5)).toThrow(`pool.${method}: "listener" is 5, it must be a function`);
  }
  await pool.shutdown();
});
