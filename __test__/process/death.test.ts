import { join } from "node:path";
import { pathToFileURL } from "node:url";
import {
  importTask,
  PoolClosedError,
  ProtocolViolationError,
  TaskNotFoundError,
  WorkerBootError,
  WorkerCrashedError,
} from "knitting-native";
import { describe, expect, test } from "vitest";
import { onChildren, onEveryWrapperInGate, onProcessesInGate, pidOf } from "../support/kinds";
import { childrenOf, commandOf, descendantsOf, isAlive, until, within } from "../support/processes";
import { REPLIES_CUT_SHORT, WAITING_CALLS } from "../support/repetitions";
import { createPool } from "../support/unrestricted";

const href = "../fixtures/tasks/deadly.mjs";
const of = <Argument, Result>(name: string) => importTask<Argument, Result>({ href, name });
const tasks = {
  echo: of<unknown, unknown>("echo"),
  pid: of<void, number>("pid"),
  kill: of<string, never>("kill"),
  exit: of<number, never>("exit"),
  die: of<void, never>("die"),
  complainAndDie: of<void, never>("complainAndDie"),
  throwLater: of<void, never>("throwLater"),
  spinForEver: of<void, never>("spinForEver"),
  sleepBusily: of<number, number>("sleepBusily"),
  never: of<void, never>("never"),
  large: of<number, Uint8Array>("large"),
  nap: of<number, void>("nap"),
  scribble: of<{ offset: number; value: number; millis: number }, void>("scribble"),
};

/** The library's URL, for a module without a file from which it could be found. */
const library = pathToFileURL(join(__dirname, "..", "..", "dist", "index.js")).href;

const failure = (promise: Promise<unknown>) =>
  within(
    promise.then(
      () => new Error("it did not reject"),
      (error: unknown) => error,
    ),
  );

