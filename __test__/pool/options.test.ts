import { existsSync, readdirSync, readFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import {
  createPool,
  InvalidOptionError,
  importTask,
  isMain,
  task,
  type WorkerPoolConfig,
  WorkerPoolPresets,
} from "knitting-native";
import { describe, expect, test } from "vitest";
import { InvalidOptionError as InnerInvalidOptionError } from "../../build/base/errors.js";
import { resolveOptions } from "../../build/pool/options.js";
import { commandFor } from "../../build/runtime/resolve-options.js";

const echo = importTask<unknown, unknown>({ href: "../fixtures/tasks/basic.mjs", name: "echo" });
// Options as JavaScript passes them, without a compiler's checks.
const create = (options: unknown) => () => createPool(options as object);

describe("a wrong option is refused by name, value and what is allowed", () => {
  test.each([
    [{ threads: 0 }, '"threads" is 0, it must be a whole number from 1 to 1024'],
    [{ threads: 1.5 }, '"threads" is 1.5'],
    [{ threads: "2" }, '"threads" is "2"'],
    [{ threads: 5_000 }, '"threads" is 5000'],
    [
      { worker: { resolveAfterFinishingAll: 1 } },
      '"worker.resolveAfterFinishingAll" is 1, it must be true or false',
    ],
    [{ worker: "process" }, '"worker" is "process", it must be an object'],
    [{ worker: { runtime: "fiber" } }, '"worker.runtime" is "fiber", it must be "thread" or "process"'],
    [
      { worker: { processRuntime: "lua" } },
      '"worker.processRuntime" is "lua", it must be "node", "deno" or "bun"',
    ],
    [
      { worker: { processRuntimePath: "" } },
      '"worker.processRuntimePath" is for process workers, and worker.runtime is "thread" (the default)',
    ],
    [
      { worker: { runtime: "process", processRuntimePath: "" } },
      '"worker.processRuntimePath" is "", it must be',
    ],
    [
      { worker: { runtime: "process", processRuntimePath: 5 } },
      '"worker.processRuntimePath" is 5, it must be',
    ],
    [
      { worker: { runtime: "process", processCommandPrefix: "nice" } },
      '"worker.processCommandPrefix" is "nice", it must be an array of at least one string, or a ' +
        "function that returns one",
    ],
    [
      { worker: { runtime: "process", processCommandPrefix: [] } },
      '"worker.processCommandPrefix" is an empty array, it must be an array of at least one string',
    ],
    [
      { worker: { runtime: "process", processCommandPrefix: ["nice", ""] } },
      '"worker.processCommandPrefix[1]" is "", it must be a string, not empty and without NUL',
    ],
    [
      { worker: { runtime: "process", processCommandPrefix: ["a\0b"] } },
      '"worker.processCommandPrefix[0]" is "a\\u0000b"',
    ],
    [
      { worker: { runtime: "process", processCommandPrefix: new Array(1) } },
      '"worker.processCommandPrefix[0]" is undefined',
    ],
    [
      { worker: { runtime: "process", stopCommand: {} } },
      '"worker.stopCommand" is an object, it must be an array of at least one string, or a function that returns one',
    ],
    [
      { worker: { runtime: "process", processSharedMemory: "shared" } },
      '"worker.processSharedMemory" is "shared", it must be "inherit" or "named"',
    ],
    [
      { worker: { runtime: "process", processSharedMemory: true } },
      '"worker.processSharedMemory" is true, it must be "inherit", "named" or an object: { mode }',
    ],
    [
      { worker: { runtime: "process", processSharedMemory: {} } },
      '"worker.processSharedMemory.mode" is undefined, it must be "inherit" or "named"',
    ],
    [
      { worker: { runtime: "process", processSharedMemory: { mode: "inherit", namePrefix: "a" } } },
      '"worker.processSharedMemory.namePrefix" is for mode: "named"',
    ],
    ...["", ".hidden", "a/b", "a b", "ä", "x".repeat(65), 5].map((namePrefix): [object, string] => [
      { worker: { runtime: "process", processSharedMemory: { mode: "named", namePrefix } } },
      '"worker.processSharedMemory.namePrefix" is ',
    ]),
    [
      { worker: { runtime: "process", processSharedMemory: { mode: "named", unlinkOnShutdown: 1 } } },
      '"worker.processSharedMemory.unlinkOnShutdown" is 1, it must be true or false',
    ],
    [
      { worker: { runtime: "process", nice: 20 } },
      '"worker.nice" is 20, it must be a whole number from -20 to 19',
    ],
    [{ worker: { runtime: "process", nice: 0.5 } }, '"worker.nice" is 0.5'],
    [
      { worker: { runtime: "process", cwd: "./no/such" } },
      '"worker.cwd" is "./no/such", it must be a directory',
    ],
    [{ worker: { runtime: "process", cwd: __filename } }, "it must be a directory that exists"],
    [{ worker: { runtime: "process", cwd: `${__filename}/in` } }, "it must be a directory that exists"],
    [
      { worker: { startupTimeoutMs: 0 } },
      '"worker.startupTimeoutMs" is 0, it must be a number of milliseconds above 0',
    ],
    [{ worker: { startupTimeoutMs: Number.POSITIVE_INFINITY } }, '"worker.startupTimeoutMs" is Infinity'],
    [{ worker: { startupTimeoutMs: 2 ** 31 } }, "above 0, at most 2147483647"],
    [
      { worker: { hardTimeoutMs: "5" } },
      '"worker.hardTimeoutMs" is "5", it must be a number of milliseconds',
    ],
    [{ worker: { hardTimeoutMs: Number.NaN } }, '"worker.hardTimeoutMs" is NaN'],
    [
      { worker: { maxBootFailures: 0 } },
      '"worker.maxBootFailures" is 0, it must be a whole number, at least 1',
    ],
    [{ worker: { stdio: "both" } }, '"worker.stdio" is "both", it must be "inherit", "pipe" or "ignore"'],
    [
      { worker: { env: ["A=b"] } },
      '"worker.env" is an array, it must be an object of names and values, or {',
    ],
    [{ worker: { env: { A: 1 } } }, '"worker.env.A" is 1, it must be a string without NUL'],
    [{ worker: { env: { A: "x\0" } } }, '"worker.env.A" is "x\\u0000"'],
    [{ worker: { env: { "A=B": "x" } } }, '"worker.env" has "A=B", a variable\'s name is not empty'],
    [{ worker: { env: { "": "x" } } }, '"worker.env" has ""'],
    [{ worker: { env: { inherit: "all", set: {} } } }, '"worker.env.inherit" is "all", it must be an array'],
    [{ worker: { env: { inherit: [""] } } }, '"worker.env.inherit[0]" is ""'],
    [{ worker: { env: { set: { A: null } } } }, '"worker.env.set.A" is null'],
    [
      { worker: { env: { inherit: [], sets: {} } } },
      'unknown option "worker.env.sets", did you mean "worker.env.set"?',
    ],
    [
      { worker: { env: { KNITTING_PROCESS_WORKER: "1" } } },
      '"worker.env" has "KNITTING_PROCESS_WORKER", which is set',
    ],
    [
      { worker: { env: { inherit: ["KNITTING_PROCESS_WORKER_BOOT"] } } },
      '"worker.env.inherit[0]" has "KNITTING_PROCESS_WORKER_BOOT", which is set',
    ],
    [{ workerExecArgv: "--expose-gc" }, '"workerExecArgv" is "--expose-gc", it must be an array of strings'],
    [{ workerExecArgv: [1] }, '"workerExecArgv[0]" is 1'],
    [{ worker: { resourceLimits: 512 } }, '"worker.resourceLimits" is 512, it must be an object'],
    [
      { worker: { resourceLimits: { stackSizeMb: -1 } } },
      '"worker.resourceLimits.stackSizeMb" is -1, it must be a number of megabytes above 0',
    ],
    [
      { worker: { runtime: "process", processRuntime: "node", resourceLimits: { codeRangeSizeMb: 16 } } },
      '"worker.resourceLimits.codeRangeSizeMb" is not supported by worker.processRuntime: "node", ' +
        "which has no such limit. It has maxOldGenerationSizeMb, maxYoungGenerationSizeMb, stackSizeMb",
    ],
    [
      {
        worker: { runtime: "process", processRuntime: "bun", resourceLimits: { maxOldGenerationSizeMb: 64 } },
      },
      '"worker.resourceLimits.maxOldGenerationSizeMb" is not supported by worker.processRuntime: "bun"',
    ],
    [
      { balancer: "fastest" },
      '"balancer" is "fastest", it must be "roundRobin", "firstIdle", "randomLane" or "firstIdleOrRandom"',
    ],
    [{ threads: null }, '"threads" is null, it must be a whole number from 1 to 1024'],
    [{ worker: null }, '"worker" is null, it must be an object'],
    [{ worker: { runtime: null } }, '"worker.runtime" is null, it must be "thread" or "process"'],
    [{ worker: { processRuntime: null } }, '"worker.processRuntime" is null'],
    [
      { balancer: null },
      '"balancer" is null, it must be "roundRobin", "firstIdle", "randomLane", "firstIdleOrRandom" or { strategy }',
    ],
    [{ balancer: ["roundRobin"] }, '"balancer" is an array'],
    [{ balancer: { strategy: "round" } }, '"balancer.strategy" is "round", it must be "roundRobin"'],
    [{ balancer: {} }, '"balancer.strategy" is undefined, it must be "roundRobin"'],
    [[], '"options" is an empty array, it must be an object'],
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
    [{ worker: { resourceLimit: {} } }, 'did you mean "worker.resourceLimits"?'],
    [
      { worker: { resourceLimits: { maxOldGenerationSizeMB: 5 } } },
      'did you mean "worker.resourceLimits.maxOldGenerationSizeMb"?',
    ],
    [
      { worker: { runtime: "process", processSharedMemory: { mode: "named", nameprefix: "a" } } },
      'did you mean "worker.processSharedMemory.namePrefix"?',
    ],
    [
      { zzz: 1 },
      'unknown option "zzz", known are threads, concurrency, maxQueueBytes, retry, spareWorkers, ' +
        "workerPoolConfig, balancer, worker, workerExecArgv, abortSignalCapacity, payload, permission",
    ],
  ])("%j", (options, message) => {
    expect(create(options)).toThrow(message);
  });
});

describe("an option that only a process worker can have is refused for a thread", () => {
  const onProcesses = Object.entries({
    processRuntime: "node",
    processRuntimePath: "node",
    processCommandPrefix: ["nice"],
    processSharedMemory: "inherit",
    nice: 5,
    cgroup: "/sys/fs/cgroup",
    cwd: ".",
    stopCommand: ["true"],
  });

  test.each(onProcesses)("%s", (name, value) => {
    const message = `option "worker.${name}" is for process workers, and worker.runtime is "thread"`;
    expect(create({ worker: { [name]: value } })).toThrow(`${message} (the default). Say runtime: "process"`);
    expect(create({ worker: { runtime: "thread", [name]: value } })).toThrow(`${message}. Say`);
    expect(create({ worker: { [name]: undefined } })).not.toThrow();
  });

  test("and every other option means something for a thread", () => {
    const onThreads = {
      runtime: "thread",
      startupTimeoutMs: 5_000,
      hardTimeoutMs: 5_000,
      maxBootFailures: 2,
      stdio: "pipe",
      env: {},
      bootstrap: { href: "data:text/javascript,export default () => {}" },
      teardown: { href: "data:text/javascript,export default () => {}" },
      argv: ["--level=3"],
      resolveAfterFinishingAll: true,
      timers: {},
      resourceLimits: { stackSizeMb: 4 },
    };
    expect(create({ worker: onThreads })).not.toThrow();
    const known = knownWorkerOptions();
    expect([...Object.keys(onThreads), ...onProcesses.map(([name]) => name)].sort()).toEqual(known.sort());
  });

  /** The names that the message about an unknown one lists. */
  function knownWorkerOptions(): string[] {
    try {
      createPool({ worker: { zzz: 1 } } as object);
    } catch (error) {
      const [, names] = /unknown option "worker\.zzz", known are (.*)$/.exec(String(error)) ?? [];
      return names.split(", ");
    }
    throw new Error("nothing was thrown");
  }
});

/** What the options of a pool's queue and workers come to where nothing is said. */
const unlimited = {
  concurrency: Number.POSITIVE_INFINITY,
  maxQueueBytes: 2 ** 30,
  attempts: 1,
  spareWorkers: 0,
};
const noLimits = {
  maxExecutions: Number.POSITIVE_INFINITY,
  maxQueueSize: Number.POSITIVE_INFINITY,
  idleTimeoutMs: 30_000,
  statsIntervalMs: 1_000,
};

describe("what a worker's options come to", () => {
  test("where nothing is said", () => {
    expect(resolveOptions({})).toEqual({
      ...unlimited,
      config: { ...noLimits, minWorkers: 1, maxWorkers: 1 },
      abortSignalCapacity: 258,
      payload: { arenaBytes: 2 ** 28, maxPayloadBytes: 2 ** 28, initialBytes: 0 },
      permission: { ...resolveOptions({ permission: { allowImport: true } }).permission, mode: "default" },
      worker: {
        runtime: "thread",
        sharedMemory: { mode: "inherit" },
        startupTimeoutMs: 10_000,
        maxBootFailures: 3,
        stdio: "ignore",
        environmentPolicy: { allow: [], deny: [], files: {} },
        argv: [],
        stopMillis: 250,
        resolveAfterFinishingAll: false,
        spinMicroseconds: 50,
        cwd: process.cwd(),
      },
    });
    expect(resolveOptions({ worker: { runtime: "process" } }).worker.runtime).toBe("deno");
  });

  test("where everything is said", () => {
    const stopCommand = () => ["true"];
    const worker = {
      runtime: "process",
      processRuntime: "node",
      processRuntimePath: "./node",
      processCommandPrefix: ["nice", "-n", "5"],
      processSharedMemory: { mode: "named", namePrefix: "_a.b-9", unlinkOnShutdown: true },
      startupTimeoutMs: 0.5,
      hardTimeoutMs: 200,
      maxBootFailures: 1,
      stdio: "pipe",
      env: { inherit: ["A"], set: { B: "", C: undefined } },
      bootstrap: { href: "file:///a.mjs", name: "b", data: undefined },
      teardown: { href: "file:///b.mjs", name: "c" },
      argv: ["", "--a"],
      resolveAfterFinishingAll: true,
      timers: { spinMicroseconds: 0.5 },
      resourceLimits: { maxOldGenerationSizeMb: 0.5, stackSizeMb: undefined },
      nice: -20,
      cwd: "__test__",
      stopCommand,
    };
    const permission = { env: { deny: ["D"] } };
    const balancer = { strategy: "firstIdle" };
    const payload = { payloadMaxByteLength: 100_000, payloadInitialBytes: 70_000, maxPayloadBytes: 64 };
    const options = { threads: 1024, balancer, worker, workerExecArgv: [], payload, permission };
    expect(resolveOptions(options)).toEqual({
      ...unlimited,
      config: { ...noLimits, minWorkers: 1024, maxWorkers: 1024 },
      abortSignalCapacity: 258,
      payload: { arenaBytes: 131_072, maxPayloadBytes: 64, initialBytes: 70_000 },
      permission: expect.objectContaining({ mode: "strict", console: true }),
      balancer: "firstIdle",
      worker: {
        runtime: "node",
        runtimePath: "./node",
        prefix: ["nice", "-n", "5"],
        sharedMemory: { mode: "named", namePrefix: "_a.b-9", unlinkOnShutdown: true },
        startupTimeoutMs: 0.5,
        hardTimeoutMs: 200,
        maxBootFailures: 1,
        stdio: "pipe",
        env: { inherit: ["A"], set: { B: "" } },
        environmentPolicy: { allow: [], deny: ["D"], files: {} },
        execArgv: [],
        // The tag of undefined.
        bootstrap: { href: "file:///a.mjs", name: "b", data: "AA==" },
        teardown: { href: "file:///b.mjs", name: "c" },
        argv: ["", "--a"],
        stopMillis: 5_000,
        resolveAfterFinishingAll: true,
        spinMicroseconds: 0.5,
        resourceLimits: { maxOldGenerationSizeMb: 0.5 },
        nice: -20,
        cwd: join(__dirname, ".."),
        stopCommand,
      },
    });
  });

  test("short forms", () => {
    const resolve = (worker: object) =>
      resolveOptions({ worker: { runtime: "process", ...worker }, permission: "unsafe" }).worker;
    const named = { mode: "named", namePrefix: "knitting", unlinkOnShutdown: false };
    expect(resolve({ processSharedMemory: "named" }).sharedMemory).toEqual(named);
    expect(resolve({ processSharedMemory: { mode: "named" } }).sharedMemory).toEqual(named);
    expect(resolve({ processSharedMemory: { mode: "inherit" } }).sharedMemory).toEqual({ mode: "inherit" });
    expect(resolve({ env: {} }).env).toEqual({ inherit: [], set: {} });
    expect(resolve({ env: { A: "b", C: undefined } }).env).toEqual({ inherit: [], set: { A: "b" } });
    expect(resolve({ env: { inherit: ["A"] } }).env).toEqual({ inherit: ["A"], set: {} });
    expect(resolve({ env: { set: { A: "b" } } }).env).toEqual({ inherit: [], set: { A: "b" } });
    // Variables may have these names.
    const variables = { inherit: "a", set: "b" };
    expect(resolve({ env: variables }).env).toEqual({ inherit: [], set: variables });
  });

  test("payloads of a fixed pool begin with all that they may have", () => {
    const most = { mode: "fixed", payloadMaxByteLength: 100_000 };
    const resolved = { arenaBytes: 131_072, maxPayloadBytes: 100_000, initialBytes: 100_000 };
    expect(resolveOptions({ payload: most }).payload).toEqual(resolved);
    expect(resolveOptions({ payload: { ...most, payloadInitialBytes: 100_000 } }).payload).toEqual(resolved);
    expect(resolveOptions({ payload: { mode: "fixed" } }).payload.initialBytes).toBe(2 ** 28);
  });

  test("a later change of what was given does nothing", () => {
    const prefix = ["nice"];
    const { worker } = resolveOptions({ worker: { runtime: "process", processCommandPrefix: prefix } });
    prefix[0] = "nasty";
    expect(worker.prefix).toEqual(["nice"]);
  });
});

describe("a command that a function returns is checked when it is called", () => {
  const start = { index: 2, start: 1, runtime: "node" };
  const option = "worker.processCommandPrefix";

  test("the function gets the worker", () => {
    const command = ({ index, runtime }: typeof start) => ["run", `${runtime}-${index}`];
    expect(commandFor(option, command, start)).toEqual(["run", "node-2"]);
    expect(commandFor(option, ["nice"], start)).toEqual(["nice"]);
  });

  test.each([
    [undefined, '"worker.processCommandPrefix()" is undefined, it must be an array of at least one string'],
    [[], '"worker.processCommandPrefix()" is an empty array'],
    [["a", 5], '"worker.processCommandPrefix()[1]" is 5, it must be a string'],
    [Promise.resolve(["a"]), '"worker.processCommandPrefix()" is an object'],
  ])("%j", (returned, message) => {
    expect(() => commandFor(option, (() => returned) as never, start)).toThrow(InnerInvalidOptionError);
    expect(() => commandFor(option, (() => returned) as never, start)).toThrow(message);
  });

  test("what it throws is the cause", () => {
    const cause = new Error("no free slot");
    const command = () => {
      throw cause;
    };
    let error: unknown;
    try {
      commandFor(option, command, start);
    } catch (thrown) {
      error = thrown;
    }
    expect(error).toBeInstanceOf(InnerInvalidOptionError);
    expect(error).toMatchObject({
      message: 'createPool: "worker.processCommandPrefix()" has thrown: no free slot',
      cause,
    });
  });
});

describe("an option that there is elsewhere, and not here, says why", () => {
  test.each([
    [{ inliner: {} }, 'option "inliner" does not exist here: the host runs no tasks'],
    [{ host: {} }, 'option "host" does not exist here: the host runs no tasks'],
    [{ dispatcher: {} }, 'option "dispatcher" does not exist here: there is one way to dispatch'],
    [{ source: "" }, 'option "source" does not exist here: a task\'s module is found by itself'],
    [
      { worker: { timers: { pauseNanoseconds: 1 } } },
      'option "worker.timers.pauseNanoseconds" does not exist here: there is no back-off to tune',
    ],
    [
      { worker: { timers: { parkMs: 5 } } },
      'option "worker.timers.parkMs" does not exist here: a worker that waits for calls never blocks its event loop',
    ],
  ])("%j", (options, message) => {
    expect(create(options)).toThrow(InvalidOptionError);
    expect(create(options)).toThrow(message);
  });
});

/**
 * Every option by its path, with one value of each kind that it takes. Options that are left out take objects with keys
 * of their own.
 */
const accepted: Record<string, unknown[]> = {
  threads: [1, {}],
  "threads.min": [0],
  "threads.max": [1],
  concurrency: [1],
  maxQueueBytes: [1],
  retry: [{}],
  "retry.attempts": [1],
  spareWorkers: [0],
  workerPoolConfig: [{}],
  "workerPoolConfig.minWorkers": [0],
  "workerPoolConfig.maxWorkers": [1],
  "workerPoolConfig.memoryLimitPerWorker": [1],
  "workerPoolConfig.memoryCheckInterval": [0.5],
  "workerPoolConfig.maxExecutionsPerWorker": [1],
  "workerPoolConfig.maxQueueSize": [1],
  "workerPoolConfig.queueTimeout": [0.5],
  "workerPoolConfig.maxMessagesPerSecond": [1],
  "workerPoolConfig.idleTimeout": [0.5],
  "workerPoolConfig.gracefulShutdownTimeout": [0.5],
  "workerPoolConfig.onWorkerRecycled": [() => {}],
  "workerPoolConfig.onStatsUpdate": [() => {}],
  "workerPoolConfig.statsInterval": [0.5],
  balancer: ["roundRobin", {}],
  "balancer.strategy": ["roundRobin"],
  workerExecArgv: [[]],
  abortSignalCapacity: [1],
  debug: [true, [], {}],
  "debug.host": [true],
  payload: [{}],
  "payload.mode": ["growable", "fixed"],
  "payload.payloadInitialBytes": [0],
  "payload.payloadMaxByteLength": [65_536],
  "payload.maxPayloadBytes": [64],
  permission: ["unsafe", {}],
  worker: [{}],
  "worker.runtime": ["thread"],
  "worker.processRuntime": ["node"],
  "worker.processRuntimePath": ["node"],
  "worker.processCommandPrefix": [["env"], () => ["env"]],
  "worker.processSharedMemory": ["named", {}],
  "worker.processSharedMemory.mode": ["named"],
  "worker.processSharedMemory.namePrefix": ["a"],
  "worker.processSharedMemory.unlinkOnShutdown": [true],
  "worker.startupTimeoutMs": [1],
  "worker.hardTimeoutMs": [1],
  "worker.maxBootFailures": [1],
  "worker.stdio": ["pipe"],
  "worker.env": [{}],
  "worker.env.inherit": [["A"]],
  "worker.env.set": [{}],
  "worker.bootstrap": [{}],
  "worker.bootstrap.href": ["../fixtures/tasks/bootstrap.mjs"],
  "worker.bootstrap.name": ["setup"],
  "worker.teardown": [{}],
  "worker.teardown.href": ["../fixtures/tasks/teardown.mjs"],
  "worker.teardown.name": ["close"],
  "worker.argv": [[]],
  "worker.resolveAfterFinishingAll": [true],
  "worker.timers": [{}],
  "worker.timers.spinMicroseconds": [1],
  "worker.resourceLimits": [{}],
  "worker.resourceLimits.maxOldGenerationSizeMb": [100],
  "worker.resourceLimits.maxYoungGenerationSizeMb": [100],
  "worker.resourceLimits.codeRangeSizeMb": [100],
  "worker.resourceLimits.stackSizeMb": [1],
  "worker.nice": [1],
  "worker.cwd": ["."],
  "worker.stopCommand": [["true"], () => ["true"]],
};
/** Options that must be set too, so that an option is validated. */
const besides: Record<string, object> = {
  "worker.processSharedMemory.namePrefix": { mode: "named" },
  "worker.processSharedMemory.unlinkOnShutdown": { mode: "named" },
  "worker.bootstrap.name": { href: "../fixtures/tasks/bootstrap.mjs" },
  "worker.teardown.name": { href: "../fixtures/tasks/teardown.mjs" },
  // Without this field the two words would be names of variables.
  "worker.env.inherit": { set: {} },
  "worker.env.set": { inherit: [] },
};

describe("every option refuses every kind of value that it does not take", () => {
  const kinds: unknown[] = [null, true, 0.25, -1, Number.NaN, "\0", "", [], {}, () => 1, Symbol("s"), 1n];
  const kindOf = (value: unknown) =>
    value === null || Array.isArray(value) ? JSON.stringify(value) : typeof value;

  test.each(Object.entries(accepted))("%s", (path, good) => {
    const options = (value: unknown) => {
      let nested: unknown = value;
      const keys = path.split(".");
      for (let depth = keys.length - 1; depth >= 0; depth--) {
        const here = keys.slice(0, depth + 1).join(".");
        const process = depth === 1 && keys[0] === "worker" && { runtime: "process", processRuntime: "node" };
        const own = path === "worker.runtime" ? {} : process;
        nested = { ...own, ...besides[here], [keys[depth]]: nested };
      }
      return nested;
    };
    const refused = new Set<unknown>();
    for (const kind of kinds) {
      try {
        resolveOptions(options(kind));
      } catch (error) {
        expect(error, String(error)).toBeInstanceOf(InnerInvalidOptionError);
        const { message } = error as Error;
        expect(message).toMatch(/^createPool: /);
        expect(message).toContain(path);
        refused.add(kind);
      }
    }
    // The accepted kinds must be exactly the kinds that were not refused for being of that kind.
    const taken = new Set(good.map((value) => (Array.isArray(value) ? "[]" : kindOf(value))));
    for (const kind of kinds.filter((value) => !taken.has(kindOf(value)))) {
      expect(refused.has(kind), kindOf(kind)).toBe(true);
    }
    // A limit that the runtime doesn't have is refused for another reason.
    for (const value of path.includes("codeRange") ? [] : good) {
      const needsMore =
        JSON.stringify(value) === "{}" && /permission|balancer|Memory|bootstrap|teardown|retry/.test(path);
      if (!needsMore) {
        expect(() => resolveOptions(options(value)), path).not.toThrow();
      }
    }
  });

  test("and every object an unknown key, by the nearest known one", () => {
    const nested = Object.keys(accepted).filter((path) => !path.startsWith("worker.env"));
    for (const path of nested) {
      const keys = path.split(".");
      const last = keys.pop() as string;
      const wrong = [...keys, `${last}s`].join(".");
      let options: unknown = { [`${last}s`]: 1, ...(keys[0] === "worker" && { runtime: "process" }) };
      for (const key of keys.reverse()) {
        options = { [key]: options };
        if (key !== "worker" && keys.includes("worker")) {
          options = { ...(options as object), runtime: "process" };
        }
      }
      expect(() => resolveOptions(options), wrong).toThrow(
        `createPool: unknown option "${wrong}", did you mean "${path}"?`,
      );
    }
  });
});

describe("the size of a pool, and its limits", () => {
  const configOf = (options: object) => resolveOptions(options).config;
  const sizeOf = (options: object) => {
    const { minWorkers, maxWorkers } = configOf(options);
    return [minWorkers, maxWorkers];
  };
  const cores = availableParallelism();

  test("threads: n is a fixed pool, threads: { min, max } the short form of minWorkers and maxWorkers", () => {
    expect(sizeOf({ threads: 3 })).toEqual([3, 3]);
    for (const [min, max, size] of [
      [2, 5, [2, 5]],
      [0, 1, [0, 1]],
      [3, 3, [3, 3]],
      [1024, 1024, [1024, 1024]],
      [undefined, 1, [1, 1]],
      [undefined, 7, [1, 7]],
      [2, undefined, [2, Math.max(2, cores)]],
      [500, undefined, [500, Math.max(500, cores)]],
      [0, undefined, [0, cores]],
    ] as const) {
      expect(sizeOf({ threads: { min, max } })).toEqual(size);
      if (min !== undefined || max !== undefined) {
        expect(sizeOf({ workerPoolConfig: { minWorkers: min, maxWorkers: max } })).toEqual(size);
      }
    }
    expect(sizeOf({ threads: {} })).toEqual([1, cores]);
    expect(sizeOf({ workerPoolConfig: { maxQueueSize: 5 } })).toEqual([1, 1]);
    expect(sizeOf({ threads: 4, workerPoolConfig: { maxQueueSize: 5 } })).toEqual([4, 4]);
  });

  test.each([
    [{ threads: { min: 3, max: 2 } }, '"threads.min" is 3, it must be at most "threads.max", which is 2'],
    [{ threads: { min: -1 } }, '"threads.min" is -1, it must be a whole number from 0 to 1024'],
    [{ threads: { max: 0 } }, '"threads.max" is 0, it must be a whole number from 1 to 1024'],
    [{ threads: { min: Number.NaN } }, '"threads.min" is NaN'],
    [{ threads: { max: 1025 } }, '"threads.max" is 1025'],
    [{ threads: Number.NaN }, '"threads" is NaN'],
    [{ threads: [1, 2] }, '"threads" is an array, it must be a whole number or { min, max }'],
    [
      { workerPoolConfig: { minWorkers: 3, maxWorkers: 2 } },
      '"workerPoolConfig.minWorkers" is 3, it must be at most "workerPoolConfig.maxWorkers", which is 2',
    ],
    [
      { workerPoolConfig: { maxWorkers: 0 } },
      '"workerPoolConfig.maxWorkers" is 0, it must be a whole number from 1 to 1024',
    ],
    [
      { threads: 2, workerPoolConfig: { maxWorkers: 4 } },
      '"threads" is 2 and "workerPoolConfig.maxWorkers" is set too: both say how many workers there are',
    ],
    [
      { threads: { max: 2 }, workerPoolConfig: { minWorkers: 0 } },
      '"threads" is an object and "workerPoolConfig.minWorkers" is set too',
    ],
    [
      { workerPoolConfig: { gracefulShutdownTimeout: 5 }, worker: { resolveAfterFinishingAll: true } },
      '"workerPoolConfig.gracefulShutdownTimeout" is 5 and "worker.resolveAfterFinishingAll" is true: both say how ' +
        "long a shutdown waits for calls",
    ],
    [{ concurrency: 0 }, '"concurrency" is 0, it must be a whole number, at least 1'],
    [{ maxQueueBytes: 0 }, '"maxQueueBytes" is 0'],
    [{ maxQueueBytes: Number.POSITIVE_INFINITY }, '"maxQueueBytes" is Infinity'],
    [{ retry: 2 }, '"retry" is 2, it must be { attempts }'],
    [{ retry: {} }, '"retry.attempts" is undefined, it must be a whole number, at least 1'],
    [{ retry: { attempts: 0 } }, '"retry.attempts" is 0'],
    [{ spareWorkers: 1025 }, '"spareWorkers" is 1025, it must be a whole number from 0 to 1024'],
    [{ worker: { argv: "--a" } }, '"worker.argv" is "--a", it must be an array of strings'],
    [{ worker: { argv: ["a", 1] } }, '"worker.argv[1]" is 1, it must be a string without NUL'],
    [{ worker: { argv: new Array(1) } }, '"worker.argv[0]" is undefined'],
    [{ worker: { argv: ["a\0b"] } }, '"worker.argv[0]" is "a\\u0000b"'],
    ...[
      "memoryLimitPerWorker",
      "memoryCheckInterval",
      "maxExecutionsPerWorker",
      "maxQueueSize",
      "queueTimeout",
      "maxMessagesPerSecond",
      "idleTimeout",
      "gracefulShutdownTimeout",
      "statsInterval",
    ].flatMap((name) =>
      [0, -1, Number.NaN, "5", null, Number.POSITIVE_INFINITY].map((value): [object, string] => [
        { workerPoolConfig: { [name]: value } },
        `"workerPoolConfig.${name}" is ${typeof value === "string" ? `"${value}"` : value}, it must be a `,
      ]),
    ),
    ...["queueTimeout", "idleTimeout", "gracefulShutdownTimeout", "memoryCheckInterval", "statsInterval"].map(
      (name): [object, string] => [
        { workerPoolConfig: { [name]: 2 ** 31 } },
        `"workerPoolConfig.${name}" is 2147483648, it must be a number of milliseconds above 0, at most 2147483647`,
      ],
    ),
    [
      { workerPoolConfig: { onStatsUpdate: 1 } },
      '"workerPoolConfig.onStatsUpdate" is 1, it must be a function',
    ],
  ] as [object, string][])("%j is refused", (options, message) => {
    expect(create(options)).toThrow(InvalidOptionError);
    expect(create(options)).toThrow(message);
  });

  test("where everything is said", () => {
    const onWorkerRecycled = () => {};
    const onStatsUpdate = () => {};
    const { config, worker, ...options } = resolveOptions({
      concurrency: 2,
      maxQueueBytes: 1_000,
      retry: { attempts: 3 },
      spareWorkers: 2,
      worker: { teardown: { href: "file:///a.mjs" } },
      workerPoolConfig: {
        ...{ minWorkers: 0, maxWorkers: 3, memoryLimitPerWorker: 1_000, memoryCheckInterval: 50 },
        ...{ maxExecutionsPerWorker: 10, maxQueueSize: 5, queueTimeout: 60, maxMessagesPerSecond: 7 },
        ...{
          idleTimeout: 70,
          gracefulShutdownTimeout: 800,
          statsInterval: 90,
          onWorkerRecycled,
          onStatsUpdate,
        },
      },
    });
    expect(options).toMatchObject({ concurrency: 2, maxQueueBytes: 1_000, attempts: 3, spareWorkers: 2 });
    const workerLimits = { memoryBytes: 1_000, memoryCheckMillis: 50, messagesPerSecond: 7 };
    expect(config).toEqual({
      ...{
        minWorkers: 0,
        maxWorkers: 3,
        workerLimits,
        maxExecutions: 10,
        maxQueueSize: 5,
        queueTimeoutMs: 60,
      },
      ...{ idleTimeoutMs: 70, gracefulShutdownMs: 800, statsIntervalMs: 90, onWorkerRecycled, onStatsUpdate },
    });
    expect(worker).toMatchObject({ limits: workerLimits, stopMillis: 800 });
  });

  test("a pool that recycles its workers has a spare one, unless it says otherwise", () => {
    const workerPoolConfig = { maxExecutionsPerWorker: 5 };
    expect(resolveOptions({ workerPoolConfig }).spareWorkers).toBe(1);
    expect(resolveOptions({ workerPoolConfig, spareWorkers: 0 }).spareWorkers).toBe(0);
  });

  test("a worker with a teardown function has at least the time that any worker has", () => {
    const worker = { teardown: { href: "file:///a.mjs" } };
    const stopMillis = (gracefulShutdownTimeout?: number) =>
      resolveOptions({ worker, workerPoolConfig: { gracefulShutdownTimeout } }).worker.stopMillis;
    expect([stopMillis(), stopMillis(1), stopMillis(20_000)]).toEqual([5_000, 250, 20_000]);
    expect(resolveOptions({ workerPoolConfig: { gracefulShutdownTimeout: 9_000 } }).worker.stopMillis).toBe(
      250,
    );
  });

  test("the presets are sets of limits, and nothing can change them", () => {
    const MIB = 1024 * 1024;
    const rows = {
      maxWorkers: [4, 8, 16, 32],
      memoryLimitPerWorker: [64 * MIB, 128 * MIB, 256 * MIB, 512 * MIB],
      maxExecutionsPerWorker: [100, 500, 1_000, 5_000],
      maxQueueSize: [20, 50, 100, 500],
      maxMessagesPerSecond: [100, 500, 1_000, 5_000],
      minWorkers: [2, 2, 2, 4],
      idleTimeout: [15_000, 30_000, 30_000, 60_000],
      queueTimeout: [10_000, 20_000, 30_000, 60_000],
      gracefulShutdownTimeout: [2_000, 3_000, 5_000, 10_000],
    };
    const names = ["STRICT", "SECURE", "STANDARD", "PERMISSIVE"] as const;
    expect(Object.keys(WorkerPoolPresets)).toEqual(names);
    expect(Object.isFrozen(WorkerPoolPresets)).toBe(true);
    for (const [column, name] of names.entries()) {
      const preset = WorkerPoolPresets[name];
      expect(preset).toEqual(
        Object.fromEntries(Object.entries(rows).map(([row, values]) => [row, values[column]])),
      );
      expect(Object.isFrozen(preset)).toBe(true);
      expect(sizeOf({ workerPoolConfig: preset })).toEqual([
        rows.minWorkers[column],
        rows.maxWorkers[column],
      ]);
      expect(sizeOf({ workerPoolConfig: { ...preset, maxWorkers: 9 } })).toEqual([
        rows.minWorkers[column],
        9,
      ]);
    }
  });

  test("the objects of seed 003 are accepted as they are there", (context) => {
    const folder = join(__dirname, "..", "..", "..", "shared", "seeds");
    const file = existsSync(folder) ? readdirSync(folder).find((name) => name.startsWith("003_")) : undefined;
    if (file === undefined) {
      context.skip("the seeds lie beside the checkout they were made for, and not here");
      return;
    }
    const text = readFileSync(join(folder, file), "utf8");
    // Each `new Enclave({ … })` as it stands; what follows ends with the first line that closes it.
    const blocks = Array.from(text.matchAll(/new Enclave\((\{\n.*?\n\})\);/gs), ([, block]) => block);
    const logged: unknown[][] = [];
    const console = { log: (...words: unknown[]) => logged.push(words) };
    const configs = blocks.map((block) => {
      const evaluate = new Function("WorkerPoolPresets", "console", `return (${block}).workerPoolConfig;`);
      return evaluate(WorkerPoolPresets, console) as WorkerPoolConfig;
    });
    expect(configs).toHaveLength(4);
    expect(configs.map((workerPoolConfig) => sizeOf({ workerPoolConfig }))).toEqual([
      [2, 8],
      [2, 4],
      [2, 16],
      [1, 8],
    ]);
    expect(
      configs.map((workerPoolConfig) => configOf({ workerPoolConfig }).workerLimits?.memoryBytes),
    ).toEqual([256, 64, 128, 256].map((size) => size * 1024 * 1024));
    const { onWorkerRecycled, onStatsUpdate } = configOf({ workerPoolConfig: configs[3] });
    onWorkerRecycled?.("memory", {} as never);
    onStatsUpdate?.({ activeWorkers: 3, queueDepth: 5 } as never);
    expect(logged).toEqual([
      ["Worker recycled:", "memory"],
      ["Active workers:", 3],
      ["Queue depth:", 5],
    ]);
    // The interface of the document has no name that is not there.
    const [, fields] = /interface WorkerPoolConfig \{(.*?)\n\}/s.exec(text) ?? [];
    const names = Array.from(fields.matchAll(/^ +(\w+): number;/gm), ([, name]) => name);
    expect(names).toHaveLength(9);
    expect(() =>
      resolveOptions({ workerPoolConfig: Object.fromEntries(names.map((name) => [name, 1])) }),
    ).not.toThrow();
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
  for (const balancer of ["firstIdle", { strategy: "firstIdleOrRandom" }] as const) {
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
    for (const href of [
      "http://example.com/a.js",
      "ftp://example.com/a.js",
      "blob:nodedata:5",
      "node:fs",
      "https://",
    ]) {
      expect(() => importTask({ href })).toThrow(
        `importTask: "href" is "${href}", it must be a path, or a file:, data: or https: URL`,
      );
    }
  });
});

test("a module may be named by a URL object", async () => {
  const href = new URL("../fixtures/tasks/basic.mjs", import.meta.url);
  await using pool = createPool()({ echo: importTask<number, number>({ href, name: "echo" }) });
  expect(await pool.call.echo(7)).toBe(7);
  expect(() => importTask({ href: new URL("http://example.com/a.js") })).toThrow(
    "it must be a path, or a file:",
  );
});

test("isMain is true here, inside a worker of a test runner", () => {
  expect(isMain).toBe(true);
});

test("what somebody has put on Object.prototype is no option", async () => {
  const polluted: Record<string, unknown> = {
    threads: 3,
    workerExecArgv: ["--expose-gc"],
    worker: { env: { POLLUTED: "yes" } },
    env: { POLLUTED: "yes" },
    hardTimeoutMs: 1,
    read: true,
    mode: "unsafe",
    timeout: 1,
    maxPayloadBytes: 1,
  };
  const before = createPool()({ echo });
  const expected = before.permissions.rules;
  await before.shutdown();
  for (const [key, value] of Object.entries(polluted)) {
    Object.defineProperty(Object.prototype, key, { value, configurable: true, writable: true });
  }
  let pool: typeof before;
  try {
    pool = createPool({ worker: {}, payload: {} })({ echo });
  } finally {
    for (const key of Object.keys(polluted)) {
      Reflect.deleteProperty(Object.prototype, key);
    }
  }
  expect(pool.workers).toHaveLength(1);
  expect(pool.permissions.rules).toEqual(expected);
  expect(await pool.call.echo({ answer: 42 })).toEqual({ answer: 42 });
  await pool.shutdown();
});
