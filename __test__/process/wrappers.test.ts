import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import {
  createPool,
  InvalidOptionError,
  importTask,
  type KnittingError,
  WorkerBootError,
  type WorkerOptions,
} from "knitting-native";
import { afterEach, describe, expect, onTestFinished, test } from "vitest";
import { onProcessesInGate, pidOf } from "../support/kinds";
import { childrenOf, Host, isAlive, until, within } from "../support/processes";

const href = "../fixtures/tasks/basic.mjs";
const tasks = {
  add: importTask<[number, number], number>({ href, name: "add" }),
  pid: importTask<void, number>({ href, name: "pid" }),
  spin: importTask<number, number>({ href, name: "spin" }),
  reportIsMain: importTask<void, boolean>({ href, name: "reportIsMain" }),
};

const onNode: WorkerOptions = { runtime: "process", processRuntime: "node" };
/** A shell that runs its arguments after the script. */
const shell = (script: string) => ["/bin/sh", "-c", script, "sh"];

async function bootError(worker: WorkerOptions): Promise<WorkerBootError> {
  await using pool = createPool({ worker: { ...onNode, ...worker } })(tasks);
  const error = await within(pool.call.add([1, 2]).catch((error: unknown) => error));
  expect(error).toBeInstanceOf(WorkerBootError);
  return error as WorkerBootError;
}

const names = (prefix: string) => readdirSync("/dev/shm").filter((name) => name.startsWith(`${prefix}-`));

afterEach(async () => {
  await until("the workers are gone", () => childrenOf(process.pid).length === 0);
});

describe("a wrapper that fails is told of", () => {
  test("when it can't be executed", async () => {
    const error = await bootError({ processCommandPrefix: ["no-such-wrapper", "--flag"] });
    expect(error.message).toContain('the wrapper "no-such-wrapper" of worker.processCommandPrefix');
    expect(error.message).toContain("cannot execute no-such-wrapper: No such file or directory");
    expect(error.exitCode).toBe(127);
    const denied = await bootError({ processCommandPrefix: ["/etc/passwd"] });
    expect(denied.message).toContain("cannot execute /etc/passwd: Permission denied");
  });

  test("when it exits at once", async () => {
    const error = await bootError({ processCommandPrefix: shell("echo no room here >&2; exit 3") });
    expect(error.message).toContain('"/bin/sh" of worker.processCommandPrefix exited with status 3');
    expect(error.message).toContain("before a worker had attached");
    expect(error.stderrTail).toBe("no room here\n");
    expect((await bootError({ processCommandPrefix: ["true"] })).exitCode).toBe(0);
  });

  test("when it never starts the worker", async () => {
    const error = await bootError({ processCommandPrefix: shell("exec sleep 1000"), startupTimeoutMs: 200 });
    expect(error.message).toContain('"/bin/sh" of worker.processCommandPrefix has not brought a worker');
    expect(error.message).toContain("worker.startupTimeoutMs, which is 200");
  });

  test("when it replaces or closes stdin", async () => {
    for (const redirection of ["</dev/null", "<&-", "</etc/passwd"]) {
      const error = await bootError({ processCommandPrefix: shell(`exec "$@" ${redirection}`) });
      expect(error.message).toContain("descriptor 0 is not the shared memory");
      expect(error.message).toContain('processSharedMemory: "named"');
    }
  });

  test("when it keeps the boot variables to itself", async () => {
    const prefix = ["env", "-u", "KNITTING_PROCESS_WORKER_BOOT"];
    expect((await bootError({ processCommandPrefix: prefix })).message).toContain(
      "-e KNITTING_PROCESS_WORKER_BOOT",
    );
    expect((await bootError({ processCommandPrefix: ["env", "-i"] })).message).toContain(
      "-e KNITTING_PROCESS_WORKER -e KNITTING_PROCESS_WORKER_BOOT",
    );
  });

  test("when its function throws or returns no command", () => {
    const prefix = (processCommandPrefix: () => string[]) => () =>
      createPool({ worker: { ...onNode, processCommandPrefix } })(tasks);
    const thrown = prefix(() => {
      throw new Error("no container left");
    });
    expect(thrown).toThrow(InvalidOptionError);
    expect(thrown).toThrow("no container left");
    expect(prefix(() => "bwrap" as never)).toThrow("worker.processCommandPrefix");
    expect(prefix(() => [1] as never)).toThrow("worker.processCommandPrefix");
  });
});

