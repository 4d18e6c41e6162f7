import { importTask, type PoolEvents, WorkerBootError, WorkerKilledError } from "knitting-native";
import { describe, expect, test } from "vitest";
import { onEveryRuntime, onEveryWrapperInGate, onProcessesInGate } from "../support/kinds";
import { commandOf, until, within } from "../support/processes";
import { createPool } from "../support/unrestricted";

const href = "../fixtures/tasks/basic.mjs";
const tasks = {
  add: importTask<[number, number], number>({ href, name: "add" }),
  pid: importTask<void, number>({ href, name: "pid" }),
  who: importTask<void, string>({ href, name: "who" }),
  spin: importTask<number, number>({ href, name: "spin" }),
  wait: importTask<number, number>({ href, name: "wait" }),
};

const failure = (promise: Promise<unknown>) => within(promise.catch((error: unknown) => error));
/** Holds this thread up, so that its event loop doesn't turn. */
function block(millis: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, millis);
}
const pause = (millis: number) => new Promise((resolve) => setTimeout(resolve, millis));

onEveryWrapperInGate(({ worker, isProcess, isWrapped }) => {
  test("a task that spins for ever costs its worker, and nobody else anything", async () => {
    await using pool = createPool({ threads: 2, worker: { ...worker, hardTimeoutMs: 200 } })(tasks);
    await Promise.all([pool.call.who(), pool.call.who()]);
    const before = await pool.call.who();
    const stuck = failure(pool.call.spin(3_600_000));
    // Half of these wait behind the stuck task, and move to another worker.
    const others = Array.from({ length: 100 }, (_, index) => pool.call.add([index, 1]));
    const error = await stuck;
    expect(error).toBeInstanceOf(WorkerKilledError);
    expect(error).toMatchObject({ reason: "hardTimeout", task: "spin", code: "KNITTING_WORKER_KILLED" });
    expect((error as Error).message).toContain("worker.hardTimeoutMs, which is 200");
    expect(await within(Promise.all(others))).toEqual(Array.from({ length: 100 }, (_, index) => index + 1));
    expect(await pool.call.add([1, 2])).toBe(3);
    expect(before).toBeTypeOf("string");
  });

  test("a task that waits for too long is late too, and one that is quick never", async () => {
    await using pool = createPool({ worker: { ...worker, hardTimeoutMs: 300 } })(tasks);
    for (let round = 0; round < 20; round++) {
      expect(await pool.call.wait(25)).toBe(25);
    }
    expect(await failure(pool.call.wait(3_600_000))).toMatchObject({ reason: "hardTimeout", task: "wait" });
  });

  test("workers tell what they are, and what happens to them", async () => {
    const pool = createPool({ threads: 2, worker: { ...worker, hardTimeoutMs: 200 } })(tasks);
    const seen: string[] = [];
    const infos: PoolEvents["ready"]["worker"][] = [];
    for (const name of ["spawn", "ready", "exit", "restart"] as const) {
      pool.on(name, ({ worker: info }: { worker: PoolEvents["ready"]["worker"] }) => {
        seen.push(`${name} ${info.index}`);
        infos.push(info);
      });
    }
    let once = 0;
    pool.once("ready", () => once++);
    const removed = () => seen.push("removed");
    pool.on("ready", removed).off("ready", removed);

    expect(pool.workers.map(({ index, state, served }) => ({ index, state, served }))).toEqual([
      { index: 0, state: "booting", served: 0 },
      { index: 1, state: "booting", served: 0 },
    ]);
    await until("both are ready", () => pool.workers.every(({ state }) => state === "ready"));
    const [first, second] = pool.workers;
    expect(first.runtime).toBe(isProcess ? worker.processRuntime : "thread");
    expect(first.startedAt).toBeInstanceOf(Date);
    expect(Math.abs(Date.now() - Number(first.startedAt))).toBeLessThan(60_000);
    // Calls with an affinity stay where they are.
    const pids = await Promise.all(["one", "two"].map((affinity) => pool.call.pid(undefined, { affinity })));
    if (isWrapped) {
      await until("both are found", () =>
        pool.workers.every(({ pid }) => commandOf(pid as number).includes("worker.js")),
      );
      expect(pool.workers[0].pid).not.toBe(pool.workers[1].pid);
    } else {
      expect([first.pid, second.pid].sort()).toEqual(isProcess ? pids.sort() : [null, null]);
    }
    expect(pool.workers.map(({ served }) => served)).toEqual([1, 1]);

    await failure(pool.call.spin(3_600_000));
    await until("the replacement is ready", () => pool.workers.every(({ state }) => state === "ready"));
    await pool.shutdown();
    expect(pool.workers.every(({ state, pid }) => state === "closed" && pid === null)).toBe(true);
    await pause(10);
    expect(once).toBe(1);
    expect(seen).not.toContain("removed");
    const of = (index: number) => seen.filter((event) => event.endsWith(` ${index}`));
    const whole = ["spawn", "ready", "exit", "restart", "spawn", "ready", "exit"];
    const histories = [of(0), of(1)].sort((a, b) => b.length - a.length);
    expect(histories.map((history) => history.map((event) => event.split(" ")[0]))).toEqual([
      whole,
      ["spawn", "ready", "exit"],
    ]);
  });

  test("a listener that throws harms the pool not", async () => {
    await using pool = createPool({ worker })(tasks);
    const uncaught: unknown[] = [];
    const listeners = process.listeners("uncaughtException");
    process.removeAllListeners("uncaughtException");
    process.on("uncaughtException", (error) => uncaught.push(error));
    try {
      pool.on("ready", () => {
        throw new Error("from a listener");
      });
      expect(await pool.call.add([1, 2])).toBe(3);
      await until("it was thrown", () => uncaught.length > 0);
    } finally {
      process.removeAllListeners("uncaughtException");
      for (const listener of listeners) {
        process.on("uncaughtException", listener);
      }
    }
    expect(uncaught).toMatchObject([{ message: "from a listener" }]);
    expect(await pool.call.add([1, 2])).toBe(3);
  });

  const output = "../fixtures/tasks/output.mjs";
  const writers = {
    log: importTask<{ out?: string[]; err?: string[] }, void>({ href: output, name: "log" }),
    flood: importTask<number, number>({ href: output, name: "flood" }),
    pid: importTask<void, number>({ href: output, name: "pid" }),
  };

  test("piped lines are events that name the worker", async () => {
    const pool = createPool({ threads: 2, worker: { ...worker, stdio: "pipe" } })(writers);
    const lines: [number, string, string][] = [];
    pool.on("output", ({ worker: { index }, stream, line }) => lines.push([index, stream, line]));
    await until("both are ready", () => pool.workers.every(({ state }) => state === "ready"));
    // Another call, which a worker has not begun in time, may go to the other one.
    await Promise.all([
      pool.call.log({ out: ["one", "", "täuschung"] }, { affinity: "one" }),
      pool.call.log({ err: ["two"], out: ["x".repeat(9_000)] }, { affinity: "two" }),
    ]);
    await until("five lines came", () => lines.length >= 5);
    await pool.shutdown();
    const first = lines.find(([, , line]) => line === "one")?.[0] as number;
    const of = (worker: number) =>
      lines.filter(([index]) => index === worker).map(([, stream, line]) => `${stream} ${line}`);
    expect(of(first)).toEqual(["stdout one", "stdout ", "stdout täuschung"]);
    expect(new Set(of(1 - first))).toEqual(new Set(["stderr two", `stdout ${"x".repeat(9_000)}`]));
  });
});

