/** `abortSignal: { hasAborted: true }`: an aborted call settles with what its task then returns. */
import {
  AbortCapacityError,
  type CallPromise,
  createPool,
  InvalidOptionError,
  importTask,
  PoolClosedError,
  TaskTimeoutError,
  type Timeout,
  task,
  WorkerCrashedError,
  WorkerKilledError,
} from "knitting-native";
import { expect, test } from "vitest";
import { onEveryRuntimeInGate } from "../support/kinds";
import { within } from "../support/processes";

const href = "../fixtures/tasks/partial.mjs";
const abortSignal = { hasAborted: true } as const;
interface Counted {
  readonly found: number;
  readonly sent: boolean;
}
interface Heard {
  readonly name: string;
  readonly hasAborted: boolean;
}
/** In so many milliseconds a worker has begun its call, also where others use the machine. */
const TIME = 250;
const listening = (timeout?: Timeout<Heard>) =>
  importTask<string, Heard>({ href, name: "listen", abortSignal, timeout });
const tasks = {
  count: importTask<number, Counted>({ href, name: "count", abortSignal }),
  defined: importTask<number, Counted>({ href, name: "defined", abortSignal }),
  listen: listening(),
  late: listening(TIME),
  lateByDefault: listening({ time: TIME, default: { name: "default", hasAborted: false } }),
  lateByError: listening({ time: TIME, error: new RangeError("too slow for me") }),
  lateForGood: listening({ time: TIME, default: { name: "killed", hasAborted: false }, kill: true }),
  gripe: importTask<void, void>({ href, name: "gripe", abortSignal }),
  deaf: importTask<void, void>({ href, name: "deaf", abortSignal }),
  dies: importTask<void, void>({ href, name: "dies", abortSignal }),
  items: importTask<void, AsyncGenerator<number | string, string>>({ href, name: "items", abortSignal }),
  spin: importTask<number, number>({ href, name: "spin" }),
  runsSoFar: importTask<void, number>({ href, name: "runsSoFar" }),
};

const failure = (promise: Promise<unknown>) =>
  within(
    promise.then(
      (value) => new Error(`it resolved with ${JSON.stringify(value)}`),
      (error: unknown) => error,
    ),
  );
/** Resolves when the task says that it has begun. */
const begun = (call: CallPromise<unknown, unknown>) =>
  within(new Promise<void>((resolve) => call.on("progress", () => resolve())));

