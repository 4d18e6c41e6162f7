/** `worker.bootstrap`: a function that runs in each worker before the modules of its tasks are imported. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  type BootstrapOptions,
  createPool,
  InvalidOptionError,
  importTask,
  TaskNotFoundError,
  UnsupportedPayloadError,
  WorkerBootError,
  type WorkerOptions,
} from "knitting-native";
import { describe, expect, test } from "vitest";
import { onEveryRuntime, onEveryWrapperInGate, onProcessesInGate } from "../support/kinds";
import { until, within } from "../support/processes";

const tasks = {
  atImportTime: importTask<void, unknown>({
    href: "../fixtures/tasks/after-bootstrap.mjs",
    name: "atImportTime",
  }),
  exit: importTask<void, void>({ href: "../fixtures/tasks/after-bootstrap.mjs", name: "exit" }),
};
const href = "../fixtures/tasks/bootstrap.mjs";

/** The error of a call whose workers have this bootstrap function. */
async function failure(
  worker: WorkerOptions,
  bootstrap: BootstrapOptions,
): Promise<Error & { cause: Error }> {
  await using pool = createPool({ worker: { ...worker, bootstrap } })(tasks);
  const starts: unknown[] = [];
  pool.on("spawn", (event) => starts.push(event));
  const error = (await within(pool.call.atImportTime().catch((error) => error))) as Error & { cause: Error };
  // Another worker would fail in the same way.
  await until("it is given up", () => pool.workers[0].state === "broken");
  expect(starts.length).toBeLessThanOrEqual(1);
  expect(error).toBeInstanceOf(WorkerBootError);
  return error;
}

onEveryWrapperInGate(({ worker }) => {
  test("it runs before the tasks' modules, with its data, and is awaited", async () => {
    const data = {
      when: new Date(0),
      list: new Map([["a", 1n]]),
      bytes: new Uint8Array([1, 2, 3]),
      self: {},
    };
    data.self = data;
    await using pool = createPool({
      threads: 2,
      worker: { ...worker, bootstrap: { href, name: "setup", data } },
    })(tasks);
    data.when.setFullYear(1999);
    for (const found of await within(Promise.all([pool.call.atImportTime(), pool.call.atImportTime()]))) {
      const copy = { ...data, when: new Date(0) };
      copy.self = copy;
      expect(found).toEqual({ data: copy, isMain: false, tasksCameFirst: false });
    }
  });

  test("a worker that takes the place of another begins with it too", async () => {
    await using pool = createPool({ worker: { ...worker, bootstrap: { href, data: 7 } } })(tasks);
    await expect(within(pool.call.exit())).rejects.toThrow("the worker of task");
    expect(await within(pool.call.atImportTime())).toEqual({ data: 7, byDefault: true });
  });
});

onEveryRuntime(({ worker }) => {
  test("without data it gets undefined; a module may be named by a URL", async () => {
    for (const named of [new URL(href, import.meta.url), new URL(href, import.meta.url).pathname]) {
      await using pool = createPool({ worker: { ...worker, bootstrap: { href: named } } })(tasks);
      expect(await within(pool.call.atImportTime())).toEqual({ data: undefined, byDefault: true });
    }
    const code = "export default async (n) => { globalThis.bootstrapped = n * 2 }";
    const bootstrap = { href: `data:text/javascript,${encodeURIComponent(code)}`, data: 21 };
    await using pool = createPool({ worker: { ...worker, bootstrap } })(tasks);
    expect(await within(pool.call.atImportTime())).toBe(42);
  });

  test("what it throws is the cause of a boot that is not tried again", async () => {
    const error = await failure(worker, { href, name: "fails", data: "this" });
    expect(error.message).toContain(
      'worker.bootstrap: "fails" has failed in the worker: RangeError: can\'t begin with this',
    );
    expect(error.cause.cause).toBeInstanceOf(RangeError);
  });

  test("so is a pool of its own, a module that fails, and one that can't be found", async () => {
    expect((await failure(worker, { href, name: "opensPool" })).message).toContain("if (isMain)");
    const broken = "data:text/javascript,throw new Error('in the module'); export default 1";
    expect((await failure(worker, { href: broken })).message).toContain("in the module");
    const other = await failure(worker, { href: "data:text/javascript,export const other = 1" });
    expect(other.message).toContain('has no export "default"');
    expect(other.cause).toBeInstanceOf(TaskNotFoundError);
    const number = await failure(worker, { href, name: "notAFunction" });
    expect(number.message).toContain('exports "notAFunction", but it is no function');
    expect((await failure(worker, { href, name: "aTask" })).message).toContain("but it is no function");
  });

  test("one that never ends is ended by worker.startupTimeoutMs", async () => {
    const bootstrap = { href, name: "never" };
    await using pool = createPool({
      worker: { ...worker, bootstrap, startupTimeoutMs: 1_500, maxBootFailures: 1 },
    })(tasks);
    await expect(within(pool.call.atImportTime())).rejects.toThrow(
      "has not finished worker.bootstrap and imported its tasks within worker.startupTimeoutMs, which is 1500",
    );
  });
});

