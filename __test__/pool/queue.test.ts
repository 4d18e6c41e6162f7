/** The one queue of a pool: who waits for what, in which order, and for how long. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  createPool as createRestricted,
  importTask,
  type PoolOptions,
  QueueFullError,
  QueueTimeoutError,
  WorkerCrashedError,
} from "knitting-native";
import { afterAll, expect, test } from "vitest";
import { onThreadAndProcessInGate, testIf } from "../support/kinds";
import { until, within } from "../support/processes";
import { createPool } from "../support/unrestricted";

const of = <Argument, Result>(name: string) =>
  importTask<Argument, Result>({ href: "../fixtures/tasks/queue.mjs", name });
const tasks = {
  block: of<number, number>("block"),
  blockUntil: of<string, number>("blockUntil"),
  waitUntil: of<string, string>("waitUntil"),
  who: of<void, string>("who"),
  echo: of<unknown, unknown>("echo"),
  count: of<void, number>("count"),
  byteLength: of<Uint8Array, number>("byteLength"),
  dieOnce: of<string, string>("dieOnce"),
  die: of<string, void>("die"),
};

const folder = mkdtempSync(join(tmpdir(), "knitting-queue-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
let files = 0;
const file = () => join(folder, `${files++}`);
const touch = (path: string) => writeFileSync(path, "");

/** How a promise has settled; undefined while it has not. */
function outcome(promise: Promise<unknown>): { readonly value?: unknown; readonly error?: unknown } {
  const found: { value?: unknown; error?: unknown } = {};
  promise.then(
    (value) => {
      found.value = value;
    },
    (error) => {
      found.error = error;
    },
  );
  return found;
}

const failure = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => undefined,
    (error) => error,
  );

