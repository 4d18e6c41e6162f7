/** Workers that the pool replaces: after so many calls, by request, and by force. */
import {
  importTask,
  type PoolEvents,
  type PoolOptions,
  type RecycleReason,
  type WorkerInfo,
  WorkerKilledError,
} from "knitting-native";
import { expect, test } from "vitest";
import { failure, gates, open, outcome } from "../support/gates";
import { onEveryRuntimeInGate } from "../support/kinds";
import { until, within } from "../support/processes";
import { createPool } from "../support/unrestricted";

const of = <Argument, Result>(name: string) =>
  importTask<Argument, Result>({ href: "../fixtures/tasks/supervised.mjs", name });
interface Run {
  readonly identity: string;
  readonly run: number;
}
const tasks = {
  run: of<void, Run>("run"),
  echo: of<unknown, unknown>("echo"),
  block: of<string | undefined, string>("block"),
  wait: of<string | undefined, string>("wait"),
  die: of<void, void>("die"),
  hold: importTask<object, number>({ href: "../fixtures/tasks/hoarding.mjs", name: "hold" }),
  sum: of<Uint8Array, number>("sum"),
  items: importTask<{ before: number; gate: string; after: number }, AsyncIterable<number>>({
    href: "../fixtures/tasks/supervised.mjs",
    name: "items",
  }),
};
const file = gates();

