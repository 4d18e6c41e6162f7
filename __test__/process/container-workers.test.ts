/**
 * Workers in containers that end in other ways than during a call: from outside, by shutdown, or because their client
 * is lost.
 */
import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { importTask, type WorkerOptions } from "knitting-native";
import { afterEach, expect, test } from "vitest";
import {
  allContainers,
  containerProcess,
  ensureContainers,
  killContainer,
  removeContainers,
  runningContainers,
} from "../support/containers";
import { killProcessesOf, processesOf } from "../support/marks";
import { childrenOf, isAlive, until, within } from "../support/processes";
import { createPool } from "../support/unrestricted";

const { available, reason, podman, image, environment } = ensureContainers();
const root = join(__dirname, "..", "..");
const label = randomUUID();
const href = "../fixtures/tasks/deadly.mjs";
const tasks = {
  echo: importTask<number, number>({ href, name: "echo" }),
  pid: importTask<void, number>({ href, name: "pid" }),
  tellAndSpin: importTask<number, string>({
    href: "../fixtures/tasks/streams.mjs",
    name: "tellAndSpin",
    abortSignal: true,
  }),
};

/** The container gets a new name at each start, which is the purpose of a prefix function. */
const worker: WorkerOptions = {
  runtime: "process",
  processRuntime: "node",
  processSharedMemory: "named",
  processCommandPrefix: ({ index, start }) => [
    ...[podman, "run", "--rm", "--ipc=host", "--label", `knitting-test=${label}`],
    ...["--name", `${label}-${randomUUID()}-${index}-${start}`, "-v", `${root}:${root}:ro`, "-w", root],
    ...["-e", "KNITTING_PROCESS_WORKER", "-e", "KNITTING_PROCESS_WORKER_BOOT"],
    image,
  ],
};

/** A pool whose workers call a plain `podman`. */
function openPool(threads: number) {
  return createPool({ threads, worker: { ...worker, env: { ...process.env, ...environment } } })(tasks);
}

/** Calls alone don't tell: those that would wait for a worker that boots go to another. */
const allReady = (pool: ReturnType<typeof openPool>) =>
  until("all workers are ready", () => pool.workers.every(({ state }) => state === "ready"));

/**
 * Starts calls on every worker and waits until they have begun. podman's calls below block this thread, which then
 * sends no calls.
 */
async function busyAll(pool: ReturnType<typeof openPool>, threads: number): Promise<unknown[]> {
  const begun: Promise<void>[] = [];
  const calls = Array.from({ length: threads }, () => {
    const call = pool.call.tellAndSpin(3_600_000);
    begun.push(new Promise((resolve) => call.on("progress", () => resolve())));
    return call.catch((error: unknown) => error);
  });
  await within(Promise.all(begun));
  return calls;
}

const nothingIsLeft = async () => {
  await until("no container runs", () => runningContainers(label).length === 0);
  await until("no container is listed", () => allContainers(label).length === 0);
  await until("no process of podman's is left", () => processesOf(label).length === 0);
};

afterEach(() => {
  if (available) {
    removeContainers(label);
    // A client that is killed while it creates a container can leave a container that podman itself does not know any
    // more.
    killProcessesOf(label);
  }
});

test("a container killed from outside rejects its calls and is replaced", async (context) => {
  context.skip(!available, reason);
  await using pool = openPool(2);
  // Each container has its own process 1.
  expect(await Promise.all([pool.call.pid(), pool.call.pid()])).toEqual([1, 1]);
  await allReady(pool);
  const before = runningContainers(label);
  expect(before.length).toBe(2);
  const busy = await busyAll(pool, 2);
  killContainer(before[0]);
  const error = await within(Promise.race(busy));
  expect(error).toMatchObject({ name: "WorkerCrashedError", started: true });
  killContainer(before[1]);
  await within(Promise.all(busy));
  expect(await within(Promise.all([pool.call.echo(1), pool.call.echo(2)]))).toEqual([1, 2]);
  await allReady(pool);
  const after = runningContainers(label);
  expect(after.length).toBe(2);
  expect(after.filter((id) => before.includes(id))).toEqual([]);
  await pool.shutdown();
  await nothingIsLeft();
});

test("a shutdown leaves no container, though one is busy for ever", async (context) => {
  context.skip(!available, reason);
  await using pool = openPool(2);
  await Promise.all([pool.call.echo(1), pool.call.echo(2)]);
  await allReady(pool);
  const processes = runningContainers(label).map(containerProcess);
  expect(processes.length).toBe(2);
  await busyAll(pool, 1);
  await pool.shutdown();
  expect(processes.filter(isAlive)).toEqual([]);
  await nothingIsLeft();
});

test("a shutdown at any moment of the start leaves no container", { timeout: 120_000 }, async (context) => {
  context.skip(!available, reason);
  for (let millis = 0; millis <= 300; millis += 20) {
    await using pool = openPool(1);
    await new Promise((resolve) => setTimeout(resolve, millis));
    await pool.shutdown();
    await nothingIsLeft();
  }
});

test("a client of podman's that is killed takes its container with it", async (context) => {
  context.skip(!available, reason);
  await using pool = openPool(1);
  expect(await pool.call.echo(1)).toBe(1);
  const [id] = runningContainers(label);
  const inside = containerProcess(id);
  const [busy] = await busyAll(pool, 1);
  const [client] = childrenOf(process.pid);
  process.kill(client, "SIGKILL");
  expect(await within(busy as Promise<unknown>)).toMatchObject({ name: "WorkerCrashedError" });
  expect(isAlive(inside)).toBe(false);
  expect(await within(pool.call.echo(2))).toBe(2);
  expect(runningContainers(label)).not.toContain(id);
  await pool.shutdown();
  await nothingIsLeft();
});