onEveryWrapperInGate(({ worker, isProcess, isWrapped, executable }) => {
  /** The exit status of a worker that is to exit with this one. Only in Node can a task choose it. */
  const statusOf = (code: number) => (isProcess && worker.processRuntime !== "node" ? 1 : code);

  test("a worker that exits rejects its started call and is replaced", async () => {
    await using pool = createPool({ worker })(tasks);
    const error = await failure(pool.call.exit(3));
    expect(error).toBeInstanceOf(WorkerCrashedError);
    expect(error).toMatchObject({ task: "exit", started: true, exitCode: statusOf(3), signal: null });
    expect(await within(pool.call.echo("served"))).toBe("served");
  });

  test("an exception that nobody catches ends the worker, and the error says which", async () => {
    await using pool = createPool({ worker })(tasks);
    const error = await failure(pool.call.throwLater());
    expect(error).toBeInstanceOf(WorkerCrashedError);
    expect((error as Error).message).toContain("nobody catches this");
    expect(await within(pool.call.echo(1))).toBe(1);
  });

  test("calls that a dead worker had not started go to another, a thousand on the other finish", async () => {
    await using pool = createPool({ threads: 2, worker })(tasks);
    await Promise.all([pool.call.echo(0), pool.call.echo(0)]);
    // Calls go to the workers in turn, so the deadly call and every second echo share a worker.
    const fatal = failure(pool.call.die());
    const echoes = Array.from({ length: 1_001 }, (_, index) =>
      pool.call.echo({ index, text: "x".repeat(100) }),
    );
    expect(await fatal).toBeInstanceOf(WorkerCrashedError);
    const results = (await within(Promise.all(echoes))) as { index: number }[];
    expect(results.map(({ index }) => index)).toEqual(Array.from({ length: 1_001 }, (_, index) => index));
  });

  test("a call that moves keeps the argument it was made with", async () => {
    await using pool = createPool({ threads: 2, worker })(tasks);
    await Promise.all([pool.call.echo(0), pool.call.echo(0)]);
    const bytes = new Uint8Array(60_000).fill(1);
    const list = [1];
    const fatal = failure(pool.call.die());
    const calls = Array.from({ length: 6 }, () => [
      pool.call.echo(bytes),
      pool.call.echo(list),
      pool.call.echo(7),
    ]);
    bytes.fill(2);
    list[0] = 2;
    expect(await fatal).toBeInstanceOf(WorkerCrashedError);
    for (const [one, other, number] of await within(Promise.all(calls.map((three) => Promise.all(three))))) {
      expect((one as Uint8Array).every((byte) => byte === 1)).toBe(true);
      expect([other, number]).toEqual([[1], 7]);
    }
  });

  test("any number of calls may wait when a worker dies or the pool is shut down", async () => {
    const isNode = worker.processRuntime === "node" && !isWrapped;
    const count = isNode ? WAITING_CALLS.node : WAITING_CALLS.others;
    const pool = createPool({ worker })(tasks);
    const fatal = failure(pool.call.die());
    const calls = Array.from({ length: count }, (_, index) => pool.call.echo(index));
    expect(await fatal).toBeInstanceOf(WorkerCrashedError);
    expect(await within(calls[count - 1])).toBe(count - 1);
    // A worker that has nothing else to do answers some as fast as they are made.
    const busy = failure(pool.call.spinForEver());
    const more = Array.from({ length: count }, (_, index) => failure(pool.call.echo(index)));
    await within(pool.shutdown());
    expect(await within(more[count - 1])).toBeInstanceOf(PoolClosedError);
    expect(await busy).toBeInstanceOf(PoolClosedError);
    await Promise.all(calls);
  });

  test("a worker that always dies right after its boot is started ever more slowly, and no call hangs", async () => {
    const code =
      "setTimeout(() => { throw new Error('no use') }, 20); export const f = () => new Promise(() => {})";
    const doomed = importTask({ href: `data:text/javascript,${encodeURIComponent(code)}`, name: "f" });
    await using pool = createPool({ worker })({ doomed });
    const delays: number[] = [];
    pool.on("restart", ({ delayMs }) => delays.push(delayMs));
    await until("four restarts", () => delays.length >= 4);
    expect(delays.slice(0, 4)).toEqual([0, 100, 200, 400]);
    for (let tries = 0; tries < 3; tries++) {
      expect(await failure(pool.call.doomed())).toMatchObject({ name: "WorkerCrashedError", task: "doomed" });
    }
  });

  test("every started call of a dead worker rejects, each naming its own task", async () => {
    await using pool = createPool({ worker })(tasks);
    const waiting = Array.from({ length: 20 }, () => failure(pool.call.never()));
    const fatal = failure(pool.call.exit(9));
    for (const error of await Promise.all(waiting)) {
      expect(error).toMatchObject({
        name: "WorkerCrashedError",
        task: "never",
        started: true,
        exitCode: statusOf(9),
      });
    }
    expect(await fatal).toMatchObject({ task: "exit" });
  });

  test("a worker can die over and over", async () => {
    await using pool = createPool({ worker })(tasks);
    for (let round = 1; round <= 5; round++) {
      expect(await failure(pool.call.exit(round))).toMatchObject({ exitCode: statusOf(round) });
    }
    expect(await within(pool.call.echo(1))).toBe(1);
  });

  test("a module that throws fails the boot, after three attempts, with what it threw", async () => {
    const broken = importTask({
      href: 'data:text/javascript,throw new TypeError("no luck"); export const f = () => 1',
      name: "f",
    });
    await using pool = createPool({ worker })({ broken });
    const error = await failure(pool.call.broken());
    expect(error).toBeInstanceOf(WorkerBootError);
    expect((error as Error).message).toContain("TypeError: no luck");
    expect(error).toMatchObject({ argv: isProcess ? expect.arrayContaining([executable]) : [] });
    expect(await failure(pool.call.broken())).toBe(error);
  });

  test("a module that ends its worker while it boots is tried three times", async () => {
    const broken = importTask({
      href: "data:text/javascript,setTimeout(() => { throw 1 }); await new Promise(() => {}); export const f = 1",
      name: "f",
    });
    await using pool = createPool({ worker })({ broken });
    const error = await failure(pool.call.broken());
    expect(error).toBeInstanceOf(WorkerBootError);
    expect(error).toMatchObject({ exitCode: 1 });
  });

  test("a module that creates a pool without asking for isMain fails its boot and says what to do", async () => {
    const code = `import { createPool } from ${JSON.stringify(library)};
      export const f = () => 1; createPool()({ f });`;
    const careless = importTask({ href: `data:text/javascript,${encodeURIComponent(code)}`, name: "f" });
    await using pool = createPool({ worker })({ careless });
    expect((await failure(pool.call.careless())) as Error).toMatchObject({
      message: expect.stringContaining("if (isMain)"),
    });
  });

  test("shutdown rejects what is in flight, later calls too, and ends workers that are stuck", async () => {
    const pool = createPool({ threads: 2, worker })(tasks);
    await pool.call.echo(1);
    const pids = childrenOf(process.pid);
    const calls = [pool.call.spinForEver(), pool.call.never(), pool.call.echo("behind it")].map(failure);
    await within(pool.shutdown());
    for (const error of await Promise.all(calls)) {
      expect(error).toBeInstanceOf(PoolClosedError);
      expect(error).toMatchObject({ message: "Thread closed" });
    }
    expect(await failure(pool.call.echo(1))).toBeInstanceOf(PoolClosedError);
    expect(pids.filter(isAlive)).toEqual([]);
    await within(pool.shutdown());
  });

  test("a pool that is shut down just as its workers are ready ends, and starts no others", async () => {
    const before = childrenOf(process.pid);
    const pool = createPool({ threads: 2, worker })(tasks);
    const starts: unknown[] = [];
    pool.on("restart", (event) => starts.push(event));
    // The host's event loop learns nothing of it meanwhile.
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1_500);
    await within(pool.shutdown());
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(starts).toEqual([]);
    expect(pool.workers.map(({ state }) => state)).toEqual(["closed", "closed"]);
    expect(childrenOf(process.pid).filter((pid) => !before.includes(pid))).toEqual([]);
  });

  test("a pool that is shut down while it boots ends", async () => {
    const pool = createPool({ threads: 2, worker })(tasks);
    const call = failure(pool.call.echo(1));
    await within(pool.shutdown());
    expect(await call).toBeInstanceOf(PoolClosedError);
  });
});

