import { importTask, WorkerBootError, WorkerKilledError } from "knitting-native";
import { describe, expect, test } from "vitest";
// @ts-expect-error the scripts are plain JavaScript
import { ensureNodes } from "../../scripts/runtimes.mjs";
import { kindNamed, kinds, on } from "../support/kinds";
import { Host, until, within } from "../support/processes";
import { createPool } from "../support/unrestricted";

const LIMIT = 100;
const MANY = 10_000;

const href = "../fixtures/tasks/messages.mjs";
type Sent = { out?: number; err?: number; progress?: number };
type Steady = { perSecond: number; millis: number; length: number };
const tasks = {
  echo: importTask<number, number>({ href, name: "echo" }),
  print: importTask<number, void>({ href, name: "print" }),
  emit: importTask<number, void>({ href, name: "emit" }),
  sendAndWait: importTask<Sent, void>({ href, name: "sendAndWait" }),
  printPieces: importTask<number, void>({ href, name: "printPieces" }),
  items: importTask<number, Generator<number>>({ href, name: "items" }),
  wait: importTask<void, void>({ href, name: "wait" }),
  steady: importTask<Steady, number>({ href, name: "steady" }),
};

/** A thread, a process of each runtime, and one of a later Node. */
const node = kindNamed("process on node");
const tried = kinds.filter(({ isWrapped }) => !isWrapped);
const withLaterNode = tried.concat({
  ...node,
  name: "process on Node 24",
  worker: { ...node.worker, processRuntimePath: (ensureNodes() as Record<string, string>)[24] },
});

/** A pool of one worker whose messages are limited, and the reasons for which its workers have ended. */
function limited(worker: object, stdio: "pipe" | "ignore" = "pipe", bootstrap?: object) {
  const ends: string[] = [];
  const pool = createPool({
    workerPoolConfig: { minWorkers: 1, maxWorkers: 1, maxMessagesPerSecond: LIMIT },
    worker: { ...worker, stdio, ...bootstrap },
  })(tasks);
  pool.on("exit", ({ reason }) => ends.push(reason));
  return { pool, ends };
}

/** What a call rejects with, if it does. */
const errorOf = (call: Promise<unknown>) =>
  within(
    call.then(
      () => undefined,
      (error) => error,
    ),
  );

/** Expects that a call was rejected because of the messages of its worker. */
async function expectKilled(call: Promise<unknown>, task: string): Promise<void> {
  const error = await errorOf(call);
  expect(error).toBeInstanceOf(WorkerKilledError);
  expect(error).toMatchObject({ reason: "messages", task });
  const [, sent] =
    /^the worker of task "\w+" was killed: it sent (\d+) messages within (?:a second|\d+ seconds), more than workerPoolConfig\.maxMessagesPerSecond, which is 100$/.exec(
      error.message,
    ) ?? [];
  expect(Number(sent)).toBeGreaterThan(LIMIT);
}

on(withLaterNode, ({ worker }) => {
  test.each([
    ["print", "lines"],
    ["emit", "progress values"],
  ] as const)("a task that sends 10,000 messages at once is rejected (%s: %s)", async (task, _) => {
    const { pool, ends } = limited(worker);
    const begun = pool.call.wait();
    await within(new Promise<void>((resolve) => void begun.on("progress", () => resolve())));
    const flood = pool.call[task](MANY);
    // Calls that have not begun move to the next worker.
    const next = [1, 2, 3].map((value) => pool.call.echo(value));
    await Promise.all([expectKilled(flood, task), expectKilled(begun, "wait")]);
    expect(await within(Promise.all(next))).toEqual([1, 2, 3]);
    expect(ends).toEqual(["messages"]);
    expect(await within(pool.call.echo(4))).toBe(4);
    await pool.shutdown();
  });

  test.each<[string, Sent]>([
    ["lines and progress values", { out: LIMIT / 2, progress: LIMIT / 2 + 10 }],
    ["lines of both streams", { out: LIMIT / 2, err: LIMIT / 2 + 10 }],
  ])("%s have one account", async (_, sent) => {
    const { pool } = limited(worker);
    await within(pool.call.echo(1));
    await expectKilled(pool.call.sendAndWait(sent), "sendAndWait");
    await pool.shutdown();
  });

  test("a line without an end counts by its pieces", async () => {
    const { pool } = limited(worker);
    await expectKilled(pool.call.printPieces(2 * LIMIT), "printPieces");
    await pool.shutdown();
  });

  test("answers, items of a stream and what is ignored are no messages", async () => {
    const { pool, ends } = limited(worker, "ignore");
    await within(pool.call.print(MANY));
    const answers = await within(Promise.all(Array.from({ length: MANY }, (_, i) => pool.call.echo(i))));
    expect(answers.length).toBe(MANY);
    let items = 0;
    for await (const item of pool.call.items(MANY)) {
      items += item === items ? 1 : 0;
    }
    expect(items).toBe(MANY);
    // As many messages as may be sent.
    await within(pool.call.emit(LIMIT));
    expect(ends).toEqual([]);
    await pool.shutdown();
  });
});

