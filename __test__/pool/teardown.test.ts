/** `worker.teardown`: a function that each worker runs before it ends in order. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  createPool as createRestricted,
  InvalidOptionError,
  importTask,
  PoolClosedError,
  type PoolEvents,
  TaskNotFoundError,
  type TeardownOptions,
  WorkerBootError,
  WorkerKilledError,
  type WorkerOptions,
} from "knitting-native";
import { describe, expect, onTestFinished, test } from "vitest";
import { onEveryRuntime, onEveryWrapperInGate } from "../support/kinds";
import { until, within } from "../support/processes";
import { createPool } from "../support/unrestricted";

const href = "../fixtures/tasks/teardown.mjs";
const tasks = {
  run: importTask<void, number>({ href, name: "run" }),
  wait: importTask<number, void>({ href, name: "wait" }),
  spin: importTask<number, number>({ href, name: "spin" }),
  crash: importTask<void, void>({ href, name: "crash" }),
};
const HOUR = 3_600_000;

interface Line {
  readonly what: string;
  readonly index: number;
  readonly start: number;
  readonly runs?: number;
}

/** A pool whose output and ends are recorded. */
function open(worker: WorkerOptions, name: string | undefined, options: object = {}) {
  const pool = createPool({ ...options, worker: { ...worker, stdio: "pipe", teardown: { href, name } } })(
    tasks,
  );
  const lines: Line[] = [];
  const ends: PoolEvents["exit"][] = [];
  pool.on("output", ({ line }) => {
    if (line.startsWith("{")) {
      lines.push(JSON.parse(line));
    }
  });
  pool.on("exit", (event) => ends.push(event));
  const said = (what: string) => until(`it says "${what}"`, () => lines.some((line) => line.what === what));
  const whats = () => lines.map(({ what }) => what);
  return { pool, lines, ends, said, whats };
}

const failure = (promise: Promise<unknown>) => within(promise.catch((error: unknown) => error));

