/**
 * The facades of examples/compat/, which have the interfaces of other pools, over tasks of ours; and the command that
 * runs the suites of those pools, over small suites of ours. The real suites need a checkout: `npm run compat`.
 */
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { pathToFileURL } from "node:url";
import { afterAll, afterEach, describe, expect, test } from "vitest";
import { run, write } from "../support/installed";

const root = join(__dirname, "..", "..");
const load = createRequire(__filename);
const compat = join(root, "examples", "compat");
const tasks = (name: string) => join(root, "__test__", "fixtures", "compat", name);

/** What a test leaves to be ended. */
const endings: (() => unknown)[] = [];
afterEach(async () => {
  await Promise.all(endings.splice(0).map((end) => end()));
});

/** A new folder, which is removed after the test. */
function scratch(prefix: string): string {
  const folder = mkdtempSync(join(tmpdir(), prefix));
  endings.push(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Resolves when the condition holds. */
async function settled(holds: () => boolean): Promise<void> {
  while (!holds()) {
    await setTimeout(1);
  }
}

const env = { PATTERN: "cable" };
const workerData = { gauge: [22, 30] };

describe.each(["worker_threads", "child_process"])("Tinypool in %s", (runtime) => {
  const filename = tasks("tinypool-tasks.mjs");
  const open = async (options = {}) => {
    const { Tinypool } = await import(pathToFileURL(join(compat, "tinypool.mjs")).href);
    const pool = new Tinypool({ filename, runtime, maxThreads: 1, minThreads: 1, ...options });
    endings.push(() => pool.destroy());
    return { Tinypool, pool };
  };

  test("run takes the default export, a named one, and another file's", async () => {
    const { pool } = await open();
    expect(await pool.run("knit")).toBe("KNIT");
    await expect(pool.run(null, { name: "fail" })).rejects.toThrow(new TypeError("a dropped stitch"));
    const { pool: other } = await open({ filename: null });
    await expect(other.run("knit")).rejects.toThrow("filename must be provided");
    expect(await other.run("knit", { filename: pathToFileURL(filename).href })).toBe("KNIT");
  });

  test("workers have the data and the variables", async () => {
    const { Tinypool, pool } = await open({ env, workerData, name: "surroundings" });
    const { pid, ...others } = await pool.run();
    expect(others).toEqual({ isWorkerThread: true, workerData, variable: "cable" });
    expect(pid === process.pid).toBe(runtime === "worker_threads");
    expect([Tinypool.isWorkerThread, Tinypool.workerData]).toEqual([false, undefined]);
  });

  test("what is marked as movable is moved, and so are the buffers of transferList", async () => {
    const { Tinypool, pool } = await open({ name: "moved" });
    const [marked, listed] = [new ArrayBuffer(8), new ArrayBuffer(8)];
    expect(await pool.run(Tinypool.move(marked))).toEqual(new Uint8Array([1, 2, 3]));
    expect(await pool.run({ listed }, { transferList: [listed] })).toEqual(new Uint8Array([1, 2, 3]));
    expect([marked.byteLength, listed.byteLength]).toEqual([0, 0]);
    expect(await pool.run(null, { name: "leftOfMoved" }), "in the worker").toBe(0);
  });

  test("calls wait in one queue, which has a limit and can be emptied", async () => {
    const { pool } = await open({ name: "wait", maxQueue: 2 });
    const cut = expect(pool.run()).rejects.toThrow("Terminating worker thread");
    const canceled = [1, 2].map(() => pool.run());
    expect([pool.threads.length, pool.queueSize]).toEqual([1, 2]);
    await expect(pool.run()).rejects.toThrow("Task queue is at limit");
    pool.cancelPendingTasks();
    expect(pool.queueSize).toBe(0);
    for (const call of canceled) {
      await expect(call).rejects.toMatchObject({ name: "CancelError" });
    }
    await pool.destroy();
    await cut;
    const { pool: other } = await open({ name: "wait", maxQueue: 0 });
    const running = expect(other.run()).rejects.toThrow("Terminating worker thread");
    await expect(other.run()).rejects.toThrow("No task queue available");
    await other.destroy();
    await running;
  });

  test("an isolated worker runs one call, and its teardown", async () => {
    const folder = scratch("teardown-");
    const { pool } = await open({
      name: "count",
      isolateWorkers: true,
      teardown: "leave",
      workerData: { file: join(folder, "left") },
    });
    expect([await pool.run(), await pool.run(), await pool.run()]).toEqual([1, 1, 1]);
    await pool.destroy();
    expect(readFileSync(join(folder, "left"), "utf8")).toMatch(/^left(left)+$/);
  });

  test("recycleWorkers replaces the workers, also by those of the other kind", async () => {
    const { pool } = await open({ name: "count", argv: ["--gauge", "22"] });
    expect([await pool.run(), await pool.run()]).toEqual([1, 2]);
    expect(pool.completed).toBe(2);
    await pool.recycleWorkers();
    expect(await pool.run()).toBe(1);
    const inProcess = async () => (await pool.run(null, { name: "surroundings" })).pid !== process.pid;
    const before = await inProcess();
    await pool.recycleWorkers({ runtime: before ? "worker_threads" : "child_process" });
    expect(await inProcess()).toBe(!before);
    expect(await pool.run(null, { name: "identity" })).toEqual({ workerId: 1, argv: ["--gauge", "22"] });
  });

  test("an abort, which ends a busy worker, and destroy reject as tinypool's do", async () => {
    const { pool } = await open({ name: "wait" });
    const folder = scratch("spin-");
    const begun = join(folder, "begun");
    const controller = new AbortController();
    const aborted = pool.run(begun, { name: "spin", signal: controller.signal });
    await settled(() => existsSync(begun));
    controller.abort();
    await expect(aborted).rejects.toMatchObject({
      name: "AbortError",
      message: "The task has been aborted",
    });
    expect(await pool.run(null, { name: "count" }), "another worker").toBe(1);
    const cut = expect(pool.run()).rejects.toThrow("Terminating worker thread");
    await pool.destroy();
    await cut;
  });

  test("an error outside of any call is an event", async () => {
    const { pool } = await open({ name: "failLater" });
    const heard = new Promise<Error>((resolve) => pool.on("error", resolve));
    await pool.run();
    expect((await heard).message).toBe("a late stitch");
  });

  test("an option without a counterpart is refused", async () => {
    await expect(open({ maxMemoryLimitBeforeRecycle: 1 })).rejects.toThrow(
      `no counterpart for tinypool's "maxMemoryLimitBeforeRecycle"`,
    );
    const { pool } = await open();
    await expect(pool.run("knit", { channel: {} })).rejects.toThrow('"channel"');
    await expect(pool.run("knit", { name: "purl" })).rejects.toThrow(
      'No handler function "purl" exported from',
    );
    await expect(open({ minThreads: 3, maxThreads: 2 })).rejects.toThrow(RangeError);
  });
});

describe("Piscina", () => {
  const Piscina = load(join(compat, "piscina.cjs"));
  const filename = tasks("piscina-tasks.cjs");
  const open = (options = {}) => {
    const pool = new Piscina({ filename, maxThreads: 1, ...options });
    endings.push(() => pool.destroy());
    return pool;
  };

  test("run takes a named export, and workers have the data and the variables", async () => {
    const pool = open({ env, workerData, name: "count" });
    expect(await pool.run("purl")).toBe(4);
    expect(await pool.run(null, { name: "surroundings" })).toEqual({
      isWorkerThread: true,
      workerData,
      variable: "cable",
    });
    expect(Piscina.isWorkerThread).toBe(false);
  });

  test("an abort, by a signal or an emitter, rejects as piscina's does", async () => {
    const pool = open({ name: "wait" });
    const controller = new AbortController();
    const aborted = pool.run(null, { signal: controller.signal });
    controller.abort("no wool");
    await expect(aborted).rejects.toMatchObject({ message: "The task has been aborted", cause: "no wool" });
    const { EventEmitter } = load("node:events");
    const emitter = new EventEmitter();
    const left = pool.run(null, { signal: emitter });
    emitter.emit("abort");
    await expect(left).rejects.toThrow("The task has been aborted");
    expect(emitter.listenerCount("abort")).toBe(0);
  });

  test("close lets the calls in flight finish, destroy doesn't", async () => {
    const pool = open();
    const closed = once(pool, "close");
    const rested = pool.run(null, { name: "pause" });
    const closing = pool.close();
    await expect(pool.run(null, { name: "pause" })).rejects.toMatchObject({ cause: "queue is closing up" });
    expect(await rested).toBe("rested");
    await Promise.all([closing, closed]);
    expect(pool.threads).toEqual([]);
    const other = open();
    const cut = expect(other.run(null, { name: "wait" })).rejects.toThrow("Terminating worker thread");
    await other.destroy();
    await cut;
  });

  test("an error outside of any call is an event", async () => {
    const pool = open();
    const heard = new Promise<Error>((resolve) => pool.on("error", resolve));
    await pool.run(null, { name: "failLater" });
    expect((await heard).message).toBe("a late stitch");
  });

  test("close with force gives up what waits, and close tells if it took too long", async () => {
    const pool = open({ name: "pause", closeTimeout: 60_000 });
    const [rested, waiting] = [pool.run(), pool.run()];
    const given = expect(waiting).rejects.toMatchObject({ name: "AbortError", cause: "pool is closed" });
    await pool.close({ force: true });
    expect(await rested).toBe("rested");
    await given;
    const slow = open({ name: "wait", closeTimeout: 20 });
    const heard = once(slow, "error");
    const cut = expect(slow.run()).rejects.toThrow("Terminating worker thread");
    await slow.close();
    await cut;
    expect((await heard)[0].message).toBe("Close operation timed out");
  });

  test("it tells when it is full, how many calls wait, and how long they took", async () => {
    const pool = open({ name: "pause", maxQueue: 1 });
    const told: string[] = [];
    for (const name of ["needsDrain", "drain"]) {
      pool.on(name, () => told.push(name));
    }
    const calls = [pool.run(), pool.run()];
    expect([pool.needsDrain, pool.queueSize, pool.utilization]).toEqual([true, 1, 0]);
    await expect(pool.run()).rejects.toThrow("Task queue is at limit");
    await Promise.all(calls);
    expect([pool.needsDrain, pool.queueSize, pool.completed]).toEqual([false, 0, 2]);
    expect(told).toEqual(["needsDrain", "drain"]);
    // The task sleeps for 50 ms, and timers may fire a little early.
    expect(pool.runTime.min).toBeGreaterThan(40);
    expect(pool.waitTime.max).toBeGreaterThan(pool.runTime.min);
    expect(pool.utilization).toBeGreaterThan(0);
    expect(pool.utilization).toBeLessThan(1);
    expect(open({ recordTiming: false }).runTime).toBe(null);
  });

  test("wrong options are told, and so are those without a counterpart", async () => {
    expect(() => new Piscina({ maxThreads: 0 })).toThrow("options.maxThreads must be a positive integer");
    expect(() => new Piscina({ minThreads: 3, maxThreads: 2 })).toThrow(RangeError);
    await expect(open().run("purl", { name: 5 })).rejects.toThrow("name argument must be a string");
    expect(open({ maxQueue: "auto", maxThreads: 3 }).options.maxQueue).toBe(9);
    expect(() => open({ niceIncrement: 3 })).toThrow(`piscina's "niceIncrement"`);
  });
});

describe.each(["thread", "process"])("workerpool with workerType %s", (workerType) => {
  const workerpool = load(join(compat, "workerpool.cjs"));
  const script = tasks("workerpool-script.cjs");
  const open = (options = {}) => {
    const pool = workerpool.pool(script, { workerType, maxWorkers: 1, ...options });
    endings.push(() => pool.terminate(true));
    return pool;
  };

  test("exec runs a method of the script, and a function by its source", async () => {
    const pool = open();
    expect(await pool.exec("add", [3, 4])).toBe(7);
    expect(await pool.exec((a: number, b: number) => a * b, [3, 4])).toBe(12);
    expect(await pool.exec("isMainThread")).toBe(false);
    expect(await pool.exec("transfer")).toEqual(new Uint8Array([1, 2, 3]));
    expect(await pool.exec("leftOfTransfer"), "in the worker").toBe(0);
    const bytes = new Uint8Array(4);
    expect(await pool.exec("length", [bytes], { transfer: [bytes.buffer] })).toBe(4);
    expect(bytes.byteLength).toBe(0);
    await expect(pool.exec("purl")).rejects.toThrow('Unknown method "purl"');
    const proxy = await pool.proxy();
    expect(await proxy.add(1, 2)).toBe(3);
  });

  test("events of a call reach its listener", async () => {
    const heard: unknown[] = [];
    const on = (payload: unknown) => heard.push(payload);
    expect(await open().exec("countUp", [3], { on })).toBe("counted");
    expect(heard).toEqual([{ count: 1 }, { count: 2 }, { count: 3 }]);
  });

  test("cancel and timeout reject, also from further down the chain", async () => {
    const pool = open();
    const { CancellationError, TimeoutError } = workerpool.Promise;
    const canceled = pool.exec("wait").then(() => "never");
    canceled.cancel();
    await expect(canceled).rejects.toBeInstanceOf(CancellationError);
    await expect(pool.exec("wait").timeout(20)).rejects.toBeInstanceOf(TimeoutError);
    expect(await pool.exec("add", [1, 1]).timeout(60_000)).toBe(2);
  });

  test("a task that is given up can clean up, and another one's worker is ended", async () => {
    const pool = open({ workerTerminateTimeout: 60_000 });
    const heard: unknown[] = [];
    const begun = new Promise<void>((resolve) => {
      const on = (payload: unknown) => (payload === "begun" ? resolve() : heard.push(payload));
      pool
        .exec("tidy", [], { on })
        .timeout(20)
        .catch(() => {});
    });
    await begun;
    expect(await pool.exec("add", [1, 2])).toBe(3);
    expect(heard).toEqual(["tidied"]);
    expect(await pool.exec("starts"), "the worker has lived on").toBe(0);
    const other = open({ workerTerminateTimeout: 1 });
    await expect(other.exec("spin").timeout(20)).rejects.toBeInstanceOf(workerpool.Promise.TimeoutError);
    expect(await other.exec("starts"), "the worker was replaced").toBe(1);
  });

  test("calls wait in one queue, which has a limit, and terminate gives them up", async () => {
    const pool = open({ maxQueueSize: 1 });
    expect(pool.stats()).toMatchObject({ totalWorkers: 0, pendingTasks: 0 });
    const sum = pool.exec("add", [3, 4]);
    const given = expect(pool.exec("add", [5, 6])).rejects.toThrow("Pool terminated");
    expect(pool.stats()).toEqual({
      totalWorkers: 1,
      busyWorkers: 1,
      idleWorkers: 0,
      pendingTasks: 1,
      activeTasks: 1,
    });
    expect(() => pool.exec("add", [7, 8])).toThrow("Max queue size of 1 reached");
    expect(pool.workers.map(({ worker }: { worker: object }) => worker)).toMatchObject([
      { isWorkerThread: workerType === "thread", isChildProcess: workerType === "process" },
    ]);
    await pool.terminate();
    expect(await sum).toBe(7);
    await given;
  });

  test("the last call of those that wait goes first, if that is wanted", async () => {
    const pool = open({ queueStrategy: "lifo" });
    const order: number[] = [];
    await pool.exec("add", [0, 0]);
    await Promise.all([1, 2, 3].map((sum) => pool.exec("later", [sum]).then((it: number) => order.push(it))));
    expect(order).toEqual([1, 3, 2]);
  });

  test("hooks, and output as events", async () => {
    const told: string[] = [];
    const pool = open({
      emitStdStreams: true,
      onCreateWorker: () => void told.push("created"),
      onTerminateWorker: () => void told.push("terminated"),
    });
    const heard: unknown[] = [];
    await pool.exec("print", [], { on: (payload: unknown) => heard.push(payload) });
    expect(heard).toEqual([{ stdout: "a row\n" }, { stderr: "a hole\n" }]);
    await pool.terminate();
    expect(told).toEqual(["created", "terminated"]);
  });

  test("terminate rejects what runs if it is forced, and lets it finish if not", async () => {
    const folder = scratch("terminate-");
    const pool = open();
    const sum = pool.exec("addAndLeave", [3, 4, join(folder, "left")]);
    await pool.terminate();
    expect(await sum).toBe(7);
    expect(readFileSync(join(folder, "left"), "utf8")).toBe("0");
    const other = open();
    const cut = expect(other.exec("wait")).rejects.toBeInstanceOf(workerpool.TerminateError);
    await other.terminate(true);
    await cut;
    expect(other.workers).toEqual([]);
  });

  test("a crash is told as workerpool tells it, and the next call is served", async () => {
    const pool = open();
    await expect(pool.exec("crash")).rejects.toThrow("Workerpool Worker terminated Unexpectedly");
    expect(await pool.exec("add", [3, 4])).toBe(7);
  });

  test("options of the thread or process", async () => {
    const name = workerType === "process" ? "forkOpts" : "workerThreadOpts";
    expect(await open({ [name]: { env } }).exec("variable")).toBe("cable");
    expect(() => open({ [name]: { gauge: 22 } }).exec("variable")).toThrow('unknown option "gauge"');
    expect(() => open({ [name]: Object.create({ env }) }).exec("variable")).toThrow('inherited option "env"');
    expect(() => open({ queueStrategy: {} })).toThrow(`workerpool's "queueStrategy"`);
  });
});

describe("npm run compat", () => {
  const folder = mkdtempSync(join(tmpdir(), "suite-"));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  write(folder, {
    "package.json": '{ "name": "tinypool", "version": "0.0.1", "type": "module" }',
    "dist/index.js": 'throw new Error("the project itself was loaded");',
    "vitest.config.js": "export default { test: { globals: true } };",
    "test/echo.js": "export default (value) => value;",
    "test/sample.test.ts": `
      import { Tinypool } from "../dist/index.js";
      const pool = new Tinypool({ filename: new URL("echo.js", import.meta.url).href, maxThreads: 1 });
      test("passes", async () => expect(await pool.run("knit")).toBe("knit"));
      describe("of two", () => {
        test("fails", async () => expect(await pool.run("knit")).toBe("purl"));
      });
      // The project skips it itself, and the comparison says so.
      test.skip("is skipped", () => {});`,
    "test/inside.test.ts": 'import "../src/gone.js";',
  });
  symlinkSync(join(root, "node_modules"), join(folder, "node_modules"));
  const before = readFileSync(join(folder, "dist", "index.js"), "utf8");

  const KINDS = { luck: "asks for luck", inside: "looks inside" };
  const RIGHT = { "test/sample.test.ts: of two fails": "luck", "test/inside.test.ts": "inside" };

  async function compare(
    cases: Readonly<Record<string, string>>,
    kinds = KINDS,
    notRun: readonly string[] | undefined = undefined,
  ) {
    write(folder, {
      "left-out.json": JSON.stringify({ kinds, notRun, tinypool: { version: "0.0.1", cases } }),
    });
    const script = join(root, "scripts", "compat.mjs");
    const flags = ["--node", process.execPath, "--left-out", join(folder, "left-out.json")];
    const { status, stdout, stderr } = await run(process.execPath, [script, folder, ...flags], { cwd: root });
    expect(readFileSync(join(folder, "dist", "index.js"), "utf8"), "the checkout is as it was").toBe(before);
    return { status, text: stdout + stderr };
  }

  test("runs the suite over the facade, and leaves out what is listed", async () => {
    const { status, text } = await compare(RIGHT);
    expect(text).toContain(
      "1  passed\n1  skipped by the suite\n1  left out: asks for luck\n1  left out: looks inside\n0  failed\n",
    );
    expect(status, text).toBe(0);
  });

  test("a failure that is not listed", async () => {
    const { status, text } = await compare({ "test/inside.test.ts": "inside" });
    expect(text).toContain("failed: test/sample.test.ts: of two fails\n    expected 'knit' to be 'purl'");
    expect(status).toBe(1);
  });

  test("a file without a case", async () => {
    const { "test/inside.test.ts": _, ...cases } = RIGHT;
    const { status, text } = await compare(cases);
    expect(text).toContain("failed: test/inside.test.ts\n    no case is found in it");
    expect(status).toBe(1);
  });

  test("an entry of a kind that is not run", async () => {
    const notRun = ["luck"];
    const { status, text } = await compare(
      { ...RIGHT, "test/sample.test.ts: passes": "luck" },
      KINDS,
      notRun,
    );
    expect(text).toContain("no case has passed");
    expect(text).not.toContain("does not fail");
    expect(status).toBe(1);
  });

  test("an entry that does not fail, one that is gone, and one of no known kind", async () => {
    const { status, text } = await compare({
      ...RIGHT,
      "test/sample.test.ts: is gone": "luck",
      "test/sample.test.ts: is skipped": "fog",
    });
    expect(text).toContain("is on the list and not in the suite: test/sample.test.ts: is gone");
    expect(text).toContain("is on the list and does not fail: test/sample.test.ts: is skipped");
    expect(text).toContain('for "fog", which has no entry in "kinds"');
    expect(status).toBe(1);
  });

  test("nothing that has passed", async () => {
    const { status, text } = await compare({
      "test/sample.test.ts": "inside",
      "test/inside.test.ts": "inside",
    });
    expect(text).toContain("no case has passed");
    expect(status).toBe(1);
  });

  test("no checkout, or one of another project", async () => {
    const script = join(root, "scripts", "compat.mjs");
    const missing = await run(process.execPath, [script, join(folder, "nothing")], { cwd: root });
    expect(missing).toMatchObject({
      status: 1,
      stderr: expect.stringContaining("tinypool, piscina, workerpool"),
    });
    const other = await run(process.execPath, [script, root], { cwd: root });
    expect(other).toMatchObject({
      status: 1,
      stderr: expect.stringContaining('a checkout of "knitting-native"'),
    });
  });
});