describe("a prefix function, when a worker is started again,", () => {
  type Prefix = (worker: { index: number; start: number }) => string[];
  const open = (processCommandPrefix: Prefix, options: WorkerOptions = {}, threads = 1) => {
    const pool = createPool({ threads, worker: { ...onNode, ...options, processCommandPrefix } })(tasks);
    // Whatever becomes of the test: the next ones want no process of this one's.
    onTestFinished(async () => void (await pool.shutdown()));
    return pool;
  };
  const kill = async (pool: ReturnType<typeof open>, index = 0) =>
    process.kill(await pidOf(pool, index), "SIGKILL");
  const state = (pool: ReturnType<typeof open>, wanted: string, index = 0) =>
    until(`worker ${index} is ${wanted}`, () => pool.workers[index].state === wanted);

  test("may shut the pool down: no worker comes after that", async () => {
    let shutdown: Promise<unknown> | undefined;
    const events: string[] = [];
    const pool = open(({ start }) => {
      if (start > 0) {
        shutdown = pool.shutdown();
      }
      return ["env"];
    });
    pool.on("spawn", () => events.push("spawn")).on("exit", () => events.push("exit"));
    await pool.call.pid();
    await kill(pool);
    await until("it was started again", () => shutdown !== undefined);
    await within(shutdown as Promise<unknown>);
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(events).toEqual(["spawn", "exit"]);
    expect(childrenOf(process.pid)).toEqual([]);
  });

  test("may shut the pool down and throw", async () => {
    let shutdown: Promise<unknown> | undefined;
    const pool = open(({ start }) => {
      if (start > 0) {
        shutdown = pool.shutdown();
        throw new Error("not again");
      }
      return ["env"];
    });
    await pool.call.pid();
    await kill(pool);
    await until("it was started again", () => shutdown !== undefined);
    await within(shutdown as Promise<unknown>);
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(pool.workers[0].state).toBe("closed");
  });

  test("may make calls", async () => {
    let call: Promise<number> | undefined;
    const pool = open(({ start }) => {
      if (start > 0) {
        call = pool.call.add([1, 2]);
      }
      return ["env"];
    });
    await pool.call.pid();
    await kill(pool);
    await until("it was started again", () => call !== undefined);
    expect(await within(call as Promise<number>)).toBe(3);
    await pool.shutdown();
  });

  test("may throw: all calls that wait hear of it, however many they are", async () => {
    const pool = open(
      ({ start }) => {
        if (start > 0) {
          throw new Error("no container left");
        }
        return ["env"];
      },
      { maxBootFailures: 2 },
    );
    await pool.call.pid();
    await kill(pool);
    await state(pool, "restarting");
    const calls = Array.from({ length: 200_000 }, () => pool.call.add([1, 2]));
    const results = await within(Promise.allSettled(calls));
    expect(results.filter(({ status }) => status === "rejected").length).toBe(200_000);
    await expect(pool.call.add([1, 2])).rejects.toThrow("no container left");
    await pool.shutdown();
  });

  test("leaves no call behind whose argument shuts the pool down", async () => {
    const pool = open(({ start }) => {
      if (start > 0) {
        throw new Error("no container left");
      }
      return ["env"];
    });
    await pool.call.pid();
    await kill(pool);
    await state(pool, "restarting");
    const argument = Object.defineProperty([1, 2] as [number, number], 0, {
      get() {
        void pool.shutdown();
        return 1;
      },
      enumerable: true,
    });
    await expect(within(pool.call.add(argument))).rejects.toThrow("Thread closed");
  });

  test("may fail for one worker alone: calls wait for another that is to come", async () => {
    const fails = new Set<number>();
    const prefix: Prefix = ({ index }) => {
      if (fails.has(index)) {
        throw new Error("no container left");
      }
      return ["env"];
    };
    const pool = open(prefix, { maxBootFailures: 2 }, 2);
    await state(pool, "ready", 0);
    await state(pool, "ready", 1);
    fails.add(0);
    await kill(pool, 0);
    await state(pool, "broken", 0);
    fails.add(1);
    await kill(pool, 1);
    await state(pool, "restarting", 1);
    fails.delete(1);
    expect(await within(Promise.all([1, 2, 3].map((value) => pool.call.add([value, 1]))))).toEqual([2, 3, 4]);
    await pool.shutdown();
  });
});

