import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  importTask,
  type PoolEvents,
  WorkerCrashedError,
  WorkerKilledError,
  type WorkerOptions,
} from "knitting-native";
import { describe, expect, test } from "vitest";
import { onEveryRuntime, onEveryRuntimeInGate, onEveryWrapperInGate, pidOf, testIf } from "../support/kinds";
import { descendantsOf, Host, isStopped, until, within } from "../support/processes";
import { createPool } from "../support/unrestricted";

const href = "../fixtures/tasks/ends.mjs";
const tasks = {
  late: importTask<void, void>({ href, name: "late" }),
  floating: importTask<void, void>({ href, name: "floating" }),
  handled: importTask<void, string[]>({ href, name: "handled" }),
  io: importTask<number, number>({ href, name: "io" }),
  hang: importTask<void, void>({ href, name: "hang" }),
  hangLater: importTask<void, void>({ href, name: "hangLater" }),
  pid: importTask<void, number>({ href, name: "pid" }),
  noteExit: importTask<string, void>({ href, name: "noteExit" }),
};

/** A worker that gets no processor in the quarter of a second that it has to end is killed. */
const BUSY_MACHINE = { retry: 4 };

const failure = (promise: Promise<unknown>) => within(promise.catch((error: unknown) => error));

/** A pool of one worker that records how its workers end. */
function recordingPool(worker: WorkerOptions, options: WorkerOptions = {}) {
  const ends: PoolEvents["exit"][] = [];
  const pool = createPool({ worker: { ...worker, stdio: "ignore", ...options } })(tasks);
  pool.on("exit", (event) => ends.push(event));
  return { pool, ends };
}

onEveryWrapperInGate(({ worker, isProcess, isWrapped }) => {
  const recording = () => recordingPool(worker);

  test("an error outside of any call is the cause of its worker's end", async () => {
    const { pool, ends } = recording();
    await pool.call.late();
    await until("the worker's end is told", () => ends.length === 1);
    expect(ends[0]).toMatchObject({ reason: "fatalError", exitCode: 1, signal: null });
    expect(ends[0].cause).toBeInstanceOf(TypeError);
    expect(ends[0].cause).toMatchObject({ message: "thrown too late" });
    expect((ends[0].cause as Error).stack).toContain("ends.mjs");
    if (isProcess) {
      expect(ends[0].stderrTail).toContain("thrown too late");
    }
    expect(ends[0].worker.served).toBe(1);
    // The worker was replaced.
    expect(await within(pool.call.io(1))).toBe(1);
    await pool.shutdown();
  });

  test("a rejection that nobody handles is the cause of its worker's end", async () => {
    const { pool, ends } = recording();
    await pool.call.floating();
    await until("the worker's end is told", () => ends.length === 1);
    expect(ends[0]).toMatchObject({ reason: "fatalError", exitCode: 1 });
    expect(ends[0].cause).toBeInstanceOf(RangeError);
    expect(ends[0].cause).toMatchObject({ message: "nobody handles it" });
    await pool.shutdown();
  });

  test("a shutdown ends a worker with status 0", BUSY_MACHINE, async () => {
    const { pool, ends } = recording();
    await pool.call.pid();
    await pool.shutdown();
    await until("the worker's end is told", () => ends.length === 1);
    expect(ends[0]).toMatchObject({ reason: "shutdown", exitCode: 0, signal: null, cause: undefined });
  });

  testIf(isProcess)("a signal is a crash", async () => {
    const { pool, ends } = recording();
    await pool.call.pid();
    process.kill(await pidOf(pool), "SIGKILL");
    await until("the worker's end is told", () => ends.length === 1);
    expect(ends[0].reason).toBe("crash");
    if (!isWrapped) {
      expect(ends[0]).toMatchObject({ exitCode: null, signal: "SIGKILL" });
    }
    await pool.shutdown();
  });
});