// All kinds at once: each does nothing but wait, for longer than a worker takes to attach on a machine that others use.
describe.concurrent("a boot that takes too long", () => {
  onEveryWrapperInGate(({ worker }) => {
    test("a module that never finishes loading fails the boot within startupTimeoutMs", async () => {
      const code = "await new Promise(() => setInterval(() => {}, 1000)); export const f = () => 1";
      const slow = importTask({ href: `data:text/javascript,${encodeURIComponent(code)}`, name: "f" });
      await using pool = createPool({ worker: { ...worker, startupTimeoutMs: 5_000 } })({ slow });
      const error = await failure(pool.call.slow());
      expect(error).toBeInstanceOf(WorkerBootError);
      expect((error as Error).message).toContain(
        "has not imported its tasks within worker.startupTimeoutMs, which is 5000",
      );
    });
  });
});

onEveryRuntime(({ worker }) => {
  test("a host that is held up blames no worker for it", async () => {
    const limits = { hardTimeoutMs: 400, startupTimeoutMs: 20_000 };
    await using pool = createPool({ worker: { ...worker, ...limits } })(tasks);
    const ends: unknown[] = [];
    pool.on("exit", (event) => ends.push(event));
    await pool.call.add([1, 2]);
    const calls = [pool.call.wait(100), ...Array.from({ length: 4 }, () => pool.call.spin(150))];
    // A call was seen running, and then many were answered while the host was not listening.
    await pause(80);
    block(700);
    expect(await within(Promise.all(calls))).toEqual([100, 150, 150, 150, 150]);
    await pause(100);
    expect(ends).toEqual([]);
  });

  test("a host that is held up while its worker boots blames it neither", async () => {
    await using pool = createPool({ worker: { ...worker, startupTimeoutMs: 3_000 } })(tasks);
    const ends: unknown[] = [];
    pool.on("exit", (event) => ends.push(event));
    await pause(20);
    block(3_500);
    await until("it is ready", () => pool.workers[0].state === "ready");
    await pause(100);
    expect(ends).toEqual([]);
  });
});

onProcessesInGate(({ worker }) => {
  const output = "../fixtures/tasks/output.mjs";
  const writers = {
    log: importTask<{ out?: string[]; err?: string[] }, void>({ href: output, name: "log" }),
    flood: importTask<number, number>({ href: output, name: "flood" }),
    pid: importTask<void, number>({ href: output, name: "pid" }),
  };

  test("a flood of output neither blocks the host nor grows its memory", async () => {
    const pool = createPool({ threads: 2, worker: { ...worker, stdio: "pipe" } })(writers);
    await Promise.all([pool.call.pid(), pool.call.pid()]);
    let lines = 0;
    pool.on("output", () => {
      lines++;
    });
    const before = process.memoryUsage().rss;
    const flood = pool.call.flood(1000);
    let turns = 0;
    const ticking = setInterval(() => turns++, 5);
    const calls: Promise<unknown>[] = [];
    while (calls.length < 50) {
      // Every second call goes to the flooding worker.
      calls.push(pool.call.pid());
      await pause(5);
    }
    // The host's event loop is busy, so it takes nothing, and nothing more may be read.
    const end = performance.now() + 300;
    while (performance.now() < end) {}
    expect(process.memoryUsage().rss - before).toBeLessThan(128 * 1024 * 1024);
    const bytes = await within(flood);
    clearInterval(ticking);
    await within(Promise.all(calls));
    expect(bytes).toBeGreaterThan(100_000);
    expect(turns).toBeGreaterThan(10);
    await until("lines came", () => lines > 0);
    await pool.shutdown();
  });
});
