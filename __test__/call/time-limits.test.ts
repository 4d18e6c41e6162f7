/** Time limits and aborts: the ways in which a caller stops waiting. */
import {
  type AbortablePromise,
  AbortCapacityError,
  createPool,
  InvalidOptionError,
  importTask,
  PoolClosedError,
  TaskTimeoutError,
  UnsupportedPayloadError,
} from "knitting-native";
import { expect, test } from "vitest";
import { onEveryRuntimeInGate } from "../support/kinds";
import { until, within } from "../support/processes";

const href = "../fixtures/tasks/limited.mjs";
const tasks = {
  echo: importTask<unknown, unknown>({ href, name: "echo" }),
  wait: importTask<number, number>({ href, name: "wait" }),
  late: importTask<number, number>({ href, name: "wait", timeout: 80 }),
  otherwise: importTask<number, number>({ href, name: "wait", timeout: { time: 80, default: 42 } }),
  maybe: importTask<number, number>({ href, name: "wait", timeout: { time: 80, maybe: true } }),
  fails: importTask<number, number>({
    href,
    name: "wait",
    timeout: { time: 80, error: new RangeError("too slow for me") },
  }),
  spin: importTask<number, number>({ href, name: "spin" }),
  loop: importTask<number, string>({ href, name: "loop", abortSignal: true }),
  listen: importTask<number, string>({ href, name: "listen", abortSignal: true }),
  keep: importTask<number, void>({ href, name: "keep", abortSignal: true }),
  keptSays: importTask<void, boolean[]>({ href, name: "keptSays" }),
  argumentsOf: importTask<number, number>({ href, name: "argumentsOf" }),
  runsSoFar: importTask<void, number>({ href, name: "runsSoFar" }),
  lastWords: importTask<void, string>({ href, name: "lastWords" }),
};
const HOUR = 3_600_000;

const failure = (promise: Promise<unknown>) =>
  within(
    promise.then(
      (value) => new Error(`it resolved with ${value}`),
      (error: unknown) => error,
    ),
  );
const pause = (millis: number) => new Promise((resolve) => setTimeout(resolve, millis));

onEveryRuntimeInGate(({ worker }) => {
  const open = (options = {}) => createPool({ ...options, worker })(tasks);

  test("a time limit in its four forms", async () => {
    await using pool = open();
    const late = await failure(pool.call.late(HOUR));
    expect(late).toBeInstanceOf(TaskTimeoutError);
    expect(late).toMatchObject({ message: "Task timeout", code: "KNITTING_TASK_TIMEOUT" });
    expect(await within(pool.call.otherwise(HOUR))).toBe(42);
    expect(await within(pool.call.maybe(HOUR))).toBeUndefined();
    expect(await failure(pool.call.fails(HOUR))).toMatchObject({ message: "too slow for me" });
    expect(await pool.call.late(1)).toBe(1);
    expect(await pool.call.otherwise(1)).toBe(1);
    expect(await failure(pool.call.wait(HOUR, { timeout: 30 }))).toBeInstanceOf(TaskTimeoutError);
    expect(await within(pool.call.late(HOUR, { timeout: { time: 30, default: 7 } }))).toBe(7);
  });

  test("the time counts from the task's start, not from the call", async () => {
    await using pool = open();
    await pool.call.echo(0);
    const busy = pool.call.spin(400);
    const behind = pool.call.late(1);
    expect(await busy).toBe(400);
    expect(await behind).toBe(1);
  });

  test("a task that runs on after its time is nobody's business any more", async () => {
    await using pool = open();
    await pool.call.echo(0);
    const late = failure(pool.call.spin(300, { timeout: 40 }));
    await pause(100);
    expect(await late).toBeInstanceOf(TaskTimeoutError);
    expect(await Promise.all([1, 2, 3].map((value) => pool.call.echo(value)))).toEqual([1, 2, 3]);
  });

  test("an abort reaches a task that looks, and one that listens", async () => {
    await using pool = open();
    await pool.call.echo(0);
    const looking = pool.call.loop(HOUR);
    await pause(50);
    looking.reject(new Error("no longer"));
    expect(await failure(looking)).toMatchObject({ message: "no longer" });
    expect(await within(pool.call.lastWords())).toBe("aborted");

    const controller = new AbortController();
    const listening = pool.call.listen(HOUR, { signal: controller.signal });
    await until("it listens", () => true);
    expect(await within(pool.call.lastWords())).toBe("listening");
    controller.abort(new TypeError("stop"));
    expect(await failure(listening)).toMatchObject({ name: "TypeError", message: "stop" });
    let words = "";
    while (words !== "AbortError, true") {
      words = await within(pool.call.lastWords());
      await pause(5);
    }
    // Ids are reused: the next calls must start without leftovers of the earlier ones.
    expect(await within(Promise.all([pool.call.loop(20), pool.call.listen(20)]))).toEqual(["done", "done"]);
  });

  test("time that is over is an abort too", async () => {
    await using pool = open();
    await pool.call.echo(0);
    expect(await failure(pool.call.listen(HOUR, { timeout: 40 }))).toBeInstanceOf(TaskTimeoutError);
    let words = "";
    while (words !== "AbortError, true") {
      words = await within(pool.call.lastWords());
      await pause(5);
    }
  });

  test("a call that is aborted before it has begun is not run", async () => {
    await using pool = open();
    const before = await pool.call.runsSoFar();
    const busy = pool.call.spin(200);
    const behind = Array.from({ length: 10 }, () => pool.call.loop(HOUR));
    await pause(20);
    for (const call of behind) {
      call.reject();
      expect(await failure(call)).toMatchObject({ name: "AbortError" });
    }
    expect(await busy).toBe(200);
    expect(await pool.call.runsSoFar()).toBe(before);
    expect(await failure(pool.call.wait(1, { signal: AbortSignal.abort("before") }))).toBe("before");
    const never = new Promise<number>(() => {});
    const controller = new AbortController();
    const waiting = pool.call.wait(never, { signal: controller.signal });
    controller.abort("while its argument is awaited");
    expect(await failure(waiting)).toBe("while its argument is awaited");
    expect(await pool.call.runsSoFar()).toBe(before);
  });

  test("only tasks that ask for it get a toolkit, and it outlives its call", async () => {
    await using pool = open();
    expect(await pool.call.argumentsOf(1)).toBe(1);
    await pool.call.keep(1);
    const another = pool.call.loop(HOUR);
    await pause(20);
    another.reject();
    await failure(another);
    expect(await within(pool.call.keptSays())).toEqual([false, false]);
  });

  test("more abortable calls than abortSignalCapacity are refused, and no others", async () => {
    await using pool = open({ abortSignalCapacity: 3 });
    const calls: AbortablePromise<string>[] = [1, 2, 3].map(() => pool.call.listen(HOUR));
    const error = await failure(pool.call.listen(1));
    expect(error).toBeInstanceOf(AbortCapacityError);
    expect((error as Error).message).toContain("abortSignalCapacity");
    expect(await pool.call.echo(1)).toBe(1);
    calls[0].reject("enough");
    await failure(calls[0]);
    const next = pool.call.listen(10);
    expect(await next).toBe("done");
    for (const call of calls) {
      call.reject();
    }
    await Promise.all(calls.map(failure));
  });

  test("calls that nobody waits for are no burden: not to their worker's death, nor to shutdown", async () => {
    const pool = open({ threads: 2 });
    await pool.call.echo(0);
    const calls = Array.from({ length: 200 }, () => pool.call.listen(HOUR));
    for (const call of calls) {
      call.reject("no longer");
    }
    expect(new Set(await Promise.all(calls.map(failure)))).toEqual(new Set(["no longer"]));
    const behind = pool.call.spin(HOUR, { timeout: 50 });
    expect(await failure(behind)).toBeInstanceOf(TaskTimeoutError);
    await within(pool.shutdown());
  });
});