onProcessesInGate(({ worker }) => {
  test("a wrapper that becomes the worker", async () => {
    for (const processCommandPrefix of [
      ["nice", "-n", "5"],
      ["taskset", "-c", "0"],
      ["env", "A=1"],
    ]) {
      await using pool = createPool({ worker: { ...worker, processCommandPrefix } })(tasks);
      expect(await pool.call.add([1, 2])).toBe(3);
      expect(await pool.call.reportIsMain()).toBe(false);
      expect(pool.workers[0].pid).toBe(await pool.call.pid());
    }
  });

  test("a wrapper that stays, and its worker elsewhere", async () => {
    // setsid puts the worker into its own process group and session.
    const processCommandPrefix = shell('setsid "$@" <&0 & wait');
    for (const processSharedMemory of ["named"] as const) {
      const pool = createPool({ worker: { ...worker, processCommandPrefix, processSharedMemory } })(tasks);
      const pid = await pool.call.pid();
      await until("the worker is found", () => pool.workers[0].pid === pid);
      await pool.shutdown();
      expect(isAlive(pid)).toBe(false);
    }
  });

  test("the end of the wrapper is the end of its worker", async () => {
    const processCommandPrefix = shell('setsid "$@" <&0 & wait');
    await using pool = createPool({
      worker: { ...worker, processCommandPrefix, processSharedMemory: "named" },
    })(tasks);
    const pid = await pool.call.pid();
    await until("the worker is found", () => pool.workers[0].pid === pid);
    const busy = pool.call.spin(60_000).catch((error: unknown) => error);
    await new Promise((resolve) => setTimeout(resolve, 50));
    const [wrapper] = childrenOf(process.pid);
    process.kill(wrapper, "SIGKILL");
    expect(await within(busy)).toMatchObject({ name: "WorkerCrashedError", signal: "SIGKILL" });
    expect(isAlive(pid)).toBe(false);
    expect(await pool.call.add([1, 2])).toBe(3);
  });

  test("the end of the worker is the end of its wrapper", async () => {
    const processCommandPrefix = shell('setsid "$@" <&0 & wait; sleep 1000');
    await using pool = createPool({
      worker: { ...worker, processCommandPrefix, processSharedMemory: "named" },
    })(tasks);
    const pid = await pool.call.pid();
    await until("the worker is found", () => pool.workers[0].pid === pid);
    const [wrapper] = childrenOf(process.pid);
    const busy = pool.call.spin(60_000).catch((error: unknown) => error);
    await new Promise((resolve) => setTimeout(resolve, 50));
    process.kill(pid, "SIGKILL");
    expect(await within(busy)).toMatchObject({ name: "WorkerCrashedError" });
    expect(isAlive(wrapper)).toBe(false);
    expect(await pool.call.add([1, 2])).toBe(3);
  });
});