onThreadAndProcessInGate(({ worker, isProcess }) => {
  /** A pool whose workers are ready. */
  async function ready(options: PoolOptions = {}) {
    const pool = createPool({ worker, ...options })(tasks);
    await until("the workers are ready", () =>
      pool.workers.every(({ state }) => state === "ready" || state === "spare"),
    );
    return pool;
  }
  type Ready = Awaited<ReturnType<typeof ready>>;

  const preparations: readonly [string, (pool: Ready, gate: string) => unknown][] = [
    ["of tasks that have not run yet", () => undefined],
    [
      "after 10,000 quick calls of that task",
      (pool) => Promise.all(Array.from({ length: 10_000 }, () => pool.call.block(0))),
    ],
    [
      "while async calls are pending",
      async (pool, gate) => {
        void [0, 1, 2].map(() => pool.call.waitUntil(gate));
        const begun = () => pool.stats().perWorker.reduce((sum, { running }) => sum + running, 0);
        await until("they have begun", () => begun() === 3);
      },
    ],
  ];

  test.each(preparations)("short calls don't stay behind a long one, %s", async (_, prepare) => {
    await using pool = await ready({ threads: 2 });
    const [gate, pending] = [file(), file()];
    await prepare(pool, pending);
    const long = outcome(pool.call.blockUntil(gate));
    const order: number[] = [];
    const short = [20, 5, 5].map((millis, index) => pool.call.block(millis).then(() => order.push(index)));
    await within(Promise.all(short));
    expect([...order].sort()).toEqual([0, 1, 2]);
    expect(long).toEqual({});
    touch(gate);
    touch(pending);
    await within(pool.drain());
    expect(long.value).toBeTypeOf("number");
  });

  test("a worker that hangs for ever holds no later call up", async () => {
    await using pool = await ready({ threads: 2 });
    const gate = file();
    const hung = pool.call.blockUntil(gate);
    for (let round = 0; round < 5; round++) {
      const calls = Array.from({ length: 20 }, (_, index) => pool.call.echo(index));
      expect(await within(Promise.all(calls))).toEqual(calls.map((_, index) => index));
    }
    touch(gate);
    await hung;
  });

  test("async calls are begun together, in a number that no ring holds", async () => {
    await using pool = await ready({ threads: 2 });
    const gate = file();
    const calls = Array.from({ length: 3_000 }, () => pool.call.waitUntil(gate));
    const begun = () => pool.stats().perWorker.reduce((sum, { running }) => sum + running, 0);
    await until("all have begun", () => begun() === 3_000 && pool.stats().queueDepth === 0);
    touch(gate);
    await within(Promise.all(calls));
  });

  test("concurrency limits the calls that a worker has begun", async () => {
    await using pool = await ready({ threads: 2, concurrency: 3 });
    const gate = file();
    const calls = Array.from({ length: 10 }, () => pool.call.waitUntil(gate));
    const running = () => pool.stats().perWorker.map(({ running }) => running);
    await until("two times three have begun", () => `${running()}` === "3,3");
    expect(pool.stats().queueDepth).toBe(4);
    touch(gate);
    await within(Promise.all(calls));
    expect(pool.stats()).toMatchObject({ queueDepth: 0, queueBytes: 0, oldestWaitMs: 0, started: 10 });
  });

  test("waiting calls go by priority, and those of one priority in their order", async () => {
    await using pool = await ready({ concurrency: 1 });
    const gate = file();
    const first = pool.call.blockUntil(gate);
    const order: string[] = [];
    const calls = [0, 5, -5, undefined, 5, -5].map((priority, index) =>
      pool.call.echo(index, { priority }).then(() => order.push(`${priority ?? 0}: ${index}`)),
    );
    touch(gate);
    await within(Promise.all([first, ...calls]));
    expect(order).toEqual(["-5: 2", "-5: 5", "0: 0", "0: 3", "5: 1", "5: 4"]);
  });

  test("calls with an affinity go to one worker while it lives, also where others are free", async () => {
    await using pool = await ready({ threads: 3 });
    const seen = new Map<string, Set<string>>();
    const users = Array.from({ length: 6 }, (_, index) => `user-${index}`);
    for (let round = 0; round < 5; round++) {
      await within(
        Promise.all(
          users.map(async (affinity) => {
            const who = await pool.call.who(undefined, { affinity });
            seen.set(affinity, (seen.get(affinity) ?? new Set()).add(who));
          }),
        ),
      );
    }
    expect([...seen.values()].every(({ size }) => size === 1)).toBe(true);
    const gate = file();
    const held = pool.call.blockUntil(gate, { affinity: users[0] });
    const behind = outcome(pool.call.who(undefined, { affinity: users[0] }));
    await within(Promise.all(Array.from({ length: 50 }, () => pool.call.echo(1))));
    expect(behind).toEqual({});
    touch(gate);
    await held;
    await until("it is answered", () => behind.value !== undefined);
    expect(seen.get(users[0])?.has(behind.value as string)).toBe(true);
    // When the worker is gone, another one has the word.
    await Promise.all(pool.workers.map((info) => pool.kill(info)));
    const after = await within(pool.call.who(undefined, { affinity: users[0] }));
    expect(seen.get(users[0])?.has(after)).toBe(false);
  });

  test("calls with one affinity that wait before anybody has it go to one worker", async () => {
    await using pool = await ready({ threads: 3 });
    const gate = file();
    const held = [1, 2, 3].map(() => pool.call.blockUntil(gate));
    await until("they have begun", () => pool.stats().activeWorkers === 3);
    const words = ["a", "b", "c", "d"];
    const calls = Array.from({ length: 40 }, (_, index) =>
      pool.call.who(undefined, { affinity: words[index % words.length] }),
    );
    touch(gate);
    const identities = await within(Promise.all(calls));
    for (const at of words.keys()) {
      expect(new Set(identities.filter((_, index) => index % words.length === at)).size).toBe(1);
    }
    await within(Promise.all(held));
  });

  test("quick calls that got behind a call with an affinity don't stay there", async () => {
    await using pool = await ready({ threads: 2 });
    const terms = { affinity: "one" };
    // So that the pool knows them to be quick.
    await within(Promise.all(Array.from({ length: 2_000 }, () => pool.call.echo(1))));
    for (let round = 0; round < 10; round++) {
      const gate = file();
      const held = pool.call.blockUntil(gate, terms);
      const behind = outcome(pool.call.who(undefined, terms));
      await within(Promise.all(Array.from({ length: 50 }, () => pool.call.echo(1))));
      expect(behind).toEqual({});
      touch(gate);
      await within(held);
      await until("it is answered", () => behind.value !== undefined);
    }
  });

  test("a call that is given up while it waits is never sent", async () => {
    await using pool = await ready({ concurrency: 1 });
    const gate = file();
    const held = pool.call.blockUntil(gate);
    await until("it has begun", () => pool.stats().activeWorkers === 1);
    const controller = new AbortController();
    const waiting = Array.from({ length: 10 }, () =>
      failure(pool.call.who(undefined, { signal: controller.signal })),
    );
    const last = pool.call.count();
    expect(pool.stats().queueDepth).toBe(11);
    controller.abort(new Error("given up"));
    expect(pool.stats().queueDepth).toBe(1);
    expect(await within(Promise.all(waiting))).toEqual(waiting.map(() => new Error("given up")));
    touch(gate);
    await held;
    expect(await within(last)).toBe(1);
  });

  test("beyond maxQueueSize a call is refused by name, and those that wait are answered", async () => {
    await using pool = await ready({ concurrency: 1, workerPoolConfig: { maxQueueSize: 3 } });
    const gate = file();
    const held = pool.call.blockUntil(gate);
    await until("it has begun", () => pool.stats().activeWorkers === 1);
    const waiting = [1, 2, 3].map((value) => pool.call.echo(value));
    const refused = await within(failure(pool.call.echo(4)));
    expect(refused).toBeInstanceOf(QueueFullError);
    expect(refused).toMatchObject({ code: "KNITTING_QUEUE_FULL", limit: "maxQueueSize", task: "echo" });
    expect((refused as Error).message).toContain("3 calls wait for a worker, as many as workerPoolConfig");
    touch(gate);
    await held;
    expect(await within(Promise.all(waiting))).toEqual([1, 2, 3]);
    expect(await within(pool.call.echo(5))).toBe(5);
  });

  test("copies that wait are limited by maxQueueBytes, and references are not", async () => {
    await using pool = await ready({ concurrency: 1, maxQueueBytes: 1_000_000 });
    const gate = file();
    const held = pool.call.blockUntil(gate);
    await until("it has begun", () => pool.stats().activeWorkers === 1);
    const bytes = new Uint8Array(300_000);
    const copied = [1, 2, 3].map(() => pool.call.byteLength(bytes));
    const refused = await within(failure(pool.call.byteLength(bytes)));
    expect(refused).toMatchObject({
      code: "KNITTING_QUEUE_FULL",
      limit: "maxQueueBytes",
      task: "byteLength",
    });
    expect((refused as Error).message).toMatch(
      /more than maxQueueBytes allows, which is 1000000.*copy: false/,
    );
    expect(pool.stats().queueBytes).toBeGreaterThanOrEqual(900_000);
    const referred = Array.from({ length: 20 }, () => pool.call.byteLength(bytes, { copy: false }));
    expect(pool.stats().queueDepth).toBe(23);
    expect(pool.stats().queueBytes).toBeLessThan(1_000_000);
    touch(gate);
    await held;
    expect(new Set(await within(Promise.all([...copied, ...referred])))).toEqual(new Set([300_000]));
  });

  test("a waiting call has the argument as it was at the call, with copy: false as it is when it is sent", async () => {
    await using pool = await ready({ concurrency: 1 });
    const gate = file();
    const held = pool.call.blockUntil(gate);
    const value = { at: "the call" };
    const [copied, referred] = [pool.call.echo(value), pool.call.echo(value, { copy: false })];
    value.at = "the sending";
    touch(gate);
    await held;
    expect(await within(Promise.all([copied, referred]))).toEqual([
      { at: "the call" },
      { at: "the sending" },
    ]);
  });

  test("a call that has waited for queueTimeout rejects, and is not run; those that run go on", async () => {
    await using pool = await ready({ concurrency: 1, workerPoolConfig: { queueTimeout: 100 } });
    const gate = file();
    const held = pool.call.blockUntil(gate);
    const early = failure(pool.call.who());
    const late = await within(failure(pool.call.who()));
    expect(late).toBeInstanceOf(QueueTimeoutError);
    expect(late).toMatchObject({ code: "KNITTING_QUEUE_TIMEOUT", task: "who", queueTimeout: 100 });
    expect(await early).toBeInstanceOf(QueueTimeoutError);
    touch(gate);
    expect(await held).toBe(0);
    // Its worker is free, so it waits for nobody.
    expect(await within(pool.call.count())).toBe(1);
    expect(pool.stats()).toMatchObject({ timedOut: 2, failed: 2 });
  });

  test("drain waits for what runs and what waits, and for what is made meanwhile", async () => {
    await using pool = await ready({ concurrency: 1 });
    const gate = file();
    void pool.call.blockUntil(gate);
    const second = outcome(pool.call.echo(2));
    const drained = outcome(pool.drain().then(() => second.value));
    setTimeout(() => {
      void pool.call.echo(3);
      touch(gate);
    }, 30);
    await until("it is drained", () => "value" in drained);
    expect(drained.value).toBe(2);
    expect(pool.stats()).toMatchObject({ queueDepth: 0, activeWorkers: 0, finished: 3 });
    await within(pool.drain());
  });

  testIf(isProcess)("a call whose worker dies with it is tried again, if retry says so", async () => {
    await using pool = await ready({ retry: { attempts: 3 } });
    const path = file();
    expect(await within(pool.call.dieOnce(path))).toBe("alive");
    expect(readFileSync(path, "utf8")).toBe("xx");
    const marks = file();
    const error = (await within(failure(pool.call.die(marks)))) as AggregateError;
    expect(readFileSync(marks, "utf8")).toBe("xxx");
    expect(error).toBeInstanceOf(AggregateError);
    expect(error.errors).toHaveLength(3);
    expect(error.errors.every((each) => each instanceof WorkerCrashedError)).toBe(true);
    expect(error.cause).toBe(error.errors[0]);
    expect(error.message).toContain('a call of task "die" was tried 3 times');
    expect(await within(pool.call.echo(1))).toBe(1);
  });

  testIf(isProcess)("without retry a call whose worker dies with it rejects at once", async () => {
    await using pool = await ready();
    const path = file();
    expect(await within(failure(pool.call.dieOnce(path)))).toBeInstanceOf(WorkerCrashedError);
    expect(readFileSync(path, "utf8")).toBe("x");
  });
});

test("10,000 waiting calls with copy: false on one buffer take no memory of their own", async () => {
  await using pool = createRestricted({ worker: { runtime: "process", processRuntime: "node" } })(tasks);
  const bytes = new Uint8Array(1_000_000);
  await pool.call.byteLength(bytes);
  const before = process.memoryUsage().rss;
  let most = before;
  const timer = setInterval(() => {
    most = Math.max(most, process.memoryUsage().rss);
  }, 5);
  const calls = Array.from({ length: 10_000 }, () => pool.call.byteLength(bytes, { copy: false }));
  most = Math.max(most, process.memoryUsage().rss);
  const results = await within(Promise.all(calls));
  clearInterval(timer);
  expect(new Set(results)).toEqual(new Set([1_000_000]));
  expect(most - before).toBeLessThan(100_000_000);
});