test("whatever is wrong with a call rejects its promise at once, and nothing is thrown", async () => {
  const pool = createPool()(tasks);
  /** What a call rejects with in this turn of the event loop, while the worker still boots. */
  const refusal = async (name: "wait" | "listen", argument: unknown, options?: unknown) => {
    const call = (pool.call[name] as (...of: unknown[]) => Promise<unknown>)(argument, options);
    let reason: unknown = "not at once";
    call.catch((error) => {
      reason = error;
    });
    await new Promise((resolve) => setImmediate(resolve));
    return reason;
  };
  const broken = new Error("broken");
  const breaks = () => {
    throw broken;
  };
  const noSignal = { aborted: false, addEventListener: breaks, removeEventListener: () => {} };
  for (const [options, message] of [
    [1, '"options" is 1'],
    [null, '"options" is null'],
    [{ signal: { aborted: false, addEventListener: () => {} } }, '"signal" is an object'],
    [{ sgnal: 1 }, 'did you mean "signal"?'],
    [{ signal: 1 }, '"signal" is 1, it must be an AbortSignal'],
    [{ timeout: 0 }, '"timeout" is 0'],
    [{ timeout: { time: 5 } }, '"timeout" has none of them'],
    [{ timeout: { time: 5, default: 1, maybe: true } }, '"timeout" has default: 1, maybe: true'],
    [{ timeout: { time: 5, mabye: true } }, 'did you mean "timeout.maybe"?'],
    [{ timeout: "5" }, '"timeout" is "5"'],
  ] as const) {
    for (const name of ["wait", "listen"] as const) {
      const error = await refusal(name, 1, options);
      expect(error, message).toBeInstanceOf(InvalidOptionError);
      expect((error as Error).message).toContain(message);
    }
  }
  expect(await refusal("wait", 1, { signal: noSignal })).toBe(broken);
  expect(
    await refusal("wait", 1, Object.defineProperty({}, "signal", { get: breaks, enumerable: true })),
  ).toBe(broken);
  // biome-ignore lint/suspicious/noThenProperty: a promise with a method of its own is the point
  expect(await refusal("wait", Object.assign(Promise.resolve(1), { then: breaks }))).toBe(broken);
  expect(await refusal("wait", () => {})).toBeInstanceOf(UnsupportedPayloadError);
  // The argument's own rejection is the call's too: vitest fails for one that is not handled.
  const late = Promise.reject(new Error("no argument"));
  expect(await refusal("wait", late, { timeout: -1 })).toBeInstanceOf(InvalidOptionError);
  expect(await refusal("wait", Promise.reject(broken), { signal: AbortSignal.abort("left") })).toBe("left");
  const abortable = (pool.call.listen as (...of: unknown[]) => AbortablePromise<unknown>)(1, 5);
  abortable.reject("twice");
  expect(await failure(abortable)).toBeInstanceOf(InvalidOptionError);
  await pool.shutdown();
  expect(await refusal("wait", Promise.reject(broken))).toBeInstanceOf(PoolClosedError);
});

test("the time limit of a task and the capacity are checked at once", () => {
  for (const [definition, message] of [
    [{ href, timeout: -1 }, '"timeout" is -1'],
    [{ href, abortSignal: 1 }, '"abortSignal" is 1, it must be true or false'],
  ] as const) {
    expect(() => importTask(definition as never)).toThrow(message);
  }
  expect(() => createPool({ abortSignalCapacity: 0 })).toThrow('"abortSignalCapacity" is 0');
});