onEveryWrapperInGate(({ worker }) => {
  test("each worker runs it once, is awaited, and ends with status 0", async () => {
    const bootstrap = { href, name: "setup" };
    const { pool, lines, ends } = open({ ...worker, bootstrap }, "close", { threads: 2 });
    await until("all are ready", () => pool.workers.every(({ state }) => state === "ready"));
    await within(Promise.all([pool.call.run(), pool.call.run()]));
    await within(pool.shutdown());
    const runs = [0, 1].map((index) => lines.find((line) => line.index === index)?.runs);
    expect((runs[0] ?? 0) + (runs[1] ?? 0)).toBe(2);
    for (const index of [0, 1]) {
      expect(lines.filter((line) => line.index === index)).toEqual([
        { what: "begins", index, start: 0, runs: runs[index], isSetUp: true, given: 0 },
        { what: "ends", index, start: 0, runs: runs[index] },
      ]);
    }
    expect(ends.map(({ exitCode, signal, reason, cause }) => ({ exitCode, signal, reason, cause }))).toEqual(
      [0, 1].map(() => ({ exitCode: 0, signal: null, reason: "shutdown", cause: undefined })),
    );
  });

  test("in the midst of tasks it runs as soon as the event loop is free, and no further call", async () => {
    const { pool, lines, ends, said } = open(worker, "close");
    await within(pool.call.run());
    // Longer than a worker without such a function may take to end.
    const calls: Promise<unknown>[] = [pool.call.wait(HOUR), pool.call.spin(700)];
    calls.push(...Array.from({ length: 50 }, () => pool.call.spin(100)));
    const settled = Promise.all(calls.map(failure));
    await said("spins");
    await within(pool.shutdown());
    expect(new Set((await settled).map((error) => (error as Error).constructor))).toEqual(
      new Set([PoolClosedError]),
    );
    expect(lines.map(({ what }) => what)).toEqual(["waits", "spins", "begins", "ends"]);
    expect(lines.at(-1)?.runs).toBe(3);
    expect(ends).toMatchObject([{ exitCode: 0, reason: "shutdown", cause: undefined }]);
  });

  test.each([
    ["throws", 'worker.teardown: "throws" has failed in the worker: RangeError: can\'t close'],
    ["rejects", 'worker.teardown: "rejects" has failed in the worker: Error: can\'t close'],
    [
      "exits",
      'worker.teardown: "exits" has failed in the worker: GuardedCallError: process.exit() is guarded',
    ],
    ["throwsLate", "too late"],
  ])("what it throws is the cause of the worker's end: %s", async (name, message) => {
    const { pool, ends } = open(worker, name);
    await within(pool.call.run());
    await within(pool.shutdown());
    await until("the event", () => ends.length === 1);
    expect(ends[0]).toMatchObject({ reason: "shutdown", signal: null, exitCode: 1 });
    expect((ends[0].cause as Error).message).toContain(message);
    if (name === "throws") {
      expect(ends[0].cause).toMatchObject({ code: "KNITTING_TEARDOWN_FAILED" });
      expect((ends[0].cause as Error).cause).toBeInstanceOf(RangeError);
    }
  });

  test.each(["never", "blocks"])(
    "one that does not end is cut after gracefulShutdownTimeout: %s",
    async (name) => {
      const workerPoolConfig = { minWorkers: 1, maxWorkers: 1, gracefulShutdownTimeout: 400 };
      const { pool, ends, whats } = open(worker, name, { workerPoolConfig });
      await within(pool.call.run());
      const start = performance.now();
      await within(pool.shutdown(0));
      expect(performance.now() - start).toBeGreaterThan(350);
      await until("the event", () => ends.length === 1);
      expect(whats()).toEqual(["begins"]);
      expect(ends[0].reason).toBe("shutdown");
      expect((ends[0].cause as Error).message).toBe(
        `a worker has ended before worker.teardown, "${name}", had finished: it may take 400 milliseconds to end ` +
          "(workerPoolConfig.gracefulShutdownTimeout), and is killed after that",
      );
    },
  );

  test("a worker that crashes or is killed does not run it, its replacement does", async () => {
    const { pool, lines, ends } = open({ ...worker, hardTimeoutMs: 600 }, undefined);
    await within(pool.call.run());
    expect((await failure(pool.call.crash())) as Error).toMatchObject({ name: "WorkerCrashedError" });
    await within(pool.call.run());
    expect(await failure(pool.call.spin(HOUR))).toBeInstanceOf(WorkerKilledError);
    await within(pool.call.run());
    await within(pool.shutdown());
    await until("the events", () => ends.length === 3);
    expect(ends.map(({ reason }) => reason)).toEqual(["fatalError", "hardTimeout", "shutdown"]);
    expect(lines.filter(({ what }) => what === "by default")).toEqual([
      { what: "by default", index: 0, start: 2 },
    ]);
  });

  test("a worker that the pool replaces runs it too, and a spare one at the shutdown", async () => {
    const workerPoolConfig = { maxExecutionsPerWorker: 3 };
    const { pool, lines, ends } = open(worker, "close", { workerPoolConfig });
    for (let call = 0; call < 9; call++) {
      await within(pool.call.run());
    }
    await until("two have ended", () => ends.length >= 2);
    await until("the others are ready", () =>
      pool.workers.every(({ state }) => state === "ready" || state === "spare"),
    );
    await within(pool.shutdown());
    expect(ends.filter(({ reason }) => reason === "executions").length).toBeGreaterThanOrEqual(2);
    for (const { worker: ended, exitCode, signal, cause } of ends) {
      expect({ exitCode, signal, cause }).toEqual({ exitCode: 0, signal: null, cause: undefined });
      const { index, start } = ended;
      const own = lines.filter((line) => line.index === index && line.start === start);
      expect(own.map(({ what }) => what)).toEqual(["begins", "ends"]);
    }
    expect(lines.length).toBe(2 * ends.length);
  });

  test("what it throws when its worker is replaced is the cause of that end, and the pool goes on", async () => {
    const { pool, ends } = open(worker, "rejects", { workerPoolConfig: { maxExecutionsPerWorker: 1 } });
    await within(pool.call.run());
    await within(pool.call.run());
    await until("one has ended", () => ends.length >= 1);
    expect(ends[0]).toMatchObject({ reason: "executions", exitCode: 1, signal: null });
    expect((ends[0].cause as Error).message).toContain("can't close");
    expect(await within(pool.call.run())).toBe(1);
    await within(pool.shutdown());
  });

  test("a pool that is shut down while its workers boot closes, and begins nothing that it doesn't end", async () => {
    for (const delay of [0, 60, 120, 180, 240]) {
      const { pool, whats } = open({ ...worker, bootstrap: { href, name: "slowSetup" } }, "close", {
        threads: 2,
      });
      await new Promise((resolve) => setTimeout(resolve, delay));
      await within(pool.shutdown());
      const times = (what: string) => whats().filter((each) => each === what).length;
      expect(times("ends")).toBe(times("begins"));
      expect(times("set up")).toBe(times("begins"));
    }
  });
});

