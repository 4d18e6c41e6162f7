/** Calls that end their worker: by a time limit, by a signal, by `kill()`. */
import {
  importTask,
  type PoolEvents,
  type PoolOptions,
  QueueFullError,
  TaskTimeoutError,
  WorkerKilledError,
  WorkerPoolPresets,
} from "knitting-native";
import { expect, test } from "vitest";
import { failure, gates, open, outcome } from "../support/gates";
import { onEveryRuntimeInGate } from "../support/kinds";
import { until, within } from "../support/processes";
import { createPool } from "../support/unrestricted";

const href = "../fixtures/tasks/supervised.mjs";
const of = <Argument, Result>(name: string) => importTask<Argument, Result>({ href, name });
const tasks = {
  run: of<void, { identity: string; run: number }>("run"),
  echo: of<unknown, unknown>("echo"),
  block: of<string | undefined, string>("block"),
  wait: of<string | undefined, string>("wait"),
  listen: importTask<void, string>({ href, name: "listen", abortSignal: true }),
  ignore: importTask<string, void>({ href, name: "ignore", abortSignal: true }),
  abortedSoFar: of<void, { aborted: number; identity: string }>("abortedSoFar"),
  items: of<{ before: number; gate: string; after: number }, AsyncIterable<number>>("items"),
};
const file = gates();
const time = 50;
/** A worker that gets no processor for so long has not begun its call, and then does not end because of it. */
const LONG_TIME = 400;