onProcessesInGate(({ worker, isWrapped }) => {
  test("the error carries the tail of stderr", async () => {
    await using pool = createPool({ worker })(tasks);
    const error = (await failure(pool.call.complainAndDie())) as WorkerCrashedError;
    expect(error.stderrTail).toMatch(/^first line\nlast words\n/);
    expect(error.message).toContain("last words");
  });

  describe("kill -9 from outside", () => {
    test("while it is idle: the next call is served by another", async () => {
      await using pool = createPool({ worker })(tasks);
      await pool.call.echo(0);
      const pid = await pidOf(pool);
      process.kill(pid, "SIGKILL");
      await until("it is gone", () => !isAlive(pid));
      expect(await within(pool.call.echo("next"))).toBe("next");
      expect(await pidOf(pool)).not.toBe(pid);
    });

    test("while it runs: that call rejects, a thousand others finish, the next is served", async () => {
      await using pool = createPool({ threads: 2, worker })(tasks);
      await Promise.all([pool.call.echo(0), pool.call.echo(0)]);
      const running = failure(pool.call.spinForEver());
      const others = Array.from({ length: 1_000 }, (_, index) => pool.call.echo(index));
      const runs = () => pool.stats().perWorker.find(({ tasks }) => tasks.includes("spinForEver"));
      await until("it runs", () => runs() !== undefined);
      const victim = runs()?.worker.pid as number;
      process.kill(victim, "SIGKILL");
      const how = isWrapped ? { signal: null, exitCode: 137 } : { signal: "SIGKILL", exitCode: null };
      expect(await running).toMatchObject({ ...how, pid: victim, task: "spinForEver" });
      expect(await within(Promise.all(others))).toHaveLength(1_000);
      await within(Promise.all([pool.call.echo(0), pool.call.echo(0)]));
      expect(await pidOf(pool)).not.toBe(victim);
    });

    test("while it replies: every call either has its whole result or rejects", async () => {
      for (let round = 0; round < REPLIES_CUT_SHORT; round++) {
        await using pool = createPool({ worker })(tasks);
        await pool.call.echo(0);
        const victim = await pidOf(pool);
        const whole = new Uint8Array(300_000).fill(7);
        const calls = Array.from({ length: 200 }, () =>
          pool.call.large(whole.length).then(
            (result) => Buffer.compare(result, whole) === 0,
            (error) => error instanceof WorkerCrashedError,
          ),
        );
        await Promise.race(calls);
        await new Promise((resolve) => setTimeout(resolve, round));
        process.kill(victim, "SIGKILL");
        expect(await within(Promise.all(calls))).toEqual(new Array(200).fill(true));
        expect(await within(pool.call.echo("next"))).toBe("next");
      }
    });
  });

  test("too many tasks for a boot payload are refused at once", () => {
    const long = importTask({ href: `data:text/javascript,//${"x".repeat(140_000)}`, name: "f" });
    expect(() => createPool({ worker })({ long })).toThrow(/longer than Linux allows/);
  });

  test("nothing is left after shutdown", async () => {
    // Processes that an earlier test has killed may still be ending.
    const before = descendantsOf(process.pid);
    const pool = createPool({ threads: 3, worker })(tasks);
    await pool.call.echo(1);
    const ours = descendantsOf(process.pid).filter((pid) => !before.includes(pid));
    expect(ours.length).toBeGreaterThanOrEqual(3);
    await pool.shutdown();
    // Processes beside a wrapped worker were killed with it, and may still be ending.
    await until(`nothing is left: ${ours.map(commandOf)}`, () => !ours.some(isAlive));
  });
});