describe("memory with a name", () => {
  const namePrefix = `knitting-test-${process.pid}`;
  const named: WorkerOptions = { ...onNode, processSharedMemory: { mode: "named", namePrefix } };

  test("is there while the worker boots, for its owner alone, and gone once it has attached", async () => {
    const processCommandPrefix = shell('sleep 0.3; exec "$@"');
    await using pool = createPool({ threads: 2, worker: { ...named, processCommandPrefix } })(tasks);
    const found = names(namePrefix);
    expect(found.length).toBe(2);
    expect(new Set(found).size).toBe(2);
    for (const name of found) {
      expect(name).toMatch(/-[0-9a-f]{32}\.knitting$/);
      expect(statSync(join("/dev/shm", name)).mode & 0o777).toBe(0o600);
    }
    expect(await pool.call.add([1, 2])).toBe(3);
    await until("both have attached", () => pool.workers.every(({ state }) => state === "ready"));
    expect(names(namePrefix)).toEqual([]);
  });

  test("stays until shutdown on request", async () => {
    const processSharedMemory = { mode: "named", namePrefix, unlinkOnShutdown: true } as const;
    const pool = createPool({ worker: { ...onNode, processSharedMemory } })(tasks);
    expect(await pool.call.add([1, 2])).toBe(3);
    expect(names(namePrefix).length).toBe(1);
    await pool.shutdown();
    expect(names(namePrefix)).toEqual([]);
  });

  test("goes with a worker that can't be started", async () => {
    await bootError({ ...named, processCommandPrefix: ["false"] });
    expect(names(namePrefix)).toEqual([]);
  });

  test("left by a killed host is swept by the next pool", async () => {
    const host = new Host("named-host.mjs", namePrefix);
    await host.says("started");
    expect(names(namePrefix).length).toBe(1);
    const kept = createPool({ worker: { ...named, processCommandPrefix: shell('sleep 0.5; exec "$@"') } })(
      tasks,
    );
    expect(names(namePrefix).length).toBe(2);
    host.process.kill("SIGKILL");
    await host.exit();
    expect(names(namePrefix).length).toBe(2);
    await using next = createPool()({ add: tasks.add });
    await until("the orphan is swept", () => {
      createPool();
      return names(namePrefix).length <= 1;
    });
    expect(await next.call.add([1, 2])).toBe(3);
    expect(await kept.call.add([1, 2])).toBe(3);
    await kept.shutdown();
  });

  test("that the worker truncates costs the lane, not the host", async () => {
    const memory = "../fixtures/tasks/memory.mjs";
    const truncate = importTask<number, void>({ href: memory, name: "truncate" });
    const echo = importTask<Uint8Array, Uint8Array>({ href: memory, name: "echo" });
    await using pool = createPool({ worker: named, permission: "unsafe" })({ truncate, echo });
    const bytes = new Uint8Array(3_000_000).fill(7);
    let ends = 0;
    pool.on("exit", () => ends++);
    for (let round = 0; round < 5; round++) {
      // The answer may be lost with the memory.
      await pool.call.truncate(round * 3).catch(() => undefined);
      const failures: unknown[] = [];
      const end = Date.now() + 20_000;
      // A call that finds its memory gone before it is sent goes to the next worker.
      while (ends === round && Date.now() < end) {
        const calls = Array.from({ length: 8 }, () => pool.call.echo(bytes));
        for (const result of await within(Promise.allSettled(calls))) {
          if (result.status === "rejected") {
            failures.push(result.reason);
          } else {
            expect(result.value.every((byte) => byte === 7)).toBe(true);
          }
        }
      }
      const codes = ["KNITTING_WORKER_CRASHED", "KNITTING_PROTOCOL_VIOLATION"];
      for (const failure of failures) {
        expect(codes).toContain((failure as KnittingError).code);
      }
      expect(ends).toBe(round + 1);
      expect((await pool.call.echo(bytes)).length).toBe(bytes.length);
    }
  });
});