onProcessesInGate(({ worker }) => {
  test("data that doesn't fit what a process is started with is refused by createPool", async () => {
    const bootstrap = { href, name: "setup", data: "x".repeat(200_000) };
    expect(() => createPool({ worker: { ...worker, bootstrap } })(tasks)).toThrow(
      /worker\.bootstrap\.data, are \d+ bytes longer than Linux allows/,
    );
  });
});

describe("what can be told at once is told at once", () => {
  const create = (bootstrap: unknown) => () => createPool({ worker: { bootstrap } as WorkerOptions })(tasks);

  test("a name that the module doesn't export, a module that isn't there", () => {
    expect(create({ href, name: "setUp" })).toThrow(TaskNotFoundError);
    expect(create({ href, name: "setUp" })).toThrow(
      /^worker\.bootstrap: .*has no export "setUp" \(it exports setup, /,
    );
    expect(create({ href: "./no/such.mjs" })).toThrow(/^worker\.bootstrap: its module .* does not exist$/);
  });

  test("data that can't be sent, by its place", () => {
    const data = { hooks: [() => 1] };
    expect(create({ href, data })).toThrow(UnsupportedPayloadError);
    expect(create({ href, data })).toThrow("worker.bootstrap.data.hooks[0] is a function");
  });

  test.each([
    ["./a.js", '"worker.bootstrap" is "./a.js", it must be an object: { href, name, data }'],
    [{}, '"worker.bootstrap.href" is undefined, it must be a path or a URL'],
    [{ href: "" }, '"worker.bootstrap.href" is ""'],
    [
      { href: "ftp://a/b.js" },
      '"worker.bootstrap.href" is "ftp://a/b.js", it must be a path, or a file:, data:',
    ],
    [{ href, name: "" }, '"worker.bootstrap.name" is "", it must be the name of an export'],
    [{ href, name: 5 }, '"worker.bootstrap.name" is 5'],
    [{ href, date: 5 }, 'unknown option "worker.bootstrap.date", did you mean "worker.bootstrap.data"?'],
    [{ href: "https://example.com/a.js" }, "Deno alone imports from https"],
  ])("%j", (bootstrap, message) => {
    expect(create(bootstrap)).toThrow(InvalidOptionError);
    expect(create(bootstrap)).toThrow(message);
  });

  test("its path is relative to the module that calls createPool", async () => {
    const folder = mkdtempSync(join(tmpdir(), "knitting-bootstrap-"));
    try {
      writeFileSync(join(folder, "begin.mjs"), "export default () => { globalThis.bootstrapped = 'here' }");
      const library = JSON.stringify(new URL("../../dist/index.js", import.meta.url).href);
      writeFileSync(
        join(folder, "pool.mjs"),
        `import { createPool } from ${library}; export const open = (tasks) => createPool({ worker: { ` +
          'bootstrap: { href: "./begin.mjs" } } })(tasks);',
      );
      const { open } = await import(join(folder, "pool.mjs"));
      await using pool = open(tasks);
      expect(await pool.call.atImportTime()).toBe("here");
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