onChildren(({ worker }) => {
  const signals = ["SIGKILL", "SIGSEGV", "SIGTERM", "SIGABRT"];
  test.each(signals)("a worker killed by %s rejects its started call with signal and pid", async (signal) => {
    await using pool = createPool({ worker })(tasks);
    const pid = await pool.call.pid();
    const error = await failure(pool.call.kill(signal));
    expect(error).toBeInstanceOf(WorkerCrashedError);
    expect(error).toMatchObject({ signal, pid, exitCode: null, task: "kill", started: true });
    expect(await within(pool.call.pid())).not.toBe(pid);
  });

  test("kill -9 while it boots: the call waits for the replacement", async () => {
    const slow = importTask<void, number>({
      href: "data:text/javascript,await new Promise((f) => setTimeout(f, 500)); export const f = () => process.pid",
      name: "f",
    });
    const before = childrenOf(process.pid);
    await using pool = createPool({ worker })({ slow });
    const call = pool.call.slow();
    const fresh = () => childrenOf(process.pid).filter((pid) => !before.includes(pid));
    await until("the worker runs", () => fresh().length > 0);
    const [victim] = fresh();
    process.kill(victim, "SIGKILL");
    expect(await within(call)).not.toBe(victim);
  });

  test("what a worker has started itself goes with it", async () => {
    const child = importTask<void, number>({
      href: `data:text/javascript,import { spawn } from "node:child_process";
        export const f = () => spawn("sleep", ["1000"], { stdio: "ignore" }).pid`,
      name: "f",
    });
    const pool = createPool({ worker })({ child });
    const pid = await pool.call.child();
    expect(isAlive(pid)).toBe(true);
    await within(pool.shutdown());
    await until("the worker's child is gone", () => !isAlive(pid));
  });

  test("a worker that finds its memory overwritten says so once, however many tasks it has, and ends", async () => {
    await using pool = createPool({ worker: { ...worker, stdio: "pipe" } })(tasks);
    const lines: string[] = [];
    pool.on("output", ({ line }) => lines.push(line));
    const ended = new Promise((resolve) => pool.once("exit", resolve));
    const naps = Array.from({ length: 200 }, () => pool.call.nap(200));
    await new Promise((resolve) => setTimeout(resolve, 100));
    // All naps are over when the worker reads the submission tail again. What it has published by then counts.
    const scribbling = pool.call.scribble({ offset: 1024, value: 0x7fff_ffff, millis: 300 });
    for (const outcome of await within(Promise.allSettled([scribbling, ...naps]))) {
      expect(outcome.status === "fulfilled" || outcome.reason instanceof WorkerCrashedError).toBe(true);
    }
    await within(ended);
    expect(lines.filter((line) => line.includes("is gone or was overwritten"))).toHaveLength(1);
    expect(await within(pool.call.echo("served"))).toBe("served");
  });

  test("a worker that lies in the shared memory is killed and replaced, the host lives", async () => {
    await using pool = createPool({ worker })(tasks);
    // The words of src/transport/layout.rs.
    const word = (index: number) => 1024 + index * 128;
    const lies = [
      { offset: word(2), value: 0xdead_beef }, // completion tail
      { offset: word(1), value: 0x7fff_ffff }, // submission head
    ];
    for (const lie of lies) {
      const pid = await within(pool.call.pid());
      const lying = failure(pool.call.scribble({ ...lie, millis: 2_000 }));
      await new Promise((resolve) => setTimeout(resolve, 200));
      // If the host sleeps, it reads the words with the next exchange.
      const echo = pool.call.echo(1).catch((error: unknown) => error);
      expect(await lying).toBeInstanceOf(ProtocolViolationError);
      expect([1, expect.any(ProtocolViolationError)]).toContainEqual(await echo);
      await until("the liar is gone", () => !isAlive(pid));
      expect(await within(pool.call.echo("honest"))).toBe("honest");
    }
  });
});

test("a CommonJS module's tasks are found, whatever its text shows", async () => {
  const dynamic = importTask<number, number>({ href: "../fixtures/tasks/dynamic.cjs", name: "triple" });
  const gone = importTask<number, number>({ href: "../fixtures/tasks/dynamic.cjs", name: "gone" });
  await using pool = createPool()({ dynamic, gone });
  expect(await pool.call.dynamic(4)).toBe(12);
  await expect(pool.call.gone(1)).rejects.toThrow(TaskNotFoundError);
});
