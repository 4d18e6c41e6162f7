/** The public contract, row by row: tasks, pools, errors. */
import { setTimeout as sleep } from "node:timers/promises";
import {
  createPool,
  InvalidOptionError,
  importTask,
  isMain,
  KnittingError,
  PoolClosedError,
  type PoolOptions,
  TaskNotFoundError,
  TaskTimeoutError,
  task,
  WorkerBootError,
  WorkerCrashedError,
  WorkerKilledError,
} from "knitting-native";
import { describe, expect, test } from "vitest";
// @ts-expect-error a module of plain JavaScript, as the workers import it
import * as contract from "../fixtures/tasks/contract.mjs";
import { onEveryRuntime } from "../support/kinds";
import { until, within } from "../support/processes";

const of = <Argument, Result>(name: string, file = "basic") =>
  importTask<Argument, Result>({ href: `../fixtures/tasks/${file}.mjs`, name });
const wait = of<number, number>("wait");
const echo = of<unknown, unknown>("echo");

onEveryRuntime(({ worker }) => {
  describe("tasks", () => {
    test("bare exported function; task({ f }); isMain", async () => {
      await using pool = contract.poolOf({ worker });
      const calls = [pool.call.add([1, 2]), pool.call.typed("four"), pool.call.isHost()];
      expect(await within(Promise.all(calls))).toEqual([3, 4, false]);
      expect(isMain).toBe(true);
    });

    test("importTask({ href, name }) and its default export", async () => {
      await using pool = createPool({ worker })({
        add: of<number[], number>("add"),
        other: of<string, string>("default"),
      });
      expect(await within(pool.call.add([1, 2]))).toBe(3);
      expect(await within(pool.call.other("x"))).toBe("default x");
    });

    test("task(...).createPool(options)", async () => {
      const pool = contract.typed.createPool({ worker });
      expect(await within(pool.call("four"))).toBe(4);
      await within(pool.shutdown());
    });

    test("timeout: a number, { default }, { maybe } and { error }", async () => {
      const href = "../fixtures/tasks/basic.mjs";
      const error = new RangeError("too slow");
      const limited = <T>(timeout: T) =>
        importTask<number, unknown>({ href, name: "wait", timeout: timeout as number });
      await using pool = createPool({ worker })({
        number: limited(30),
        byDefault: limited({ time: 30, default: 7 }),
        maybe: limited({ time: 30, maybe: true }),
        error: limited({ time: 30, error }),
      });
      const late = within(pool.call.number(60_000));
      await expect(late).rejects.toThrow(TaskTimeoutError);
      await expect(late).rejects.toThrow(/^Task timeout$/);
      expect(await within(pool.call.byDefault(60_000))).toBe(7);
      expect(await within(pool.call.maybe(60_000))).toBe(undefined);
      expect(await pool.call.error(60_000).catch((reason) => reason)).toBe(error);
      expect(await within(pool.call.number(1))).toBe(1);
    });

    test("abortSignal: a toolkit in the task, .reject(reason), a standard AbortSignal per call", async () => {
      const loop = importTask<number, string>({
        href: "../fixtures/tasks/limited.mjs",
        name: "loop",
        abortSignal: true,
      });
      await using pool = createPool({ worker })({ loop, last: of<void, string>("lastWords", "limited") });
      let told: string | undefined;
      // A call that is aborted before it has begun never begins.
      for (let millis = 10; told !== "aborted"; millis *= 2) {
        const call = pool.call.loop(60_000);
        await sleep(millis);
        call.reject("enough");
        expect(await call.catch((reason) => reason)).toBe("enough");
        told = await within(pool.call.last());
      }
      const signal = AbortSignal.timeout(20);
      const reason = await within(pool.call.loop(60_000, { signal }).catch((reason: unknown) => reason));
      expect(reason).toBe(signal.reason);
    });

    test("promise argument: native promises are awaited, thenables are not", async () => {
      await using pool = createPool({ worker })({ echo });
      expect(await within(pool.call.echo(Promise.resolve(5)))).toBe(5);
      await expect(pool.call.echo(Promise.reject(new RangeError("none")))).rejects.toThrow("none");
      // biome-ignore lint/suspicious/noThenProperty: a foreign thenable is the point
      await expect(pool.call.echo({ then: () => {} })).rejects.toThrow("$.then is a function");
    });
  });

  describe("pools", () => {
    test("after shutdown calls reject with Thread closed", async () => {
      const pool = createPool({ worker })({ wait });
      await pool.call.wait(0);
      const call = pool.call.wait(60_000);
      void pool.shutdown();
      for (const rejected of [call, pool.call.wait(1)]) {
        const error = await within(rejected.catch((error: unknown) => error));
        expect(error).toBeInstanceOf(PoolClosedError);
        expect(error).toMatchObject({ message: "Thread closed", code: "KNITTING_POOL_CLOSED" });
      }
    });

    test("hardTimeoutMs kills and replaces the one worker; calls not started move to another", async () => {
      const tasks = { echo, spin: of<number, number>("spinForEver", "deadly") };
      await using pool = createPool({ worker: { ...worker, hardTimeoutMs: 200 } })(tasks);
      await pool.call.echo(0);
      const stuck = pool.call.spin(1);
      const behind = pool.call.echo("behind");
      await expect(within(stuck)).rejects.toBeInstanceOf(WorkerKilledError);
      expect(await within(behind)).toBe("behind");
    });

    test("a dead worker is replaced; its started calls reject, calls not started move", async () => {
      await using pool = createPool({ worker, permission: "unsafe" })({
        echo,
        die: of<void, never>("die", "deadly"),
      });
      await pool.call.echo(0);
      const [died, behind] = [pool.call.die(), pool.call.echo("behind")];
      const error = await within(died.catch((error: unknown) => error));
      expect(error).toBeInstanceOf(WorkerCrashedError);
      expect(error).toMatchObject({ task: "die", started: true });
      expect(await within(behind)).toBe("behind");
      expect(pool.workers).toHaveLength(1);
    });

    test("a deterministic boot failure rejects waiting calls at once", async () => {
      const bootstrap = { href: "data:text/javascript,export default () => { throw new Error('never') }" };
      await using pool = createPool({ worker: { ...worker, bootstrap } })({ echo });
      let starts = 0;
      pool.on("spawn", () => starts++);
      await expect(within(pool.call.echo(1))).rejects.toBeInstanceOf(WorkerBootError);
      await until("it is given up", () => pool.workers[0].state === "broken");
      expect(starts).toBeLessThanOrEqual(1);
    });
  });

  test(
    "errors: built-in classes as themselves with cause and own properties, others as Error with their " +
      "name",
    async () => {
      await using pool = createPool({ worker })({ throws: of<string, never>("throws", "contract") });
      const thrown = (kind: string) => within(pool.call.throws(kind).catch((error: unknown) => error));
      const type = await thrown("TypeError");
      expect(type).toBeInstanceOf(TypeError);
      expect(type).toMatchObject({ message: "no", detail: { at: 1 }, cause: new RangeError("deep") });
      const aggregate = await thrown("AggregateError");
      expect(aggregate).toBeInstanceOf(AggregateError);
      expect(aggregate).toMatchObject({ errors: [new RangeError("deep")] });
      const own = await thrown("Refusal");
      expect(own).toBeInstanceOf(Error);
      expect(own).toMatchObject({ name: "Refusal", message: "no", detail: { at: 1 } });
    },
  );
});

describe("what is provable at once is said at once", () => {
  test("a task that its module does not export", () => {
    expect(() => contract.poolOfUnexported()).toThrow(TaskNotFoundError);
    expect(() => createPool()({ gone: of("gone") })).toThrow(TaskNotFoundError);
    expect(() => createPool()({ here: task({ f: () => 1 }) })).toThrow("is a test file");
  });

  test("unknown options are refused, naming the nearest known one", () => {
    const create = () => createPool({ worker: { hardTimeout: 5 } } as PoolOptions);
    expect(create).toThrow(InvalidOptionError);
    expect(create).toThrow('did you mean "worker.hardTimeoutMs"?');
  });

  test("every error extends KnittingError and has a code", () => {
    for (const error of [new PoolClosedError(), new TaskTimeoutError()] as Error[]) {
      expect(error).toBeInstanceOf(KnittingError);
      expect(error).toMatchObject({ code: expect.stringMatching(/^KNITTING_/) });
    }
  });
});
