/** Pools whose number of workers follows their load, and what a pool reports while it does. */
import {
  importTask,
  type PoolEvents,
  type PoolOptions,
  type PoolStats,
  WorkerBootError,
} from "knitting-native";
import { expect, test } from "vitest";
import { failure, gates, open } from "../support/gates";
import { onChildren, onThreadAndProcessInGate } from "../support/kinds";
import { Host, until, within } from "../support/processes";
import { createPool } from "../support/unrestricted";

const of = <Argument, Result>(name: string) =>
  importTask<Argument, Result>({ href: "../fixtures/tasks/supervised.mjs", name });
const tasks = {
  run: of<void, { identity: string; run: number }>("run"),
  echo: of<unknown, unknown>("echo"),
  block: of<string, string>("block"),
  wait: of<string, string>("wait"),
};
const file = gates();
/** A call that has waited for less is no reason for one more worker. Clocks may differ by a millisecond. */
const GROWS_AFTER_MILLIS = 19;

onThreadAndProcessInGate(({ worker }) => {
  /** A pool with a record of its starts and of the most workers that it had. */
  function create(options: PoolOptions) {
    const pool = createPool({ worker, ...options })(tasks);
    const ends: PoolEvents["exit"][] = [];
    const seen = { starts: 0, most: 0, mostBooting: 0 };
    const look = () => {
      seen.most = Math.max(seen.most, pool.workers.length);
      const booting = pool.workers.filter(({ state }) => state === "booting").length;
      seen.mostBooting = Math.max(seen.mostBooting, booting);
    };
    look();
    pool.on("spawn", () => {
      seen.starts++;
      look();
    });
    pool.on("exit", (end) => ends.push(end));
    return { pool, ends, seen };
  }
  const states = (pool: { readonly workers: readonly { readonly state: string }[] }) =>
    pool.workers.map(({ state }) => state);
  const allReady = (pool: Parameters<typeof states>[0], count: number) =>
    until(`${count} are ready`, () => states(pool).filter((state) => state === "ready").length === count);

  test("it grows while calls wait, never above its maximum, and shrinks to its minimum", async () => {
    const config = { minWorkers: 1, maxWorkers: 3, idleTimeout: 300 };
    const { pool, ends, seen } = create({ workerPoolConfig: config });
    await using _ = pool;
    await allReady(pool, 1);
    const gate = file();
    const calls = Array.from({ length: 12 }, () => pool.call.block(gate));
    // A call that waits is no reason for a burst of workers.
    expect(pool.workers).toHaveLength(1);
    await until("there are three workers", () => pool.workers.length === 3);
    await until("each has a call", () => pool.stats().activeWorkers === 3);
    open(gate);
    const served = await within(Promise.all(calls));
    expect(new Set(served).size).toBe(3);
    await until("two have gone", () => pool.workers.length === 1);
    expect(ends.map(({ reason, worker }) => ({ reason, state: worker.state }))).toEqual([
      { reason: "idle", state: "retiring" },
      { reason: "idle", state: "retiring" },
    ]);
    expect(seen).toMatchObject({ starts: 3, most: 3 });
    expect(pool.stats().recycled).toEqual({});
    // It stays there, for longer than it takes an idle worker to end.
    await new Promise((resolve) => setTimeout(resolve, 600));
    expect(states(pool)).toEqual(["ready"]);
    expect(served).toContain((await within(pool.call.run())).identity);
  });

  test("a call behind a worker that hangs is a reason to grow, though it lies on its lane already", async () => {
    const { pool } = create({ threads: { min: 1, max: 2 } });
    await using _ = pool;
    await allReady(pool, 1);
    const gate = file();
    const hung = pool.call.block(gate);
    await until("it is running", () => pool.stats().activeWorkers === 1);
    expect(await within(pool.call.echo("behind"))).toBe("behind");
    expect(pool.workers).toHaveLength(2);
    open(gate);
    await within(hung);
  });

  test("quick calls start no further worker, and one burst starts no more than one at once", async () => {
    const { pool, seen } = create({ threads: { min: 1, max: 4 } });
    await using _ = pool;
    await allReady(pool, 1);
    // On a busy machine a call of no work may take its time as well, and is a reason then.
    let made = 0;
    const waits: number[] = [];
    pool.on("spawn", () => waits.push(performance.now() - made));
    for (let value = 0; value < 200; value++) {
      made = performance.now();
      expect(await pool.call.echo(value)).toBe(value);
    }
    expect(waits.filter((millis) => millis < GROWS_AFTER_MILLIS)).toEqual([]);
    const gate = file();
    const before = pool.workers.length;
    const calls = Array.from({ length: 100 }, () => pool.call.wait(gate));
    expect(pool.workers).toHaveLength(before);
    open(gate);
    await within(Promise.all(calls));
    expect(seen.most).toBeLessThanOrEqual(4);
  });

  test("with a minimum of 0 the first call starts a worker, and so does the first one after a silence", async () => {
    const { pool, ends } = create({ workerPoolConfig: { minWorkers: 0, maxWorkers: 1, idleTimeout: 150 } });
    await using _ = pool;
    expect(pool.workers).toEqual([]);
    expect(pool.stats()).toMatchObject({ activeWorkers: 0, queueDepth: 0, perWorker: [] });
    const first = within(pool.call.run());
    // It is there before anything else happens, and takes the call when it has booted.
    expect(states(pool)).toEqual(["booting"]);
    expect(pool.stats()).toMatchObject({ activeWorkers: 0, queueDepth: 1 });
    const { identity } = await first;
    await until("it has gone", () => pool.workers.length === 0);
    expect(ends.map(({ reason }) => reason)).toEqual(["idle"]);
    const second = await within(pool.call.run());
    expect(second.run).toBe(1);
    expect(second.identity).not.toBe(identity);
  });

  test("a worker that can't boot makes the calls reject, also where the pool grows", async () => {
    await using broken = createPool({
      threads: { min: 0, max: 2 },
      worker: { ...worker, maxBootFailures: 2 },
    })({
      missing: importTask<void, void>({
        href: "data:text/javascript,throw new Error('at import')",
        name: "missing",
      }),
    });
    const errors = await Promise.all([1, 2, 3].map(() => failure(broken.call.missing())));
    expect(errors.every((error) => error instanceof WorkerBootError)).toBe(true);
    expect((errors[0] as Error).message).toContain("at import");
    expect(await failure(broken.call.missing())).toBeInstanceOf(WorkerBootError);
    await within(broken.drain());
    expect(broken.stats()).toMatchObject({ queueDepth: 0, queueBytes: 0 });
  });

  test("a spare worker is listed, takes no call until it replaces one, and is warm then", async () => {
    const { pool, seen } = create({ spareWorkers: 1 });
    await using _ = pool;
    await until("both have booted", () => states(pool).sort().join() === "ready,spare");
    const identities = new Set<string>();
    for (let call = 0; call < 50; call++) {
      identities.add((await within(pool.call.run())).identity);
    }
    const gate = file();
    const held = pool.call.block(gate);
    const waiting = pool.call.run();
    await until("the first is running", () => pool.stats().activeWorkers === 1);
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(pool.stats()).toMatchObject({ activeWorkers: 1, queueDepth: 1, workers: { ready: 1, spare: 1 } });
    open(gate);
    expect(identities).toEqual(new Set([await within(held)]));
    expect(identities).toContain((await within(waiting)).identity);
    // Once it is killed, the spare takes its place at once, and another spare is started.
    const starts = seen.starts;
    const spare = pool.workers.find(({ state }) => state === "spare");
    void pool.kill(pool.workers.find(({ state }) => state === "ready") as (typeof pool.workers)[0]);
    expect(pool.workers.find(({ state }) => state === "ready")?.index).toBe(spare?.index);
    const { identity, run } = await within(pool.call.run());
    expect(identities).not.toContain(identity);
    expect(run).toBe(1);
    await until("there is a spare again", () => states(pool).sort().join() === "ready,spare");
    expect(seen.starts).toBe(starts + 1);
  });

  test("onStatsUpdate tells the load while it lasts, and ends with the pool", async () => {
    const updates: PoolStats[] = [];
    const config = {
      onStatsUpdate: (stats: PoolStats) => {
        updates.push(stats);
      },
      statsInterval: 10,
    };
    const { pool } = create({ concurrency: 1, workerPoolConfig: config });
    await allReady(pool, 1);
    const gate = file();
    const calls = [1, 2, 3, 4].map(() => pool.call.block(gate));
    await until("it tells that", () =>
      updates.some(({ activeWorkers, queueDepth }) => activeWorkers === 1 && queueDepth === 3),
    );
    const busy = updates[updates.length - 1];
    expect(busy.perWorker).toMatchObject([{ running: 1, tasks: ["block"], worker: { state: "ready" } }]);
    expect(busy.oldestWaitMs).toBeGreaterThan(0);
    open(gate);
    await within(Promise.all(calls));
    await until("it is over", () => updates.at(-1)?.finished === 4 && updates.at(-1)?.activeWorkers === 0);
    await pool.shutdown();
    const { length } = updates;
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(updates).toHaveLength(length);
  });

  test("a host with an idle pool that has every limit ends by itself, and one with a waiting call does not", async () => {
    const gate = file();
    const host = new Host("elastic-host.mjs", JSON.stringify(worker), gate);
    await host.says("waiting");
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(host.process.exitCode).toBe(null);
    open(gate);
    expect(await host.exit()).toEqual({ code: 0, signal: null });
    expect(host.stdout.trim().split("\n")).toEqual(["waiting", "answered 1,2"]);
    expect(host.stderr).toBe("");
  });
});

