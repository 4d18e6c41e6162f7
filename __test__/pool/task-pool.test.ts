/** `task(...).createPool()` and `importTask(...).createPool()`: a pool of one task. */
import {
  AbortCapacityError,
  createPool,
  type DefinedTask,
  importTask,
  PoolClosedError,
  TaskNotFoundError,
  task,
  WorkerCrashedError,
} from "knitting-native";
import { describe, expect, test } from "vitest";
// @ts-expect-error the same
import * as unsound from "../fixtures/tasks/host-only.mjs";
// @ts-expect-error a module of plain JavaScript, as the workers import it
import * as defined from "../fixtures/tasks/pools-of-one.mjs";
import { onEveryRuntime, onEveryRuntimeInGate } from "../support/kinds";
import { within } from "../support/processes";

const double: DefinedTask<number, number> = defined.double;
const multiply: (n: number) => DefinedTask<number, number> = defined.multiply;
const slow: DefinedTask<number, string> = defined.slow;
const aborted: DefinedTask<void, string, true> = defined.aborted;
const die: DefinedTask<void, void> = defined.die;

onEveryRuntimeInGate(({ worker }) => {
  test("its call runs the task", async () => {
    await using pool = double.createPool({ worker, threads: 2 });
    expect(await within(Promise.all([pool.call(21), pool.call(Promise.resolve(4))]))).toEqual([42, 8]);
    expect(pool.workers).toHaveLength(2);
    await pool.shutdown();
    await expect(pool.call(1)).rejects.toBeInstanceOf(PoolClosedError);
  });
});

onEveryRuntime(({ worker }) => {
  test("a task that no export names is found by its place in the module", async () => {
    for (const n of [3, 1, 2]) {
      await using pool = multiply(n).createPool({ worker });
      expect(await within(pool.call(100))).toBe(n * 100);
    }
  });

  test("an imported task has one too", async () => {
    const href = "../fixtures/tasks/basic.mjs";
    await using pool = importTask<[number, number], number>({ href, name: "add" }).createPool({ worker });
    expect(await within(pool.call([1, 2]))).toBe(3);
  });

  test("with the definition's time limit, its signal and the pool's capacity", async () => {
    await using limited = slow.createPool({ worker });
    expect(await within(limited.call(10_000))).toBe("enough");
    expect(await within(limited.call(0, { timeout: 10_000 }))).toBe("slept");
    await using pool = aborted.createPool({ worker, abortSignalCapacity: 1 });
    const call = pool.call();
    await expect(pool.call()).rejects.toBeInstanceOf(AbortCapacityError);
    call.reject(new Error("no more"));
    await expect(within(call)).rejects.toThrow("no more");
  });

  test("it tells of its workers, and names the task by its module and place", async () => {
    await using pool = die.createPool({ worker });
    const states: string[] = [];
    pool.on("ready", () => states.push("ready")).once("exit", () => states.push("exit"));
    const error = await within(pool.call().catch((error: unknown) => error));
    expect(error).toBeInstanceOf(WorkerCrashedError);
    expect(error).toMatchObject({ task: "pools-of-one.mjs#4" });
    expect(states).toEqual(["ready", "exit"]);
  });

  test("a module that defines fewer tasks in the worker is refused, whichever task is meant", async () => {
    for (const task of [unsound.first, unsound.second] as DefinedTask<void, string>[]) {
      await using pool = task.createPool({ worker });
      const error = await within(pool.call().catch((error: unknown) => error));
      expect(error).toBeInstanceOf(TaskNotFoundError);
      expect(error).toMatchObject({
        message: expect.stringMatching(
          /host-only\.mjs has defined 3 tasks by task\(\) in the host and 2 in the worker: .* not behind `if \(isMain\)`/,
        ),
      });
    }
    // They are found by their names.
    await using pool = createPool({ worker })(
      unsound as Record<"first" | "second", DefinedTask<void, string>>,
    );
    expect(await within(Promise.all([pool.call.first(), pool.call.second()]))).toEqual(["first", "second"]);
  });
});

describe("what can't be found is refused", () => {
  test("a task of a test file, a module that is gone, an export that isn't there", () => {
    expect(() => task({ f: () => 1 }).createPool()).toThrow(/is a test file/);
    expect(() => importTask({ href: "../fixtures/tasks/gone.mjs" }).createPool()).toThrow(TaskNotFoundError);
    expect(() => importTask({ href: "../fixtures/tasks/basic.mjs", name: "gone" }).createPool()).toThrow(
      /^task "gone": .* has no export "gone"/,
    );
    expect(() => importTask({ href: "https://example.com/a.mjs" }).createPool()).toThrow("Deno alone");
    expect(() => double.createPool({ threads: 0 })).toThrow('"threads" is 0');
    expect(() => double.createPool({ treads: 1 } as object)).toThrow('did you mean "threads"?');
  });

  test("one that was defined when the module had been imported", async () => {
    const late = defined.late() as DefinedTask<void, string>;
    await using pool = late.createPool();
    await expect(within(pool.call())).rejects.toThrow(TaskNotFoundError);
  });
});
