/** `pool.shutdown(delayMs)`: what may still finish, and until when. */
import { InvalidOptionError, importTask, PoolClosedError } from "knitting-native";
import { describe, expect, test } from "vitest";
import { onChildren, onEveryRuntimeInGate, onEveryWrapperInGate } from "../support/kinds";
import { childrenOf, Host, isAlive, until, within } from "../support/processes";
import { createPool } from "../support/unrestricted";

const of = <Argument, Result>(name: string, href: string) => importTask<Argument, Result>({ href, name });
const tasks = {
  echo: of<unknown, unknown>("echo", "../fixtures/tasks/basic.mjs"),
  wait: of<number, number>("wait", "../fixtures/tasks/basic.mjs"),
  die: of<void, never>("die", "../fixtures/tasks/deadly.mjs"),
  never: of<void, never>("never", "../fixtures/tasks/deadly.mjs"),
  spinForEver: of<void, never>("spinForEver", "../fixtures/tasks/deadly.mjs"),
  count: of<number, AsyncGenerator<number>>("count", "../fixtures/tasks/streams.mjs"),
  loop: importTask<number, string>({
    href: "../fixtures/tasks/limited.mjs",
    name: "loop",
    abortSignal: true,
  }),
};

/** Long enough for everything that finishes at all. */
const LONG_MILLIS = 15_000;

const closed = (promise: Promise<unknown>) =>
  expect(within(promise)).rejects.toSatisfy(
    (error) => error instanceof PoolClosedError && error.message === "Thread closed",
  );

onEveryWrapperInGate(({ worker }) => {
  test("calls in flight finish within the delay, new ones are refused at once", async () => {
    const pool = createPool({ threads: 2, worker })(tasks);
    await pool.call.echo(0);
    // More than a ring has slots, so some of them wait in the host.
    const calls = Array.from({ length: 3_000 }, (_, index) => pool.call.echo({ index }));
    const slow = pool.call.wait(300);
    const over = pool.shutdown(LONG_MILLIS);
    const late = closed(pool.call.echo("late"));
    expect(await within(Promise.all(calls))).toEqual(calls.map((_, index) => ({ index })));
    expect(await within(slow)).toBe(300);
    await late;
    await within(over);
    expect(pool.workers.map(({ state }) => state)).toEqual(["closed", "closed"]);
    await closed(pool.call.echo("later still"));
  });

  test("what has not finished by then rejects, and stuck workers are gone", async () => {
    const before = childrenOf(process.pid);
    const pool = createPool({ threads: 2, worker })(tasks);
    await until("both are ready", () => pool.workers.every(({ state }) => state === "ready"));
    const stuck = [pool.call.spinForEver(), pool.call.spinForEver()];
    await until("both are stuck", () => pool.stats().activeWorkers === 2);
    const calls = [...stuck, pool.call.echo("behind them"), pool.call.never()].map(closed);
    expect(await within(pool.shutdown(150))).toEqual({ cut: calls.length });
    await Promise.all(calls);
    await until("its processes are gone", () =>
      childrenOf(process.pid).every((pid) => before.includes(pid) || !isAlive(pid)),
    );
  });

  test("a worker that dies meanwhile is replaced for the calls that it had not started", async () => {
    await using pool = createPool({ worker })(tasks);
    await pool.call.echo(0);
    const dying = pool.call.die();
    const behind = Array.from({ length: 20 }, (_, index) => pool.call.echo(index));
    const over = pool.shutdown(LONG_MILLIS);
    await expect(within(dying)).rejects.toThrow("the worker of task");
    expect(await within(Promise.all(behind))).toEqual(behind.map((_, index) => index));
    await within(over);
  });

  test("calls made before the workers are ready finish too", async () => {
    const pool = createPool({ threads: 2, worker })(tasks);
    const calls = [pool.call.echo(1), pool.call.echo(2), pool.call.echo(3)];
    const over = pool.shutdown(Number.POSITIVE_INFINITY);
    expect(await within(Promise.all(calls))).toEqual([1, 2, 3]);
    await within(over);
  });
});

onEveryRuntimeInGate(({ worker }) => {
  test("with worker.resolveAfterFinishingAll a shutdown without a delay waits for all calls", async () => {
    const options = { threads: 2, worker: { ...worker, resolveAfterFinishingAll: true } };
    const pool = createPool(options)(tasks);
    await pool.call.echo(0);
    const calls = [pool.call.wait(300), pool.call.wait(200), pool.call.echo("at the end")];
    const over = pool.shutdown();
    const late = closed(pool.call.echo("late"));
    expect(await within(Promise.all(calls))).toEqual([300, 200, "at the end"]);
    await Promise.all([late, within(over)]);
    let last: Promise<number>;
    {
      await using inBlock = createPool(options)(tasks);
      last = inBlock.call.wait(100);
    }
    expect(await within(last)).toBe(100);
    const shortened = createPool(options)(tasks);
    const never = closed(shortened.call.never());
    void shortened.shutdown();
    await within(shortened.shutdown(0));
    await never;
  });
});

