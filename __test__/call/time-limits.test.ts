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
import { checkCallOptions } from "../../build/call/options.js";
import { onEveryRuntimeInGate } from "../support/kinds";
import { until, within } from "../support/processes";

const href = "../fixtures/tasks/limited.mjs";
/** In so many milliseconds a worker has begun its call, and done what is quick, also where others use the machine. */
const TIME = 250;
const tasks = {
  echo: importTask<unknown, unknown>({ href, name: "echo" }),
  wait: importTask<number, number>({ href, name: "wait" }),
  late: importTask<number, number>({ href, name: "wait", timeout: TIME }),
  otherwise: importTask<number, number>({ href, name: "wait", timeout: { time: TIME, default: 42 } }),
  maybe: importTask<number, number>({ href, name: "wait", timeout: { time: TIME, maybe: true } }),
  fails: importTask<number, number>({
    href,
    name: "wait",
    timeout: { time: TIME, error: new RangeError("too slow for me") },
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
    await until("it has begun", () => pool.stats().activeWorkers === 1);
    looking.reject(new Error("no longer"));
    expect(await failure(looking)).toMatchObject({ message: "no longer" });
    expect(await within(pool.call.lastWords())).toBe("aborted");

    const controller = new AbortController();
    const listening = pool.call.listen(HOUR, { signal: controller.signal });
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
    expect(await failure(pool.call.listen(HOUR, { timeout: TIME }))).toBeInstanceOf(TaskTimeoutError);
    let words = "";
    while (words !== "AbortError, true") {
      words = await within(pool.call.lastWords());
      await pause(5);
    }
  });

  test("a call that is aborted before it has begun is not run", async () => {
    await using pool = open();
    const before = await pool.call.runsSoFar();
    const busy = pool.call.spin(600);
    const behind = Array.from({ length: 10 }, () => pool.call.loop(HOUR));
    await until("it is busy", () => pool.stats().activeWorkers === 1);
    for (const call of behind) {
      call.reject();
      expect(await failure(call)).toMatchObject({ name: "AbortError" });
    }
    expect(await busy).toBe(600);
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
    await until("it has begun", () => pool.stats().activeWorkers === 1);
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
  const buffer = new ArrayBuffer(8);
  const detached = new ArrayBuffer(8);
  structuredClone(detached, { transfer: [detached] });
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
    [{ timeout: { time: 5, kill: false } }, '"timeout.kill" is false, it must be true, or left out'],
    [{ timeout: { time: 5, kill: 1 } }, '"timeout.kill" is 1'],
    [{ timeout: { kill: true } }, '"timeout.time" is undefined'],
    [{ timeout: { time: 5, default: 1, error: 1, kill: true } }, '"timeout" has default: 1, error: 1'],
    [
      { timeout: { time: 5, default: 1, graceMs: 5 } },
      '"timeout.graceMs" is 5 and "timeout.kill" is not set: without kill the task may take any time',
    ],
    ...[-1, Number.NaN, 2 ** 31, "5", null].map(
      (graceMs) =>
        [
          { timeout: { time: 5, kill: true, graceMs } },
          `"timeout.graceMs" is ${JSON.stringify(graceMs) === "null" ? graceMs : JSON.stringify(graceMs)}, it must be a ` +
            "number of milliseconds from 0 to 2147483647",
        ] as const,
    ),
    [{ kill: true }, '"kill" is true and there is no "signal"'],
    [{ kill: true, signal: undefined }, '"kill" is true and there is no "signal"'],
    [{ kill: false, signal: AbortSignal.abort() }, '"kill" is false, it must be true, or left out'],
    [{ copy: true }, '"copy" is true, it must be false, or left out'],
    [{ copy: null }, '"copy" is null'],
    [{ affinity: "" }, '"affinity" is "", it must be a string of 1 to 256 characters'],
    [{ affinity: "x".repeat(257) }, "it must be a string of 1 to 256 characters"],
    [{ affinity: 7 }, '"affinity" is 7'],
    [{ priority: 0.5 }, '"priority" is 0.5, it must be a whole number'],
    [{ priority: Number.NaN }, '"priority" is NaN'],
    [{ priority: 2 ** 53 }, '"priority" is 9007199254740992'],
    [{ priority: "1" }, '"priority" is "1"'],
    [{ priority: null }, '"priority" is null'],
    [{ transfer: new ArrayBuffer(1) }, '"transfer" is an object, it must be an array of ArrayBuffers'],
    [{ transfer: [], copy: false }, '"transfer" is set and "copy" is false'],
    [{ transfer: [1] }, '"transfer[0]" is 1, it must be an ArrayBuffer that is not detached'],
    [{ transfer: [buffer, null] }, '"transfer[1]" is null'],
    [{ transfer: [buffer, buffer] }, '"transfer[1]" is the same as "transfer[0]"'],
    [{ transfer: [buffer, new Uint8Array(buffer)] }, '"transfer[1]" is a view of a buffer (Uint8Array)'],
    [{ transfer: [new SharedArrayBuffer(1)] }, '"transfer[0]" is a SharedArrayBuffer'],
    [{ transfer: [detached] }, '"transfer[0]" is a detached ArrayBuffer'],
    [{ transfer: new Array(1) }, '"transfer[0]" is undefined'],
    [{ priorities: 1 }, 'did you mean "priority"?'],
  ] as const) {
    for (const name of ["wait", "listen"] as const) {
      const error = await refusal(name, 1, options);
      expect(error, message).toBeInstanceOf(InvalidOptionError);
      expect((error as Error).message).toContain(message);
    }
  }
  expect(buffer.byteLength, "a call that is refused detaches nothing").toBe(8);
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

test("the options of a call as a pool uses them", () => {
  const buffer = new ArrayBuffer(8);
  const none = { kill: false };
  for (const options of [{}, { affinity: undefined, transfer: [] }, { priority: 0 }]) {
    expect(checkCallOptions("f", options)).toEqual(none);
  }
  const { signal } = new AbortController();
  expect(checkCallOptions("f", { signal, kill: true, copy: false, affinity: "a", priority: -5 })).toEqual({
    ...{ signal, kill: true, terms: { copy: false, affinity: "a", priority: -5 } },
  });
  expect(checkCallOptions("f", { affinity: "a" }).terms).toEqual({ copy: true, affinity: "a", priority: 0 });
  const list = [buffer];
  const { transfer } = checkCallOptions("f", { transfer: list });
  list.push(new ArrayBuffer(1));
  expect(transfer).toEqual([buffer]);
  const limitOf = (timeout: unknown) => checkCallOptions("f", { timeout }).limit;
  expect(limitOf(5)).toEqual({ millis: 5, kill: false, graceMs: 0 });
  expect(limitOf({ time: 5, kill: true })).toEqual({ millis: 5, kill: true, graceMs: 0 });
  expect(limitOf({ time: 5, default: 1, kill: true, graceMs: 9 })).toEqual({
    ...{ millis: 5, outcome: { resolve: 1 }, kill: true, graceMs: 9 },
  });
  expect(limitOf({ time: 5, error: 1, kill: undefined })).toMatchObject({
    outcome: { reject: 1 },
    kill: false,
  });
});

test("the time limit of a task and the capacity are checked at once", () => {
  for (const [definition, message] of [
    [{ href, timeout: -1 }, '"timeout" is -1'],
    [{ href, timeout: { time: 5, kill: "yes" } }, 'importTask: "timeout.kill" is "yes"'],
    [{ href, timeout: { time: 5, maybe: true, graceMs: 1 } }, 'importTask: "timeout.graceMs" is 1'],
    [{ href, abortSignal: 1 }, '"abortSignal" is 1, it must be true, false or { hasAborted: true }'],
  ] as const) {
    expect(() => importTask(definition as never)).toThrow(message);
  }
  expect(() => createPool({ abortSignalCapacity: 0 })).toThrow('"abortSignalCapacity" is 0');
});
