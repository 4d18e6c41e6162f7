import { createPool, importTask, TaskNotFoundError, task, WorkerBootError } from "knitting-native";
import { describe, expect, test, vi } from "vitest";
import { onEveryRuntimeInGate } from "../support/kinds";
import { until } from "../support/processes";

const basic = "../fixtures/tasks/basic.mjs";
const of = <Argument, Result>(name: string) => importTask<Argument, Result>({ href: basic, name });

const tasks = {
  add: of<[number, number], number>("add"),
  double: of<number, number>("double"),
  nothing: of<void, undefined>("nothing"),
  typeOf: of<unknown, string>("typeOf"),
  echo: of<unknown, unknown>("echo"),
  echoLater: of<unknown, unknown>("echoLater"),
  reportIsMain: of<void, boolean>("reportIsMain"),
  who: of<void, string>("who"),
  inThread: of<void, boolean>("inThread"),
  pid: of<void, number>("pid"),
  wait: of<number, number>("wait"),
  spin: of<number, number>("spin"),
  thenable: of<string, string>("thenable"),
  byDefault: importTask<string, string>({ href: basic }),
};

onEveryRuntimeInGate(({ worker, isProcess }) => {
  test("a task runs in a worker and its result comes back", async () => {
    await using pool = createPool({ worker })(tasks);
    expect(await pool.call.add([1, 2])).toBe(3);
    expect(await pool.call.double(21)).toBe(42);
    expect(await pool.call.byDefault("export")).toBe("default export");
    expect(await pool.call.inThread()).toBe(!isProcess);
    expect((await pool.call.pid()) === process.pid).toBe(!isProcess);
  });

  test("isMain is false in the worker", async () => {
    await using pool = createPool({ worker })(tasks);
    expect(await pool.call.reportIsMain()).toBe(false);
  });

  test("a call without argument passes undefined, and a task without result resolves to it", async () => {
    await using pool = createPool({ worker })(tasks);
    expect(await pool.call.typeOf(undefined)).toBe("undefined");
    expect(await pool.call.nothing()).toBeUndefined();
  });

  test("async tasks and foreign thenables are awaited in the worker", async () => {
    await using pool = createPool({ worker })(tasks);
    expect(await pool.call.echoLater("later")).toBe("later");
    expect(await pool.call.thenable("once")).toBe("once");
    const waits = [30, 1, 10].map((millis) => pool.call.wait(millis));
    expect(await Promise.all(waits)).toEqual([30, 1, 10]);
  });

  test("an async task does not hold up the calls behind it", async () => {
    await using pool = createPool({ worker })(tasks);
    const order: string[] = [];
    const slow = pool.call.wait(200).then(() => order.push("slow"));
    await pool.call.add([1, 1]).then(() => order.push("quick"));
    await slow;
    expect(order).toEqual(["quick", "slow"]);
  });

  test("a promise of the argument is awaited on the host", async () => {
    await using pool = createPool({ worker })(tasks);
    expect(await pool.call.double(Promise.resolve(4))).toBe(8);
    await expect(pool.call.double(Promise.reject(new Error("no argument")))).rejects.toThrow("no argument");
  });

  test("calls are spread over the workers in turn", async () => {
    await using pool = createPool({ threads: 3, worker })(tasks);
    await until("all are ready", () => pool.workers.every(({ state }) => state === "ready"));
    const seen: unknown[] = [];
    while (seen.length < 9) {
      seen.push(await pool.call.who());
    }
    expect(new Set(seen).size).toBe(3);
    expect(seen.slice(0, 3)).toEqual(seen.slice(3, 6));
  });

  test("many calls at once come back to their own promises", async () => {
    await using pool = createPool({ threads: 2, worker })(tasks);
    const calls = Array.from({ length: 50_000 }, (_, index) => pool.call.add([index, 1]));
    const results = await Promise.all(calls);
    expect(results.every((result, index) => result === index + 1)).toBe(true);
  });

  test("more async calls than a ring has slots are in flight together", async () => {
    await using pool = createPool({ worker })(tasks);
    const results = await Promise.all(
      Array.from({ length: 5_000 }, (_, index) => pool.call.echoLater(index)),
    );
    expect(results).toEqual(Array.from({ length: 5_000 }, (_, index) => index));
  });

  test("a call long after the last one is answered", async () => {
    await using pool = createPool({ worker })(tasks);
    for (const pause of [0, 1, 5, 20, 100, 300]) {
      await new Promise((resolve) => setTimeout(resolve, pause));
      expect(await pool.call.double(pause)).toBe(2 * pause);
    }
  });

  test("the host's event loop turns while calls go back and forth without a pause", async () => {
    await using pool = createPool({ worker })(tasks);
    let turns = 0;
    const timer = setInterval(() => turns++, 1);
    const end = Date.now() + 300;
    while (Date.now() < end) {
      await pool.call.double(1);
    }
    clearInterval(timer);
    expect(turns).toBeGreaterThan(5);
  });

  test("a result is not held back by a slow task behind it", async () => {
    await using pool = createPool({ worker })(tasks);
    await pool.call.nothing();
    const quick = pool.call.double(1);
    const slow = pool.call.spin(400);
    expect(await Promise.race([quick, slow])).toBe(2);
    await slow;
  });

  test("nor by one that has been slow before, nor by many", async () => {
    await using pool = createPool({ worker })(tasks);
    await pool.call.spin(50);
    const order: string[] = [];
    const calls = [
      pool.call.double(1).then(() => order.push("double")),
      ...Array.from({ length: 20 }, () => pool.call.spin(20).then(() => order.push("spin"))),
    ];
    await calls[0];
    expect(order).toEqual(["double"]);
    await calls[1];
    expect(order.length).toBeLessThan(5);
    await Promise.all(calls);
  });

  test("a task's timers are not held up by the calls behind it", async () => {
    await using pool = createPool({ worker })(tasks);
    await pool.call.nothing();
    let busy = true;
    const woken = pool.call.wait(20).then(() => {
      busy = false;
    });
    let calls = 0;
    while (busy) {
      await Promise.all(Array.from({ length: 50 }, () => pool.call.double(1)));
      calls++;
      expect(calls).toBeLessThan(20_000);
    }
    await woken;
    const order: string[] = [];
    const timer = pool.call.wait(10).then(() => order.push("timer"));
    const slow = Array.from({ length: 100 }, () => pool.call.spin(5).then(() => order.push("slow")));
    await timer;
    expect(order.length).toBeLessThan(50);
    await Promise.all(slow);
  });

  test("fake timers of a test runner do not stop the calls", async () => {
    vi.useFakeTimers();
    try {
      const pool = createPool({ worker })(tasks);
      expect(await pool.call.double(21)).toBe(42);
      expect(await pool.call.wait(20)).toBe(20);
      await pool.shutdown();
    } finally {
      vi.useRealTimers();
    }
  });

  test("a missing export rejects the calls of that task, others work", async () => {
    const missing = importTask<void, void>({
      href: "data:text/javascript,export const here = () => 1",
      name: "gone",
    });
    const here = importTask<void, number>({
      href: "data:text/javascript,export const here = () => 1",
      name: "here",
    });
    await using pool = createPool({ worker })({ missing, here });
    await expect(pool.call.missing()).rejects.toThrow(TaskNotFoundError);
    await expect(pool.call.missing()).rejects.toThrow(/task "missing".*no export "gone"/);
    expect(await pool.call.here()).toBe(1);
  });

  test("a module that imports a missing module fails the boot and names it", async () => {
    const broken = importTask<void, void>({
      href: "data:text/javascript,import 'file:///no/such/module.mjs'; export const f = () => 1",
      name: "f",
    });
    await using pool = createPool({ worker })({ broken });
    const error = await pool.call.broken().catch((error) => error);
    expect(error).toBeInstanceOf(WorkerBootError);
    expect(error.message).toContain("/no/such/module.mjs");
  });
});

describe("tasks that can't be found are refused by createPool", () => {
  test("a file that does not exist", () => {
    const gone = importTask({ href: "../fixtures/tasks/gone.mjs", name: "f" });
    expect(() => createPool()({ gone })).toThrow(/task "gone": its module .*gone\.mjs does not exist/);
  });

  test("an export that the module lacks", () => {
    const gone = importTask({ href: basic, name: "subtract" });
    expect(() => createPool()({ gone })).toThrow(/has no export "subtract" \(it exports add, /);
  });

  test("a function in a test file", () => {
    const local = () => 1;
    expect(() => createPool()({ local })).toThrow(/is a test file.*importTask/);
    const defined = task({ f: local });
    expect(() => createPool()({ defined })).toThrow(TaskNotFoundError);
  });
});

// All kinds run at once, because each test only waits.
describe.concurrent("for longer than the lane's idle time", () => {
  onEveryRuntimeInGate(({ worker }) => {
    test("a call may take, and is answered", async () => {
      await using pool = createPool({ worker })(tasks);
      await pool.call.double(1);
      expect(await pool.call.wait(11_000)).toBe(11_000);
    });
  });
});