describe("on a thread", () => {
  test("another shutdown makes the delay shorter, never longer", async () => {
    for (const second of [undefined, 0, 50]) {
      const pool = createPool()(tasks);
      await pool.call.echo(0);
      const call = closed(pool.call.never());
      const first = pool.shutdown(LONG_MILLIS * 100);
      const again = second === undefined ? pool.shutdown() : pool.shutdown(second);
      void pool.shutdown(LONG_MILLIS * 200);
      await within(Promise.all([first, again, call]));
    }
  });

  test("the end of a using block makes it none", async () => {
    let call: Promise<void>;
    let over: Promise<unknown>;
    {
      using pool = createPool()(tasks);
      await pool.call.echo(0);
      call = closed(pool.call.never());
      over = pool.shutdown(Number.POSITIVE_INFINITY);
    }
    await within(Promise.all([call, over]));
  });

  test("a call whose argument is still to come counts, and is waited for no longer than the others", async () => {
    const pool = createPool()(tasks);
    let give!: (value: string) => void;
    const coming = pool.call.echo(
      new Promise((resolve) => {
        give = resolve;
      }),
    );
    const failing = pool.call.echo(
      new Promise((_, reject) => setImmediate(reject, new Error("no argument"))),
    );
    const over = pool.shutdown(LONG_MILLIS);
    await expect(failing).rejects.toThrow("no argument");
    give("here");
    expect(await within(coming)).toBe("here");
    await within(over);

    const other = createPool()(tasks);
    const lost = closed(other.call.echo(new Promise(() => {})));
    await within(other.shutdown(50));
    await lost;
  });

  test("calls that are given up are not waited for", async () => {
    const pool = createPool({ threads: 2 })(tasks);
    await Promise.all([pool.call.echo(0), pool.call.echo(0)]);
    const aborted = pool.call.never(undefined, { signal: AbortSignal.timeout(60) });
    const late = pool.call.never(undefined, { timeout: { time: 60, maybe: true } });
    const rejected = pool.call.loop(1e9);
    const over = pool.shutdown(Number.POSITIVE_INFINITY);
    setTimeout(() => rejected.reject(new Error("enough")), 60);
    await Promise.all([
      expect(within(aborted)).rejects.toThrow("aborted due to timeout"),
      expect(within(late)).resolves.toBeUndefined(),
      expect(within(rejected)).rejects.toThrow("enough"),
      within(over),
    ]);
  });

  test("a task that runs too long ends by worker.hardTimeoutMs meanwhile", async () => {
    const pool = createPool({ worker: { hardTimeoutMs: 100 } })(tasks);
    await pool.call.echo(0);
    const stuck = expect(within(pool.call.spinForEver())).rejects.toThrow("hardTimeoutMs, which is 100");
    await within(pool.shutdown(Number.POSITIVE_INFINITY));
    await stuck;
  });

  test("workers that never boot end it with their error", async () => {
    const href = "data:text/javascript,throw new Error('not this one'); export const f = 1";
    const pool = createPool({ worker: { maxBootFailures: 2 } })({ f: importTask({ href, name: "f" }) });
    const call = expect(within(pool.call.f())).rejects.toThrow("not this one");
    await within(pool.shutdown(Number.POSITIVE_INFINITY));
    await call;
  });

  test("an idle pool ends at once, whatever the delay", async () => {
    const pool = createPool()(tasks);
    await pool.call.echo(0);
    await within(pool.shutdown(Number.POSITIVE_INFINITY));
    await within(createPool()(tasks).shutdown(LONG_MILLIS));
  });

  test("shutdown needs no pool in front of it", async () => {
    const { call, shutdown } = createPool()(tasks);
    expect(await within(call.echo(5).finally(shutdown))).toBe(5);
    await closed(call.echo(6));
  });

  test.each([-1, Number.NaN, 2 ** 31, "5", null, {}, 5n])("a delay of %s is refused", async (delay) => {
    await using pool = createPool()(tasks);
    expect(() => pool.shutdown(delay as number)).toThrow(InvalidOptionError);
    expect(() => pool.shutdown(delay as number)).toThrow(
      /^pool\.shutdown: "delayMs" is .*, it must be a number/,
    );
    expect(await pool.call.echo("as before")).toBe("as before");
  });
});

describe.each([
  ["thread", { runtime: "thread" }],
  ["process", { runtime: "process", processRuntime: "node" }],
])("a host with a %s", (_, worker) => {
  test("stays alive until its pool has shut down", async () => {
    const host = new Host("pool-host.mjs", JSON.stringify(worker), "draining");
    expect(await host.exit()).toEqual({ code: 0, signal: null });
    expect(host.stdout).toContain("answered 300\ngone");
  });

  test("may leave meanwhile", async () => {
    const host = new Host("pool-host.mjs", JSON.stringify(worker), "draining-exit");
    expect(await host.exit()).toEqual({ code: 7, signal: null });
  });
});