onEveryRuntimeInGate(({ worker }) => {
  /** A pool whose workers are ready, and the ends of its workers. */
  async function create(options: PoolOptions = {}) {
    const pool = createPool({ worker, ...options })(tasks);
    const ends: PoolEvents["exit"][] = [];
    pool.on("exit", (end) => ends.push(end));
    await until("the workers are ready", () =>
      pool.workers.every(({ state }) => state === "ready" || state === "spare"),
    );
    return { pool, ends };
  }
  type Created = Awaited<ReturnType<typeof create>>["pool"];
  /** Waits until so many calls are on the workers, all of them begun. */
  const begun = (pool: Created, count: number) =>
    until("they have begun", () => {
      const { perWorker, queueDepth } = pool.stats();
      return perWorker.reduce((sum, { running }) => sum + running, 0) === count && queueDepth === 0;
    });

  test.each(["block", "wait"] as const)(
    "a time limit with kill, in each form, of a task that %ss",
    async (name) => {
      const { pool, ends } = await create();
      await using _ = pool;
      const identities = new Set([(await pool.call.run()).identity]);
      const error = new RangeError("too slow");
      const forms = [
        [{ time, kill: true, default: "instead" }, { value: "instead" }],
        [{ time, kill: true, maybe: true }, { value: undefined }],
        [{ time, kill: true, error }, { error }],
        [{ time, kill: true }, { error: expect.any(TaskTimeoutError) }],
      ] as const;
      for (const [count, [timeout, expected]] of forms.entries()) {
        const order: string[] = [];
        const onExit = () => order.push("ended");
        pool.on("exit", onExit);
        for (let tries = 0; pool.workers[0].state === "ready" && ends.length === count; tries++) {
          // One that has not begun in that time ends nobody, and is made again.
          order.splice(0);
          expect(tries).toBeLessThan(10);
          const promise = pool.call[name](undefined, { timeout });
          const settled = () => order.push("settled");
          promise.then(settled, settled);
          const call = outcome(promise);
          await until("it has settled", () => call.settled > 0);
          expect(call).toEqual({ settled: 1, ...expected });
        }
        await until("its worker has ended", () => ends.length > count);
        pool.off("exit", onExit);
        expect(order).toEqual(["settled", "ended"]);
        expect(ends).toHaveLength(count + 1);
        identities.add((await within(pool.call.run())).identity);
      }
      expect(identities.size).toBe(5);
      expect(ends.map(({ reason }) => reason)).toEqual(Array.from({ length: 4 }, () => "timeout"));
      expect(pool.stats().recycled).toEqual({ timeout: 4 });
      // A task that is done in its time ends nobody.
      expect(await pool.call.echo("quick", { timeout: { time: 30_000, kill: true } })).toBe("quick");
      expect(ends).toHaveLength(4);
    },
  );

  test("other calls that the worker had begun reject, those that it had not begin elsewhere", async () => {
    const { pool, ends } = await create();
    await using _ = pool;
    const others = [1, 2, 3].map(() => failure(pool.call.wait(undefined)));
    await begun(pool, 3);
    const late = failure(pool.call.block(undefined, { timeout: { time: LONG_TIME, kill: true } }));
    const behind = [1, 2, 3, 4].map(() => pool.call.run());
    expect(await late).toBeInstanceOf(TaskTimeoutError);
    for (const error of await Promise.all(others)) {
      expect(error).toBeInstanceOf(WorkerKilledError);
      expect(error).toMatchObject({ reason: "timeout", task: "wait", code: "KNITTING_WORKER_KILLED" });
      expect((error as Error).message).toContain(
        `task "block" ran longer than its timeout of ${LONG_TIME} ms, which has kill: true`,
      );
    }
    expect((await within(Promise.all(behind))).map(({ run }) => run)).toEqual([1, 2, 3, 4]);
    expect(ends.map(({ reason }) => reason)).toEqual(["timeout"]);
  });

  test("within graceMs the task learns of it, and its worker lives on if it then settles", async () => {
    const { pool, ends } = await create();
    await using _ = pool;
    const { identity } = await pool.call.abortedSoFar();
    const gate = file();
    const other = pool.call.wait(gate);
    const timeout = { time: LONG_TIME, kill: true, graceMs: 30_000, default: "given up" } as const;
    expect(await within(pool.call.listen(undefined, { timeout }))).toBe("given up");
    let told = await within(pool.call.abortedSoFar());
    while (told.aborted === 0) {
      told = await within(pool.call.abortedSoFar());
    }
    expect(told).toEqual({ aborted: 1, identity });
    open(gate);
    expect(await within(other)).toBe(identity);
    expect(ends).toEqual([]);
  });

  test("after graceMs its worker ends all the same", async () => {
    const { pool, ends } = await create();
    await using _ = pool;
    const told = file();
    const other = failure(pool.call.wait(undefined));
    const late = failure(pool.call.ignore(told, { timeout: { time: LONG_TIME, kill: true, graceMs: 200 } }));
    expect(await late).toBeInstanceOf(TaskTimeoutError);
    expect(await within(pool.call.echo("meanwhile"))).toBe("meanwhile");
    expect(await other).toMatchObject({ reason: "timeout", task: "wait" });
    expect((await within(pool.call.run())).run).toBe(1);
    expect(ends.map(({ reason }) => reason)).toEqual(["timeout"]);
    // The task was told, and was not ended at once.
    const gate = told;
    expect(await within(pool.call.wait(gate))).toBeTypeOf("string");
  });

  test.each(["block", "wait"] as const)(
    "an abort with kill, and kill(), of a task that %ss",
    async (name) => {
      const { pool, ends } = await create();
      await using _ = pool;
      const controller = new AbortController();
      const aborted = failure(pool.call[name](undefined, { signal: controller.signal, kill: true }));
      await begun(pool, 1);
      // Behind a task that waits it may begin on the worker that is to end.
      const behind = name === "block" ? pool.call.run() : undefined;
      controller.abort(new TypeError("no longer wanted"));
      expect(await aborted).toMatchObject({ name: "TypeError", message: "no longer wanted" });
      if (behind !== undefined) {
        expect((await within(behind)).run).toBe(1);
      }
      await until("its worker has ended", () => ends.length === 1);

      const call = pool.call[name](undefined);
      const killed = failure(call);
      await begun(pool, 1);
      const other = name === "wait" ? failure(pool.call.wait(undefined)) : undefined;
      await begun(pool, name === "wait" ? 2 : 1);
      call.kill();
      call.kill();
      const error = await killed;
      expect(error).toBeInstanceOf(WorkerKilledError);
      expect(error).toMatchObject({ reason: "abort", task: name });
      if (other !== undefined) {
        expect(await other).toMatchObject({ reason: "abort", task: "wait" });
      }
      await until("its worker has ended", () => ends.length === 2);
      expect(ends.map(({ reason }) => reason)).toEqual(["abort", "abort"]);
      expect(pool.stats().recycled).toEqual({ abort: 2 });
      expect(await within(pool.call.echo("next"))).toBe("next");
      // It is over, so that nothing can be killed any more.
      call.kill();
      const done = pool.call.echo(1);
      await done;
      done.kill();
      controller.abort();
      expect(await within(pool.call.echo("last"))).toBe("last");
      expect(ends).toHaveLength(2);
    },
  );

  test("a call that was not begun is never sent, and no worker ends for it", async () => {
    const { pool, ends } = await create();
    await using _ = pool;
    const before = (await pool.call.run()).run;
    const gate = file();
    const held = pool.call.block(gate);
    await begun(pool, 1);
    const controller = new AbortController();
    const waiting = Array.from({ length: 6 }, () =>
      pool.call.wait(undefined, { signal: controller.signal, kill: true }),
    );
    const errors = waiting.map(failure);
    waiting[0].kill();
    waiting[5].kill();
    controller.abort("not wanted");
    const never = pool.call.wait(new Promise<string>(() => {}));
    const argument = failure(never);
    never.kill();
    expect(await argument).toMatchObject({ reason: "abort", task: "wait" });
    const [first, second, third, fourth, fifth, last] = await Promise.all(errors);
    expect([first, last]).toMatchObject([{ reason: "abort" }, { reason: "abort" }]);
    expect([second, third, fourth, fifth]).toEqual(Array.from({ length: 4 }, () => "not wanted"));
    expect(
      await failure(pool.call.wait(undefined, { signal: AbortSignal.abort("at once"), kill: true })),
    ).toBe("at once");
    open(gate);
    await within(held);
    expect((await within(pool.call.run())).run).toBe(before + 2);
    expect(ends).toEqual([]);
  });

  test("a stream ends with the worker that makes it, as its form says", async () => {
    const { pool, ends } = await create();
    await using _ = pool;
    const call = pool.call.items({ before: 2, gate: file(), after: 0 });
    const stream = (await within(call))[Symbol.asyncIterator]();
    expect(await within(stream.next())).toEqual({ value: 0, done: false });
    const other = (await within(pool.call.items({ before: 1, gate: file(), after: 0 })))[
      Symbol.asyncIterator
    ]();
    expect(await within(other.next())).toEqual({ value: 0, done: false });
    const [next, otherNext] = [failure(other.next()), undefined];
    expect(otherNext).toBeUndefined();
    call.kill();
    const error = await failure(
      (async () => {
        for (;;) {
          if ((await stream.next()).done) {
            return;
          }
        }
      })(),
    );
    expect(error).toMatchObject({ reason: "abort", task: "items" });
    expect(await next).toMatchObject({ reason: "abort", task: "items" });
    await until("its worker has ended", () => ends.length === 1);

    const timeout = { time: LONG_TIME, kill: true } as const;
    const late = (await within(pool.call.items({ before: 1, gate: file(), after: 0 }, { timeout })))[
      Symbol.asyncIterator
    ]();
    expect(await within(late.next())).toEqual({ value: 0, done: false });
    expect(await failure(late.next())).toBeInstanceOf(TaskTimeoutError);
    await until("its worker has ended", () => ends.length === 2);
    expect(ends.map(({ reason }) => reason)).toEqual(["abort", "timeout"]);
    expect((await within(pool.call.run())).run).toBe(1);
  });

  test("a queue of 21 on STRICT: four run, twenty wait, and one is refused", async () => {
    const { STRICT } = WorkerPoolPresets;
    const { memoryLimitPerWorker: _, queueTimeout: __, ...limits } = STRICT;
    const { pool, ends } = await create({ workerPoolConfig: { ...limits, minWorkers: STRICT.maxWorkers } });
    await using ___ = pool;
    const gate = file();
    const running = Array.from({ length: 4 }, () => pool.call.block(gate));
    await until("four are running", () => pool.stats().activeWorkers === 4 && pool.stats().queueDepth === 0);
    const calls = Array.from({ length: 21 }, (_, value) => outcome(pool.call.echo(value)));
    expect(pool.stats().queueDepth).toBe(20);
    await until("one is refused", () => calls.some(({ settled }) => settled > 0));
    expect(calls.map(({ settled }) => settled)).toEqual([...Array.from({ length: 20 }, () => 0), 1]);
    expect(calls[20].error).toBeInstanceOf(QueueFullError);
    expect(calls[20].error).toMatchObject({ limit: "maxQueueSize", task: "echo" });
    expect((calls[20].error as Error).message).toContain("20 calls wait for a worker");
    open(gate);
    await within(Promise.all(running));
    await until("all are answered", () => calls.every(({ settled }) => settled === 1));
    expect(calls.slice(0, 20).map(({ value }) => value)).toEqual(Array.from({ length: 20 }, (_, at) => at));
    expect(ends).toEqual([]);
  });
});
