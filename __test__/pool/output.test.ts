import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { importTask } from "knitting-native";
import { describe, expect, test } from "vitest";
import { onEveryRuntime, onEveryWrapperInGate } from "../support/kinds";
import { until, WATCHDOG_MILLIS, within } from "../support/processes";
import { createPool } from "../support/unrestricted";

const href = "../fixtures/tasks/output.mjs";
const tasks = {
  lines: importTask<number, void>({ href, name: "lines" }),
  errors: importTask<number, void>({ href, name: "errors" }),
  long: importTask<number, void>({ href, name: "long" }),
  flow: importTask<number, number>({ href, name: "flow" }),
  printAndHang: importTask<number, void>({ href, name: "printAndHang" }),
  printAndDie: importTask<number, void>({ href, name: "printAndDie" }),
};

const numbered = (count: number) => Array.from({ length: count }, (_, line) => `line ${line}`);

onEveryWrapperInGate(({ worker }) => {
  /** A pool that records its events: the lines of one stream, and `"exit"` for the end of a worker. */
  const recording = (options: object = {}, of = "stdout") => {
    const events: string[] = [];
    const pool = createPool({ worker: { ...worker, ...options, stdio: "pipe" } })(tasks);
    pool.on("output", ({ line, stream }) => stream === of && events.push(line));
    pool.on("exit", () => events.push("exit"));
    return { pool, events };
  };

  test.each([
    ["lines", "stdout"],
    ["errors", "stderr"],
  ] as const)("what a task prints comes before the pool is closed (%s)", async (by, stream) => {
    const { pool, events } = recording({}, stream);
    await pool.call[by](2_000);
    await pool.shutdown();
    // The event of the end comes after the promise of it.
    await until("the worker's end is told", () => events.includes("exit"));
    expect(events).toEqual([...numbered(2_000), "exit"]);
  });

  test("a line of a megabyte comes whole", async () => {
    const { pool, events } = recording();
    await pool.call.long(1024 * 1024);
    await pool.shutdown();
    await until("the worker's end is told", () => events.includes("exit"));
    expect(events.pop()).toBe("exit");
    expect(events.join("")).toBe("x".repeat(1024 * 1024));
  });

  test("what a task printed before it hung comes before its worker's end", async () => {
    const { pool, events } = recording({ hardTimeoutMs: 300 });
    await expect(within(pool.call.printAndHang(1_000))).rejects.toThrow("hardTimeoutMs");
    await until("the worker's end is told", () => events.includes("exit"));
    expect(events.slice(0, 1_001)).toEqual([...numbered(1_000), "exit"]);
    await pool.shutdown();
  });

  test("what a task printed before an error ended its worker comes before that end", async () => {
    const { pool, events } = recording();
    await pool.call.printAndDie(1_000);
    await until("the worker's end is told", () => events.includes("exit"));
    expect(events.slice(0, 1_001)).toEqual([...numbered(1_000), "exit"]);
    await pool.shutdown();
  });
});

onEveryRuntime(({ worker }) => {
  describe("a task that floods a stream", () => {
    test("is held up while the host takes nothing, and no memory grows", async () => {
      const pool = createPool({ worker: { ...worker, stdio: "pipe" } })(tasks);
      let taken = 0;
      pool.on("output", ({ line }) => {
        taken += line.length + 1;
      });
      await pool.call.lines(1);
      const before = process.memoryUsage().rss;
      const flow = pool.call.flow(600);
      await new Promise((resolve) => setTimeout(resolve, 50));
      // Nothing is taken for the rest of the flood, and everything that was written has to wait somewhere.
      const end = performance.now() + 700;
      while (performance.now() < end) {}
      expect(process.memoryUsage().rss - before).toBeLessThan(128 * 1024 * 1024);
      const written = await within(flow);
      await pool.shutdown();
      await until("all lines came", () => taken >= written);
      expect(taken).toBe(written + "line 0\n".length);
    });
  });

  // Nobody has told the pool that it is over in two of these cases.
  describe.concurrent.each(["shutdown", "natural", "exit"])("a host that ends (%s)", (end) => {
    test.each([
      ["lines", 20_000],
      ["errors", 2_000],
      ["long", 1024 * 1024],
    ])("has printed what its tasks have printed (%s)", async (task, argument) => {
      const host = join(__dirname, "..", "fixtures", "hosts", "output-host.mjs");
      const { stdout, stderr, status } = spawnSync(
        process.execPath,
        [host, JSON.stringify(worker), task, String(argument), end],
        { encoding: "utf8", timeout: WATCHDOG_MILLIS, maxBuffer: 16 * 1024 * 1024 },
      );
      const expected = task === "long" ? "x".repeat(argument) : numbered(argument).join("\n");
      expect(status).toBe(0);
      expect(task === "errors" ? stderr : stdout).toBe(`${expected}\n`);
    });
  });
});