onEveryRuntime(({ worker }) => {
  test("without a listener for the pool's ends it is a warning", async () => {
    const warnings: Error[] = [];
    const listener = (warning: Error) => warnings.push(warning);
    process.on("warning", listener);
    onTestFinished(() => void process.off("warning", listener));
    const pool = createPool({ worker: { ...worker, stdio: "ignore", teardown: { href, name: "throws" } } })(
      tasks,
    );
    await within(pool.call.run());
    await within(pool.shutdown());
    const found = () =>
      warnings.filter((warning) => "code" in warning && warning.code === "KNITTING_TEARDOWN_FAILED");
    await until("the warning", () => found().length === 1);
    expect(found()[0].message).toContain("can't close");
  });

  test("its module is imported at the boot, and what is wrong with it fails the boot once", async () => {
    const broken = "data:text/javascript,throw new Error('in the module'); export default 1";
    for (const [teardown, message] of [
      [{ href: broken }, "in the module"],
      [{ href: "data:text/javascript,export const other = 1" }, 'has no export "default"'],
      [{ href, name: "notAFunction" }, "worker.teardown: "],
    ] as const) {
      await using pool = createPool({ worker: { ...worker, stdio: "ignore", teardown } })(tasks);
      const starts: unknown[] = [];
      pool.on("spawn", (event) => starts.push(event));
      const error = (await failure(pool.call.run())) as Error;
      expect(error).toBeInstanceOf(WorkerBootError);
      expect(error.message).toContain(message);
      await until("it is given up", () => pool.workers[0].state === "broken");
      expect(starts.length).toBeLessThanOrEqual(1);
    }
  });

  test("a worker may read its module whatever its permissions are", async () => {
    const folder = mkdtempSync(join(tmpdir(), "knitting-teardown-"));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    writeFileSync(join(folder, "word.mjs"), 'export const word = "closed";');
    writeFileSync(
      join(folder, "last.mjs"),
      'import { word } from "./word.mjs"; export const last = () => console.log(JSON.stringify({ what: word }));',
    );
    const lines: string[] = [];
    const pool = createRestricted({
      permission: { console: true },
      worker: { ...worker, stdio: "pipe", teardown: { href: join(folder, "last.mjs"), name: "last" } },
    })(tasks);
    pool.on("output", ({ line }) => lines.push(line));
    await within(pool.call.run());
    await within(pool.shutdown());
    expect(lines).toContain('{"what":"closed"}');
    expect(() =>
      createRestricted({
        permission: { denyRead: [folder] },
        worker: { ...worker, teardown: { href: join(folder, "last.mjs"), name: "last" } },
      })(tasks),
    ).toThrow('the module of "worker.teardown" is ');
  });
});

describe("what can be told at once is told at once", () => {
  const create = (teardown: unknown) => () =>
    createPool({ worker: { teardown: teardown as TeardownOptions } })(tasks);

  test("a name that the module doesn't export, a module that isn't there", () => {
    expect(create({ href, name: "closes" })).toThrow(TaskNotFoundError);
    expect(create({ href, name: "closes" })).toThrow(/^worker\.teardown: .*has no export "closes"/);
    expect(create({ href: "./no/such.mjs" })).toThrow(/^worker\.teardown: its module .* does not exist$/);
  });

  test.each([
    ["./a.js", '"worker.teardown" is "./a.js", it must be an object: { href, name }'],
    [{}, '"worker.teardown.href" is undefined, it must be a path or a URL'],
    [{ href, name: "" }, '"worker.teardown.name" is "", it must be the name of an export'],
    [
      { href, data: 5 },
      'option "worker.teardown.data" does not exist here: a teardown function gets no argument',
    ],
    [{ href, nme: "x" }, 'unknown option "worker.teardown.nme", did you mean "worker.teardown.name"?'],
    [{ href: "https://example.com/a.js" }, "Deno alone imports from https"],
  ])("%j", (teardown, message) => {
    expect(create(teardown)).toThrow(InvalidOptionError);
    expect(create(teardown)).toThrow(message);
  });
});