onChildren(({ worker }) => {
  test("no process is left", async () => {
    const before = childrenOf(process.pid);
    const pool = createPool({ threads: 2, worker })(tasks);
    const call = pool.call.wait(50);
    await within(pool.shutdown(LONG_MILLIS));
    expect(await call).toBe(50);
    expect(childrenOf(process.pid).filter((pid) => !before.includes(pid))).toEqual([]);
  });
});

describe("what a shutdown has cut off", () => {
  onEveryRuntimeInGate(({ worker }) => {
    test("is counted, and what has finished is not", async () => {
      const pool = createPool({ threads: 2, worker })(tasks);
      await Promise.all([pool.call.echo(0), pool.call.echo(0)]);
      const given = [
        pool.call.never(),
        pool.call.never(),
        pool.call.wait(60_000),
        // Its argument is still to come.
        pool.call.echo(new Promise(() => {})),
      ].map(closed);
      const finished = pool.call.wait(20);
      const aborted = pool.call.never(undefined, { signal: AbortSignal.abort() }).catch(({ name }) => name);
      const over = pool.shutdown(500);
      const late = closed(pool.call.echo("late"));
      expect(await within(finished)).toBe(20);
      expect(await aborted).toBe("AbortError");
      expect(await within(over)).toEqual({ cut: given.length });
      expect(await within(pool.shutdown(0))).toEqual({ cut: given.length });
      await Promise.all([late, ...given]);
    });

    test("is nothing if everything has finished", async () => {
      const pool = createPool({ worker })(tasks);
      const calls = Array.from({ length: 100 }, (_, index) => pool.call.echo(index));
      expect(await within(pool.shutdown(Number.POSITIVE_INFINITY))).toEqual({ cut: 0 });
      expect((await Promise.all(calls)).length).toBe(100);
      expect(await within(createPool({ worker })(tasks).shutdown())).toEqual({ cut: 0 });
    });

    test("is everything that waits as well, and calls with streams", async () => {
      const pool = createPool({ worker })(tasks);
      await pool.call.echo(0);
      const stream = await pool.call.count(1e9);
      await stream.next();
      const spinning = pool.call.spinForEver();
      const behind = Array.from({ length: 2_000 }, () => pool.call.echo(1));
      const all = [spinning, ...behind].map(closed);
      expect(await within(pool.shutdown())).toEqual({ cut: 1 + all.length });
      await Promise.all(all);
      const rest = async () => {
        for await (const _ of stream) {
        }
      };
      await closed(rest());
    });

    test("rejects without an unhandled rejection, and nothing else does", async () => {
      const host = new Host("pool-host.mjs", JSON.stringify(worker), "unhandled");
      expect(await host.exit()).toEqual({ code: 0, signal: null });
      const lines = host.stdout.trim().split("\n");
      expect(lines.filter((line) => line.startsWith("cut"))).toEqual(["cut 4"]);
      // A call that fails, one that is made after the shutdown, and what the caller has made of one that was cut off.
      expect(lines.filter((line) => line.startsWith("unhandled")).sort()).toEqual([
        "unhandled Error: failed",
        "unhandled PoolClosedError: derived",
        "unhandled PoolClosedError: late",
      ]);
    });
  });

  test("waits for workerPoolConfig.gracefulShutdownTimeout, unless the call says otherwise", async () => {
    const of = (gracefulShutdownTimeout: number) =>
      createPool({ workerPoolConfig: { maxWorkers: 1, gracefulShutdownTimeout } })(tasks);
    const patient = of(LONG_MILLIS);
    await patient.call.echo(0);
    const finished = patient.call.wait(200);
    expect(await within(patient.shutdown())).toEqual({ cut: 0 });
    expect(await finished).toBe(200);

    const impatient = of(100);
    await impatient.call.echo(0);
    const cut = closed(impatient.call.never());
    expect(await within(impatient.shutdown())).toEqual({ cut: 1 });
    await cut;

    const now = of(LONG_MILLIS * 100);
    await now.call.echo(0);
    const cutNow = closed(now.call.never());
    expect(await within(now.shutdown(0))).toEqual({ cut: 1 });
    await cutNow;

    const later = of(1);
    await later.call.echo(0);
    const inTime = later.call.wait(200);
    expect(await within(later.shutdown(LONG_MILLIS))).toEqual({ cut: 0 });
    expect(await inTime).toBe(200);

    let inBlock: Promise<number>;
    {
      await using pool = of(LONG_MILLIS);
      inBlock = pool.call.wait(100);
    }
    expect(await inBlock).toBe(100);
  });
});