onEveryRuntimeInGate(({ worker }) => {
  const recording = (options?: WorkerOptions) => recordingPool(worker, options);

  test("calls that such an error took with them reject with it as their cause", async () => {
    const { pool } = recording();
    // The worker starts its calls in their order.
    const lost = failure(pool.call.io(60_000));
    await pool.call.late();
    const error = await lost;
    expect(error).toBeInstanceOf(WorkerCrashedError);
    expect((error as Error).cause).toMatchObject({ name: "TypeError", message: "thrown too late" });
    await pool.shutdown();
  });

  test("an error that a listener of the task's own handles ends nothing", async () => {
    const { pool, ends } = recording();
    expect(await within(pool.call.handled())).toEqual(["handled"]);
    await pool.shutdown();
    await until("the worker's end is told", () => ends.length === 1);
    expect(ends[0]).toMatchObject({ reason: "shutdown", cause: undefined });
  });

  test("the task that holds a worker up is blamed, not one that waits behind it", async () => {
    const { pool, ends } = recording({ hardTimeoutMs: 400 });
    await pool.call.pid();
    const calls = [pool.call.io(100), pool.call.io(100), pool.call.hang()];
    for (const error of await Promise.all(calls.map(failure))) {
      expect(error).toBeInstanceOf(WorkerKilledError);
      expect((error as Error).message).toContain(
        'task "hang" ran longer than worker.hardTimeoutMs, which is 400',
      );
    }
    await until("the worker's end is told", () => ends.length === 1);
    expect(ends[0].reason).toBe("hardTimeout");
    await pool.shutdown();
  });

  test("nobody is blamed alone for what any of several tasks may have done", async () => {
    const { pool } = recording({ hardTimeoutMs: 400 });
    await pool.call.pid();
    const calls = [pool.call.io(300), pool.call.hangLater(), pool.call.io(300)];
    for (const error of await Promise.all(calls.map(failure))) {
      expect(error).toBeInstanceOf(WorkerKilledError);
      expect((error as Error).message).toContain('one of the tasks "io", "hangLater"');
    }
    await pool.shutdown();
  });
});

onEveryRuntime(({ worker, isProcess }) => {
  test("calls count as served if their task was run", async () => {
    const pool = createPool({ worker })(tasks);
    await pool.call.pid();
    const aborted = new AbortController();
    const behind = [pool.call.io(1), failure(pool.call.io(1, { signal: aborted.signal }))];
    aborted.abort();
    await Promise.all(behind);
    await pool.call.pid();
    expect(pool.workers[0].served).toBe(3);
    await pool.shutdown();
  });

  describe("listeners of a worker's exit", () => {
    test("run at a shutdown, and what they print arrives", BUSY_MACHINE, async () => {
      const folder = mkdtempSync(join(tmpdir(), "knitting-exit-"));
      const file = join(folder, "note");
      const lines: string[] = [];
      const pool = createPool({ worker: { ...worker, stdio: "pipe" } })(tasks);
      pool.on("output", ({ line }) => lines.push(line));
      await pool.call.noteExit(file);
      await pool.shutdown();
      expect(readFileSync(file, "utf8")).toBe("exit 0");
      await until("the line came", () => lines.length > 0);
      expect(lines).toEqual(["the last line"]);
      rmSync(folder, { recursive: true });
    });
  });

  describe.concurrent("a host that is a process of its own", () => {
    const start = (what: string, options: object = {}, ...more: string[]) =>
      new Host("ends-host.mjs", JSON.stringify({ ...worker, ...options }), what, ...more);

    test.each(["late", "floating"])("prints a fatal error if nobody listens (%s)", async (what) => {
      const host = start(what);
      expect(await host.exit()).toEqual({ code: 0, signal: null });
      expect(host.stderr).toContain("[KNITTING_FATAL_ERROR]");
      expect(host.stderr).toContain(what === "late" ? "TypeError" : "RangeError");
      expect(host.stderr).toContain("ends.mjs");
    });

    test("leaves the printing to a listener", async () => {
      const host = start("listened");
      expect(await host.exit()).toEqual({ code: 0, signal: null });
      expect(host.stdout).toContain("told fatalError thrown too late");
      expect(host.stderr).not.toContain("KNITTING_FATAL_ERROR");
    });

    test("gives its workers the time for which it was stopped with them", async () => {
      const host = start("slow", { hardTimeoutMs: 3_000 });
      await host.says("begun");
      const all = [host.pid, ...descendantsOf(host.pid)];
      all.forEach((pid) => void process.kill(pid, "SIGSTOP"));
      await new Promise((resolve) => setTimeout(resolve, 4_000));
      all.forEach((pid) => void process.kill(pid, "SIGCONT"));
      expect(await host.exit()).toEqual({ code: 0, signal: null });
      expect(host.stdout).toContain("answered 1500");
    });

    testIf(isProcess)("gives a worker that was stopped alone no more time than any other", async () => {
      const folder = mkdtempSync(join(tmpdir(), "knitting-stopped-"));
      const host = start("slow", { hardTimeoutMs: 3_000 }, join(folder, "file"));
      await host.says("begun");
      const workers = descendantsOf(host.pid);
      workers.forEach((pid) => void process.kill(pid, "SIGSTOP"));
      await until("they are stopped", () => workers.every(isStopped));
      // A worker that runs would answer now.
      writeFileSync(join(folder, "file"), "");
      expect(await host.exit()).toEqual({ code: 0, signal: null });
      expect(host.stdout).toContain("WorkerKilledError");
      rmSync(folder, { recursive: true });
    });
  });
});