onChildren(({ worker }) => {
  test("a wrapper that can't be named makes the calls of an empty pool reject", async () => {
    let starts = 0;
    const processCommandPrefix = () => {
      starts++;
      throw new RangeError("no wrapper today");
    };
    await using pool = createPool({
      threads: { min: 0, max: 2 },
      worker: { ...worker, processCommandPrefix },
    })(tasks);
    for (let attempt = 1; attempt <= 2; attempt++) {
      const errors = await Promise.all([1, 2].map(() => failure(pool.call.run())));
      expect(errors.map(String)).toEqual(errors.map(() => expect.stringContaining("no wrapper today")));
    }
    expect(starts).toBeGreaterThanOrEqual(2);
    expect(pool.stats().queueDepth).toBe(0);
  });

  test("a pool that is shut down while its first worker is started has none", async () => {
    const processCommandPrefix = (): readonly string[] => {
      void pool.shutdown();
      return ["/usr/bin/env"];
    };
    const pool = createPool({ threads: { min: 0, max: 2 }, worker: { ...worker, processCommandPrefix } })(
      tasks,
    );
    let starts = 0;
    pool.on("spawn", () => starts++);
    expect(await failure(pool.call.run())).toMatchObject({ code: "KNITTING_POOL_CLOSED" });
    await within(pool.shutdown());
    expect(starts).toBe(0);
    expect(pool.workers.every(({ state, pid }) => state === "closed" && pid === null)).toBe(true);
  });
});