onEveryRuntimeInGate(({ worker, isProcess }) => {
  const open = (options = {}, more = {}) => createPool({ ...options, worker: { ...worker, ...more } })(tasks);

  test("reject(), a signal and a time limit ask the task to stop, and the call resolves with what it returns", async () => {
    await using pool = open();
    const counted = pool.call.count(5);
    await begun(counted);
    counted.reject("enough");
    expect(await within(counted)).toEqual({ found: 5, sent: true });

    const controller = new AbortController();
    const heard = pool.call.listen("by signal", { signal: controller.signal });
    await begun(heard);
    controller.abort();
    expect(await within(heard)).toEqual({ name: "by signal", hasAborted: true });

    expect(await within(pool.call.late("by time"))).toEqual({ name: "by time", hasAborted: true });
    expect(await within(pool.call.count(5, { timeout: TIME }))).toEqual({ found: 5, sent: true });
  });

  test("a time limit does so in each of its forms, except with kill", async () => {
    await using pool = open();
    const partial = { hasAborted: true };
    expect(await within(pool.call.lateByDefault("a"))).toEqual({ name: "a", ...partial });
    expect(await within(pool.call.lateByError("b"))).toEqual({ name: "b", ...partial });
    expect(await within(pool.call.lateForGood("c"))).toEqual({ name: "killed", hasAborted: false });
    const alone = pool.call.listen("d", { timeout: { time: TIME, kill: true } });
    expect(await failure(alone)).toBeInstanceOf(TaskTimeoutError);
  });

  test("it rejects with what the task throws, whatever the reason was", async () => {
    await using pool = open();
    const call = pool.call.gripe();
    await begun(call);
    call.reject("another reason");
    call.reject("and another");
    expect(await failure(call)).toMatchObject({ name: "RangeError", message: "half done" });
  });

  test("a call that was not begun rejects with the reason at once, and is not run", async () => {
    await using pool = open();
    const early = pool.call.count(1);
    early.reject("while the worker boots");
    expect(await failure(early)).toBe("while the worker boots");
    const before = await within(pool.call.runsSoFar());
    const busy = pool.call.spin(300);
    const waiting = [1, 2, 3].map((limit) => pool.call.count(limit));
    for (const call of waiting) {
      call.reject("in line");
      expect(await failure(call)).toBe("in line");
    }
    expect(await failure(pool.call.listen("x", { signal: AbortSignal.abort("before") }))).toBe("before");
    const controller = new AbortController();
    const never = new Promise<number>(() => {});
    const expecting = pool.call.count(never, { signal: controller.signal });
    controller.abort("no argument yet");
    expect(await failure(expecting)).toBe("no argument yet");
    expect(await within(busy)).toBe(300);
    expect(await within(pool.call.runsSoFar())).toBe(before);
  });

  test("progress goes on after the abort, and so does a stream to its end", async () => {
    await using pool = open();
    const counted = pool.call.count(2);
    const seen: unknown[] = [];
    counted.on("progress", (value) => {
      seen.push(value);
      counted.reject();
    });
    expect(await within(counted)).toEqual({ found: 2, sent: true });
    expect(seen).toEqual(["begun", "after the abort"]);

    const call = pool.call.items();
    const stream = await within(call);
    const items: unknown[] = [];
    for (;;) {
      const { done, value } = await within(stream.next());
      if (done === true) {
        expect(value).toBe("returned");
        break;
      }
      items.push(value);
      if (items.length === 3) {
        call.reject("enough");
      }
    }
    expect(items.at(-1)).toBe("last");
    expect(items.slice(0, -1)).toEqual(Array.from({ length: items.length - 1 }, (_, index) => index));
  });

  test("a call counts for abortSignalCapacity until it settles", async () => {
    await using pool = open({ abortSignalCapacity: 1 });
    const call = pool.call.listen("first");
    await begun(call);
    call.reject();
    expect(await failure(pool.call.listen("second"))).toBeInstanceOf(AbortCapacityError);
    expect(await within(call)).toEqual({ name: "first", hasAborted: true });
    const next = pool.call.listen("third", { timeout: TIME });
    expect(await within(next)).toEqual({ name: "third", hasAborted: true });
  });

  test("a task that does not look is ended by hardTimeoutMs, by its worker's end, or by shutdown", async () => {
    const pool = open({}, { hardTimeoutMs: 500, stdio: "ignore" });
    const call = pool.call.deaf();
    await begun(call);
    call.reject();
    expect(await failure(call)).toBeInstanceOf(WorkerKilledError);
    const dying = pool.call.dies();
    await begun(dying);
    dying.reject();
    expect(await failure(dying)).toBeInstanceOf(WorkerCrashedError);
    const cut = pool.call.deaf();
    await begun(cut);
    cut.reject();
    const lost = failure(cut);
    await within(pool.shutdown());
    expect(await lost).toBeInstanceOf(PoolClosedError);
  });

  test("a call that was aborted is not tried again when its worker dies", async () => {
    await using pool = open({ retry: { attempts: 3 } }, { stdio: "ignore" });
    const call = pool.call.dies();
    let begins = 0;
    call.on("progress", () => {
      begins++;
      call.reject();
    });
    expect(await failure(call)).toBeInstanceOf(WorkerCrashedError);
    expect(begins).toBe(1);
    expect(await within(pool.call.spin(1))).toBe(1);
  });

  test("a shutdown with a delay lets it finish", async () => {
    const pool = open();
    const call = pool.call.listen("to the end");
    await begun(call);
    const ended = pool.shutdown(Number.POSITIVE_INFINITY);
    call.reject();
    expect(await within(call)).toEqual({ name: "to the end", hasAborted: true });
    await within(ended);
  });

  test("a definition by task() has it too; many calls at once each settle once", async () => {
    await using pool = open({ threads: 2, abortSignalCapacity: 1_000 });
    const one = pool.call.defined(3);
    await begun(one);
    one.reject();
    expect(await within(one)).toEqual({ found: 3, sent: true });
    const calls = Array.from({ length: isProcess ? 200 : 100 }, (_, index) => {
      const call = pool.call.listen(`${index}`);
      // Some are aborted before their task, some while it begins, and some later.
      setTimeout(() => call.reject(`reason ${index}`), index % 7);
      return call.catch((reason: unknown) => reason);
    });
    for (const [index, how] of (await within(Promise.all(calls))).entries()) {
      expect([{ name: `${index}`, hasAborted: true }, `reason ${index}`]).toContainEqual(how);
    }
  });
});

test("the form is checked", () => {
  const create = (form: unknown) => () => importTask({ href, abortSignal: form as true });
  expect(create(1)).toThrow('"abortSignal" is 1, it must be true, false or { hasAborted: true }');
  expect(create({})).toThrow('"abortSignal.hasAborted" is undefined, it must be true');
  expect(create({ hasAborted: false })).toThrow('"abortSignal.hasAborted" is false, it must be true');
  expect(create({ hasAborted: true, signal: 1 })).toThrow('unknown option "abortSignal.signal"');
  expect(() => task({ f: () => 1, abortSignal: [] as never })).toThrow(InvalidOptionError);
});