onEveryRuntimeInGate(({ worker, isProcess }) => {
  /** A pool whose workers are ready, and what it has told of their ends. */
  async function create(options: PoolOptions = {}) {
    const told: (RecycleReason | undefined)[] = [];
    const ends: PoolEvents["exit"][] = [];
    const pool = createPool({
      worker,
      ...options,
      workerPoolConfig: {
        ...options.workerPoolConfig,
        onWorkerRecycled: (reason) => {
          told.push(reason);
        },
      },
    })(tasks);
    pool.on("exit", (end) => ends.push(end));
    await settled(pool);
    return { pool, told, ends };
  }
  type Created = Awaited<ReturnType<typeof create>>["pool"];
  const settled = (pool: { readonly workers: readonly WorkerInfo[] }) =>
    until("the workers are ready", () =>
      pool.workers.every(({ state }) => state === "ready" || state === "spare"),
    );
  const running = (pool: Created, count: number) =>
    until("they are running", () => {
      const { perWorker, queueDepth } = pool.stats();
      return perWorker.reduce((sum, { running }) => sum + running, 0) === count && queueDepth === 0;
    });

  test("each worker runs as many calls as it may, and its replacement is there already", async () => {
    const { pool, told, ends } = await create({ workerPoolConfig: { maxExecutionsPerWorker: 5 } });
    await using _ = pool;
    const runs = new Map<string, number[]>();
    for (let call = 0; call < 20; call++) {
      await settled(pool);
      // With an affinity of its own each call stays with the worker that it was given to. Otherwise the replacement,
      // which is idle, takes over the last call of a worker that is late with it.
      const { identity, run } = await within(pool.call.run(undefined, { affinity: `${call}` }));
      runs.set(identity, [...(runs.get(identity) ?? []), run]);
      // A worker that has had its last call was replaced when that was given to it.
      expect(pool.workers.some(({ state }) => state === "ready")).toBe(true);
    }
    expect([...runs.values()]).toEqual(Array.from({ length: 4 }, () => [1, 2, 3, 4, 5]));
    await until("the last one has ended", () => ends.length === 4);
    await until("it is told", () => told.length === 4);
    expect(new Set(told)).toEqual(new Set(["executions"]));
    expect(ends.map(({ reason, worker: { served } }) => ({ reason, served }))).toEqual(
      ends.map(() => ({ reason: "executions", served: 5 })),
    );
    expect(pool.stats()).toMatchObject({ recycled: { executions: 4 }, started: 20, finished: 20 });
  });

  test("in a burst no worker runs more calls than it may, and all calls are answered", async () => {
    const { pool } = await create({ threads: 2, workerPoolConfig: { maxExecutionsPerWorker: 50 } });
    await using _ = pool;
    const results = await within(Promise.all(Array.from({ length: 400 }, () => pool.call.run())));
    const most = new Map<string, number>();
    for (const { identity, run } of results) {
      most.set(identity, Math.max(most.get(identity) ?? 0, run));
    }
    expect(Math.max(...most.values())).toBeLessThanOrEqual(50);
    expect([...most.values()].reduce((sum, runs) => sum + runs, 0)).toBe(400);
    expect(pool.stats().queueDepth).toBe(0);
  });

  test("a worker that was recycled finishes what it runs, and what waits behind it goes elsewhere", async () => {
    const { pool, told, ends } = await create({ concurrency: 1 });
    await using _ = pool;
    const gate = file();
    const [first] = pool.workers;
    const held = pool.call.block(gate);
    const behind = [1, 2, 3].map(() => pool.call.run());
    await until(
      "the first is running",
      () => pool.stats().activeWorkers === 1 && pool.stats().queueDepth === 3,
    );
    let isGone = false;
    const recycled = pool.recycle(first).then(() => {
      isGone = true;
    });
    expect(pool.workers.map(({ state }) => state)).toEqual(["retiring"]);
    // Asking again changes nothing.
    const again = pool.recycle();
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(isGone).toBe(false);
    open(gate);
    const identity = await within(held);
    await within(Promise.all([recycled, again]));
    const results = await within(Promise.all(behind));
    expect(results.map(({ run }) => run)).toEqual([1, 2, 3]);
    expect(results.map((result) => result.identity)).not.toContain(identity);
    expect(told).toEqual(["recycled"]);
    expect(ends.map(({ reason, worker: { index, start } }) => ({ reason, index, start }))).toEqual([
      { reason: "recycled", index: 0, start: 0 },
    ]);
    expect(pool.stats().recycled).toEqual({ recycled: 1 });
    // The old snapshot is of nobody now.
    await within(pool.recycle(first));
    await within(pool.kill(first));
    expect((await within(pool.call.run())).identity).toBe(results[0].identity);
    expect(ends).toHaveLength(1);
  });

  test("recycle() replaces all, spare workers too, and calls go on meanwhile", async () => {
    const { pool, told } = await create({ threads: 2, spareWorkers: 1 });
    await using _ = pool;
    const startsBefore = pool.workers.map(({ startedAt }) => Number(startedAt));
    const calls = Array.from({ length: 300 }, (_, value) => pool.call.echo(value));
    await within(pool.recycle());
    expect(await within(Promise.all(calls))).toEqual(calls.map((_, value) => value));
    await settled(pool);
    expect(pool.workers.map(({ state }) => state).sort()).toEqual(["ready", "ready", "spare"]);
    expect(pool.workers.every(({ startedAt }, at) => Number(startedAt) !== startsBefore[at])).toBe(true);
    expect(told).toEqual(["recycled", "recycled", "recycled"]);
  });

  test("a call that hangs delays a recycled worker for gracefulShutdownTimeout", async () => {
    const { pool, told, ends } = await create({ workerPoolConfig: { gracefulShutdownTimeout: 100 } });
    await using _ = pool;
    const hung = failure(pool.call.block(undefined));
    await until("it is running", () => pool.stats().activeWorkers === 1 && pool.stats().queueDepth === 0);
    const behind = pool.call.run();
    await within(pool.recycle());
    const error = await hung;
    expect(error).toBeInstanceOf(WorkerKilledError);
    expect(error).toMatchObject({ reason: "recycled", task: "block" });
    expect((error as Error).message).toContain("workerPoolConfig.gracefulShutdownTimeout, which is 100");
    expect((await within(behind)).run).toBe(1);
    expect(told).toEqual(["recycled"]);
    expect(ends.map(({ reason }) => reason)).toEqual(["recycled"]);
  });

  test("a stream that nobody reads at present is not cut off when its worker is recycled", async () => {
    const { pool } = await create({ spareWorkers: 1 });
    await using _ = pool;
    const gate = file();
    const stream = (await within(pool.call.items({ before: 1, gate, after: 3 })))[Symbol.asyncIterator]();
    expect(await within(stream.next())).toEqual({ value: 0, done: false });
    let isGone = false;
    const recycled = pool.recycle().then(() => {
      isGone = true;
    });
    expect((await within(pool.call.run())).run).toBe(1);
    expect(isGone).toBe(false);
    open(gate);
    const rest: unknown[] = [];
    for (let step = await within(stream.next()); step.done !== true; step = await within(stream.next())) {
      rest.push(step.value);
    }
    expect(rest).toEqual([1, 2, 3]);
    await within(recycled);
  });

  test("kill() ends a worker at once: what it has begun rejects, the rest moves", async () => {
    const { pool, told, ends } = await create();
    await using _ = pool;
    const [first] = pool.workers;
    const async = [1, 2, 3].map(() => failure(pool.call.wait(undefined)));
    await running(pool, 3);
    const hung = failure(pool.call.block(undefined));
    await running(pool, 4);
    const behind = [1, 2, 3, 4, 5].map(() => pool.call.run());
    await within(pool.kill(first));
    const errors = await Promise.all([...async, hung]);
    expect(errors.every((error) => error instanceof WorkerKilledError)).toBe(true);
    expect(errors).toMatchObject([
      ...[1, 2, 3].map(() => ({ reason: "killed", task: "wait" })),
      { reason: "killed", task: "block" },
    ]);
    expect((await within(Promise.all(behind))).map(({ run }) => run)).toEqual([1, 2, 3, 4, 5]);
    await until("it is told", () => told.length === 1);
    expect(told).toEqual(["killed"]);
    expect(ends).toMatchObject([{ reason: "killed", worker: { index: first.index, start: 0 } }]);
    expect(pool.stats().recycled).toEqual({ killed: 1 });
    await within(pool.kill(first));
    expect(ends).toHaveLength(1);
  });

  test("kill() of a worker that boots, of a spare one, and of both of a pool", async () => {
    const { pool, ends } = await create({ spareWorkers: 1 });
    await using _ = pool;
    const [spare] = pool.workers.filter(({ state }) => state === "spare");
    const [active] = pool.workers.filter(({ state }) => state === "ready");
    // The spare one is doomed, so it takes nobody's place.
    void pool.kill(spare);
    void pool.kill(active);
    const calls = Array.from({ length: 20 }, () => pool.call.run());
    expect(new Set((await within(Promise.all(calls))).map(({ identity }) => identity)).size).toBe(1);
    // The place of the spare one may take longer to be empty.
    await until("both have ended", () => ends.length === 2);
    expect(ends.map(({ reason }) => reason)).toEqual(["killed", "killed"]);
    await settled(pool);
    // A worker that is about to be ready takes no call any more.
    await within(Promise.all(pool.workers.map((each) => pool.kill(each))));
    await until("they boot", () => pool.workers.some(({ state }) => state === "booting"));
    const booting = pool.workers.filter(({ state }) => state === "booting");
    const killed = booting.map((each) => pool.kill(each));
    const after = Array.from({ length: 20 }, (_, value) => pool.call.echo(value));
    expect(await within(Promise.all(after))).toEqual(after.map((_, value) => value));
    await within(Promise.all(killed));
    await settled(pool);
  });

  test("kill() of a worker that is being recycled: the last reason counts, once", async () => {
    const { pool, told, ends } = await create();
    await using _ = pool;
    const [first] = pool.workers;
    const hung = failure(pool.call.block(undefined));
    await until("it is running", () => pool.stats().activeWorkers === 1 && pool.stats().queueDepth === 0);
    const recycled = pool.recycle(first);
    await within(pool.kill(pool.workers[0]));
    await within(recycled);
    expect(await hung).toMatchObject({ reason: "killed" });
    await until("it is told", () => told.length === 1);
    expect([told, ends.map(({ reason }) => reason), pool.stats().recycled]).toEqual([
      ["killed"],
      ["killed"],
      { killed: 1 },
    ]);
    expect((await within(pool.call.run())).run).toBe(1);
  });

  test("a shutdown amid a recycling, a kill and a boot ends them all, and settles every call", async () => {
    for (const moment of ["recycle", "kill", "boot"] as const) {
      const { pool } = await create({ threads: 2, spareWorkers: 1 });
      const calls = Array.from({ length: 40 }, () => outcome(pool.call.wait(undefined)));
      const asked = moment === "recycle" ? [pool.recycle()] : pool.workers.map((each) => pool.kill(each));
      if (moment === "boot") {
        await within(Promise.all(asked));
        asked.push(...pool.workers.map((each) => pool.recycle(each)));
      }
      const again = outcome(pool.call.run());
      await within(pool.shutdown());
      await within(Promise.all(asked));
      await until("all have settled", () => [...calls, again].every(({ settled }) => settled === 1));
      expect(pool.workers.every(({ state, pid }) => state === "closed" && pid === null)).toBe(true);
      await within(pool.kill(pool.workers[0]));
      await within(pool.recycle());
    }
  });

  test("a getter that shuts the pool down while a dead worker's calls go elsewhere starts no worker", async () => {
    const { pool } = await create({ spareWorkers: 1, concurrency: 1 });
    const starts: number[] = [];
    pool.on("spawn", ({ worker: { index } }) => starts.push(index));
    const terms = { affinity: "one" };
    const held = failure(pool.call.block(undefined, terms));
    await until("it is running", () => pool.stats().activeWorkers === 1);
    let looks = 0;
    const argument = {
      get now() {
        looks++;
        void pool.shutdown();
        return 1;
      },
    };
    const waiting = failure(pool.call.echo(argument, { ...terms, copy: false }));
    const killed = pool.kill(pool.workers.filter(({ state }) => state === "ready")[0]);
    expect(await held).toBeInstanceOf(Error);
    expect(await waiting).toMatchObject({ code: "KNITTING_POOL_CLOSED" });
    await within(killed);
    await within(pool.shutdown());
    expect(looks).toBe(1);
    expect(starts).toEqual([]);
    expect(pool.workers.every(({ state, pid }) => state === "closed" && pid === null)).toBe(true);
  });

  test("listeners may call, kill, recycle and drain", async () => {
    const { pool, ends } = await create({ threads: 2 });
    await using _ = pool;
    const answers: Promise<unknown>[] = [];
    let isOpen = true;
    pool.on("exit", ({ worker: gone }) => {
      if (!isOpen) {
        return;
      }
      answers.push(pool.call.echo(gone.index), pool.drain(), pool.kill(gone), pool.recycle(gone));
    });
    pool.on("restart", ({ worker: { index } }) => answers.push(pool.call.echo(index)));
    pool.once("ready", ({ worker: fresh }) => answers.push(pool.kill(fresh)));
    const calls = Array.from({ length: 50 }, () => outcome(pool.call.run()));
    await within(Promise.all(pool.workers.map((each) => pool.kill(each))));
    await until("three have ended", () => ends.length === 3);
    await within(pool.drain());
    expect(calls.every(({ settled }) => settled === 1)).toBe(true);
    await within(Promise.all(answers));
    expect(await within(pool.call.echo("still here"))).toBe("still here");
    isOpen = false;
  });

  test("transferred buffers belong to the call at once, also while it waits", async () => {
    const { pool } = await create({ concurrency: 1 });
    await using _ = pool;
    const gate = file();
    const held = pool.call.block(gate);
    await until("it is running", () => pool.stats().activeWorkers === 1);
    const bytes = new Uint8Array(1_000).fill(3);
    const waiting = pool.call.sum(bytes, { transfer: [bytes.buffer] });
    expect(bytes.byteLength).toBe(0);
    const kept = new Uint8Array(10).fill(2);
    // Node keeps the memory that its small Buffers share.
    const stuck = Buffer.from("abc").buffer;
    const both = pool.call.sum(kept, { transfer: [kept.buffer, stuck] });
    if (Number(process.versions.node.split(".")[0]) < 22) {
      // Node 20 passes over it, and the call has what the argument was.
      expect(kept.byteLength).toBe(0);
    } else {
      const refused = await failure(both);
      expect(refused).toMatchObject({ code: "KNITTING_INVALID_OPTION" });
      expect((refused as Error).message).toMatch(/^pool\.call\.sum: one of the buffers of "transfer" can't/);
      expect(kept.byteLength).toBe(10);
    }
    expect(stuck.byteLength).toBeGreaterThan(0);
    // Its worker dies before it has begun the call.
    const killed = pool.kill(pool.workers[0]);
    expect(await failure(held)).toBeInstanceOf(WorkerKilledError);
    await within(killed);
    expect(await within(waiting)).toBe(3_000);
    const idle = new Uint8Array([1, 2, 3]);
    const direct = pool.call.sum(idle, { transfer: [idle.buffer] });
    expect(idle.byteLength).toBe(0);
    expect(await within(direct)).toBe(6);
  });

  test("a pool of one worker survives a timeout, too much memory, a crash and a kill in a row", async () => {
    const { pool, ends } = await create({ workerPoolConfig: { memoryLimitPerWorker: 64 * 1024 * 1024 } });
    // A thread's Buffers are seen while it waits, and a process is told by the system what it can't have.
    const hoard = { shape: isProcess ? "arrays" : "buffers", mebibytes: 300, millis: 2_000, awaits: true };
    await using _ = pool;
    const reasons: string[] = [];
    for (let round = 0; round < 2; round++) {
      const late = failure(pool.call.block(undefined, { timeout: { time: 400, kill: true } }));
      expect(await late).toMatchObject({ code: "KNITTING_TASK_TIMEOUT" });
      expect((await within(pool.call.run())).run).toBe(1);
      const hog = await within(failure(pool.call.hold(hoard)));
      expect(hog).toMatchObject({ code: "KNITTING_WORKER_KILLED", reason: "memory" });
      expect((await within(pool.call.run())).run).toBe(1);
      reasons.push("timeout", "memory");
      if (isProcess) {
        expect(await failure(pool.call.die())).toMatchObject({ code: "KNITTING_WORKER_CRASHED" });
        expect((await within(pool.call.run())).run).toBe(1);
        reasons.push("crash");
      }
      await within(pool.kill(pool.workers[0]));
      expect((await within(pool.call.run())).run).toBe(1);
      reasons.push("killed");
    }
    expect(ends.map(({ reason }) => reason)).toEqual(reasons);
  });
});
