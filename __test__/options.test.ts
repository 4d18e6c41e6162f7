import { createPool, InvalidOptionError, importTask, isMain, task } from "knitting-native";
import { describe, expect, test } from "vitest";

const echo = importTask<unknown, unknown>({ href: "./tasks/basic.mjs", name: "echo" });
// Options as JavaScript gives them, with no compiler in between.
const create = (options: unknown) => () => createPool(options as object);

describe("a wrong option is refused by name, value and what is allowed", () => {
  test.each([
    [{ threads: 0 }, '"threads" is 0, it must be a whole number from 1 to 1024'],
    [{ threads: 1.5 }, '"threads" is 1.5'],
    [{ threads: "2" }, '"threads" is "2"'],
    [{ threads: 5_000 }, '"threads" is 5000'],
    [{ worker: "process" }, '"worker" is "process", it must be an object'],
    [{ worker: { runtime: "fiber" } }, '"worker.runtime" is "fiber", it must be "thread" or "process"'],
    [
      { worker: { processRuntime: "lua" } },
      '"worker.processRuntime" is "lua", it must be "node", "deno" or "bun"',
    ],
    [{ balancer: "fastest" }, '"balancer" is "fastest", it must be "roundRobin"'],
    [{ threads: null }, '"threads" is null, it must be a whole number from 1 to 1024'],
    [{ worker: null }, '"worker" is null, it must be an object'],
    [{ worker: { runtime: null } }, '"worker.runtime" is null, it must be "thread" or "process"'],
    [{ worker: { processRuntime: null } }, '"worker.processRuntime" is null'],
    [{ balancer: null }, '"balancer" is null, it must be "roundRobin" or { strategy: "roundRobin" }'],
    [{ balancer: ["roundRobin"] }, '"balancer" is an array'],
    [{ balancer: { strategy: "round" } }, '"balancer.strategy" is "round", it must be "roundRobin"'],
    [{ balancer: {} }, '"balancer.strategy" is undefined, it must be "roundRobin"'],
    [{ permission: "lax" }, '"permission" is "lax", it must be "unsafe"'],
    [{ permission: null }, '"permission" is null, it must be "unsafe"'],
    [[], '"options" is an array, it must be an object'],
    [null, '"options" is null'],
  ])("%j", (options, message) => {
    expect(create(options)).toThrow(InvalidOptionError);
    expect(create(options)).toThrow(message);
  });
});

describe("an unknown option is refused with the nearest known name", () => {
  test.each([
    [{ thread: 2 }, 'unknown option "thread", did you mean "threads"?'],
    [{ Threads: 2 }, 'did you mean "threads"?'],
    [{ worker: { runtimes: "thread" } }, 'unknown option "worker.runtimes", did you mean "worker.runtime"?'],
    [
      { balancer: { strategy: "roundRobin", strateggy: 1 } },
      'unknown option "balancer.strateggy", did you mean "balancer.strategy"?',
    ],
    [{ zzz: 1 }, 'unknown option "zzz", known are threads, balancer, worker, permission'],
  ])("%j", (options, message) => {
    expect(create(options)).toThrow(message);
  });
});

describe("an option that is still to come says so", () => {
  test.each([
    [
      { worker: { runtime: "process" } },
      'worker.processRuntime: "deno" (the default) is not supported yet. Say "node"',
    ],
    [{ worker: { runtime: "process", processRuntime: "bun" } }, '"bun" is not supported yet'],
    [{ worker: { processRuntime: "deno" } }, 'worker.processRuntime: "deno" is not supported yet'],
    [{ worker: { runtime: "thread", processRuntime: "bun" } }, '"bun" is not supported yet'],
    [{ permission: "strict" }, 'permission: "strict" is not supported yet'],
    [{ permission: { mode: "strict" } }, "permission: an object is not supported yet"],
    [{ balancer: "firstIdle" }, 'balancer: "firstIdle" is not supported yet'],
    [{ balancer: { strategy: "randomLane" } }, 'balancer.strategy: "randomLane" is not supported yet'],
    [{ payload: {} }, '"payload" is not supported yet'],
    [{ worker: { processCommandPrefix: ["nice"] } }, '"worker.processCommandPrefix" is not supported yet'],
    [{ worker: { processSharedMemory: "named" } }, '"worker.processSharedMemory" is not supported yet'],
    [{ worker: { hardTimeoutMs: 5 } }, '"worker.hardTimeoutMs" is not supported yet'],
    [{ inliner: {} }, 'option "inliner" does not exist here: the host runs no tasks'],
  ])("%j", (options, message) => {
    expect(create(options)).toThrow(message);
  });

  test("time limits and abort signals of tasks", () => {
    expect(() => importTask({ href: "./a.js", timeout: 5 } as never)).toThrow(
      '"timeout" is not supported yet',
    );
    expect(() => task({ f: () => 1, abortSignal: true } as never)).toThrow(
      '"abortSignal" is not supported yet',
    );
  });
});

test("options that are undefined are as if they were left out", async () => {
  const options = {
    threads: undefined,
    worker: { runtime: undefined, processRuntime: undefined },
    permission: undefined,
    balancer: undefined,
  };
  const pool = createPool(options)({ echo });
  expect(await pool.call.echo(1)).toBe(1);
  await pool.shutdown();
});

test("what can be said today is accepted", async () => {
  for (const balancer of ["roundRobin", { strategy: "roundRobin" }] as const) {
    await using pool = createPool({ threads: 1, balancer, permission: "unsafe" })({ echo });
    expect(await pool.call.echo(balancer)).toEqual(balancer);
  }
});

describe("tasks are checked", () => {
  test.each([
    [undefined, '"tasks" is undefined, it must be an object such as { add }'],
    [null, '"tasks" is null'],
    [[() => 1], '"tasks" is an array'],
    [{}, "there are no tasks"],
    [{ echo: 5 }, 'task "echo" is 5, it must be an exported function'],
    [{ echo: { f: () => 1 } }, 'task "echo" is an object'],
  ])("%j", (tasks, message) => {
    expect(() => createPool()(tasks as never)).toThrow(message);
  });

  test("definitions", () => {
    for (const definition of [undefined, null, () => 1, []]) {
      expect(() => task(definition as never)).toThrow(InvalidOptionError);
      expect(() => task(definition as never)).toThrow(
        /^task: "definition" is .*, it must be an object: \{ f \}$/,
      );
      expect(() => importTask(definition as never)).toThrow(InvalidOptionError);
    }
    expect(() => importTask("./x.js" as never)).toThrow(
      'importTask: "definition" is "./x.js", it must be an object: { href, name }',
    );
    expect(() => task({ f: 1 } as never)).toThrow('task: "f" is 1, it must be a function');
    expect(() => task({ f: () => 1, g: 2 } as never)).toThrow('task: unknown option "g"');
    expect(() => importTask({} as never)).toThrow('importTask: "href" is undefined');
    expect(() => importTask({ href: "./a.js", name: "" })).toThrow('importTask: "name" is ""');
    expect(() => importTask({ href: "https://example.com/a.js" })).toThrow("a file: URL or a data: URL");
  });
});

test("a module may be named by a URL object", async () => {
  const href = new URL("./tasks/basic.mjs", import.meta.url);
  await using pool = createPool()({ echo: importTask<number, number>({ href, name: "echo" }) });
  expect(await pool.call.echo(7)).toBe(7);
  expect(() => importTask({ href: new URL("https://example.com/a.js") })).toThrow(
    "a file: URL or a data: URL",
  );
});

test("isMain is true here, inside a worker of a test runner", () => {
  expect(isMain).toBe(true);
});