test("honest workers are not killed, also if the host is blocked meanwhile", async () => {
  // Long lines are more than the host takes while it is blocked: they wait in the worker's pipe.
  const runs = withLaterNode.flatMap((kind) => [10, 8 * 1024].map((length) => ({ kind, length })));
  const pools = await Promise.all(
    runs.map(async ({ kind: { worker, skip }, length }) => {
      expect(skip).toBeUndefined();
      const { pool, ends } = limited(worker);
      await within(pool.call.echo(1));
      return { pool, ends, length };
    }),
  );
  const calls = pools.map(({ pool, length }) => pool.call.steady({ perSecond: 40, millis: 3_500, length }));
  const seen = new Array(calls.length).fill(0);
  for (const [index, call] of calls.entries()) {
    call.on("progress", () => seen[index]++);
  }
  await new Promise((resolve) => setTimeout(resolve, 500));
  const before = seen.slice();
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2_500);
  expect(seen).toEqual(before);
  const sent = await within(Promise.all(calls));
  expect(pools.map(({ ends }) => ends)).toEqual(pools.map(() => []));
  expect(seen).toEqual(sent);
  await Promise.all(pools.map(({ pool }) => pool.shutdown()));
});

test("a quiet time earns nothing for a burst after it", async () => {
  const { pool, ends } = limited(kindNamed("thread").worker);
  const quiet = pool.call.wait();
  await new Promise((resolve) => setTimeout(resolve, 2_500));
  const burst = pool.call.sendAndWait({ progress: LIMIT + 50 });
  await Promise.all([expectKilled(burst, "sendAndWait"), expectKilled(quiet, "wait")]);
  expect(ends).toEqual(["messages"]);
  await pool.shutdown();
});

describe.each(["thread", "process on node"])("%s", (name) => {
  const { worker } = kindNamed(name);

  test("a bootstrap that sends too much is told as the reason why no worker starts", async () => {
    const bootstrap = { bootstrap: { href, name: "printFirst" }, maxBootFailures: 1 };
    const { pool, ends } = limited(worker, "pipe", bootstrap);
    const error = await errorOf(pool.call.echo(1));
    expect(error).toBeInstanceOf(WorkerBootError);
    expect(error.message).toMatch(/killed before it was ready: it sent \d+ messages .*maxMessagesPerSecond/);
    expect(ends).toEqual(["messages"]);
    await pool.shutdown();
  });

  test("a flood is held up even if the host's event loop is blocked", async () => {
    const host = new Host("messages-host.mjs", JSON.stringify(worker), "flood");
    expect(await host.exit()).toEqual({ code: 0, signal: null });
    expect(host.stderr).toBe("exit messages\nWorkerKilledError messages\nexit shutdown\n");
    expect(host.stdout.length).toBeGreaterThan(LIMIT * "a line\n".length);
    expect(host.stdout.length).toBeLessThan(64 * 1024);
  });
});

test("an honest worker is not killed because its host was stopped", async () => {
  const host = new Host("messages-host.mjs", JSON.stringify(node.worker), "steady");
  await until("the task runs", () => host.stderr.includes("runs"));
  host.process.kill("SIGSTOP");
  await new Promise((resolve) => setTimeout(resolve, 2_500));
  host.process.kill("SIGCONT");
  expect(await host.exit()).toEqual({ code: 0, signal: null });
  expect(host.stderr).toMatch(/^runs\nsent \d+\nexit shutdown\n$/);
});
