/** ProcessSharedBuffer: memory that a host and all kinds of workers map. */
import { spawnSync } from "node:child_process";
import { existsSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import {
  createPool,
  InvalidOptionError,
  importTask,
  ProtocolViolationError,
  SharedMemoryError,
  UnsupportedPayloadError,
} from "knitting-native";
import { getDefaultProcessSharedBufferPrimitives, ProcessSharedBuffer } from "knitting-native/shared-memory";
import { afterEach, describe, expect, test } from "vitest";
import { kindNamed, onEveryWrapperInGate, onProcessesInGate, testIf } from "../support/kinds";
import { until, within } from "../support/processes";

const href = "../fixtures/tasks/shared.mjs";
const from = <Argument, Result>(name: string) => importTask<Argument, Result>({ href, name });
const tasks = {
  echo: from<unknown, unknown>("echo"),
  add: from<{ memory: ProcessSharedBuffer; times: number }, number>("add"),
  swap: from<{ memories: ProcessSharedBuffer[]; byte: number }, number[]>("swap"),
  keep: from<unknown, void>("keep"),
  kept: from<void, ProcessSharedBuffer>("kept_"),
  keptWord: from<void, number>("keptWord"),
  makeBuffer: from<void, unknown>("makeBuffer"),
  mappings: from<string, number>("mappings"),
  childDescriptors: from<void, string[]>("childDescriptors"),
  descriptors: from<void, string[]>("descriptors"),
  closeIt: from<ProcessSharedBuffer, { length: number; message: string }>("closeIt"),
};

const { unlinkSharedMemory } = getDefaultProcessSharedBufferPrimitives();
let names = 0;
const freshName = () => `knitting-test-shared-${process.pid}-${names++}`;

afterEach(() => {
  for (let name = 0; name < names; name++) {
    unlinkSharedMemory(`knitting-test-shared-${process.pid}-${name}`);
  }
});

/** The error that the action throws. */
function thrown(action: () => unknown): unknown {
  try {
    action();
  } catch (error) {
    return error;
  }
  throw new Error("nothing was thrown");
}

describe("a ProcessSharedBuffer", () => {
  test("is zeros at first, and all its views show one memory", () => {
    using buffer = ProcessSharedBuffer.create(4096);
    expect(buffer.byteLength).toBe(4096);
    expect(buffer.bytes().every((byte) => byte === 0)).toBe(true);
    buffer.view(Int32Array)[1] = 7;
    expect(buffer.bytes()[4]).toBe(7);
    expect(buffer.getBuffer()).toBe(buffer.getBuffer());
    expect(buffer.view(DataView).getInt32(4, true)).toBe(7);
    expect(Atomics.add(buffer.view(BigInt64Array), 2, 5n)).toBe(0n);
  });

  test("has parts over the same memory", () => {
    using buffer = ProcessSharedBuffer.create(64);
    const part = buffer.subbuffer(16, 16).subbuffer(8);
    expect(part.byteLength).toBe(8);
    part.view(Int32Array)[0] = 9;
    expect(buffer.view(Int32Array)[6]).toBe(9);
    expect(part.descriptor).toMatchObject({ byteOffset: 24, byteLength: 8 });
    for (const [offset, length] of [[4], [-8], [64], [1.5], [0, 65], [8, 57], [0, 0]] as [
      number,
      number?,
    ][]) {
      expect(thrown(() => buffer.subbuffer(offset, length))).toBeInstanceOf(InvalidOptionError);
    }
    expect(thrown(() => ProcessSharedBuffer.create(10).view(Int32Array))).toMatchObject({ reason: "size" });
  });

  test("is closed with all its views, and says so ever after", () => {
    const buffer = ProcessSharedBuffer.create(64);
    const part = buffer.subbuffer(0, 8);
    const views = [buffer.bytes(), part.bytes()];
    buffer.descriptor.mapping.close();
    buffer.descriptor.mapping.close();
    expect(views.map(({ length }) => length)).toEqual([0, 0]);
    for (const use of [
      () => buffer.bytes(),
      () => buffer.getBuffer(),
      () => buffer.view(Int32Array),
      () => buffer.subbuffer(0, 8),
      () => part.bytes(),
    ]) {
      expect(thrown(use)).toMatchObject({ name: "SharedMemoryError", reason: "closed" });
    }
    const disposed = ProcessSharedBuffer.create(64);
    const kept = disposed.subbuffer(0, 8);
    kept[Symbol.dispose]();
    expect(thrown(() => kept.bytes())).toMatchObject({ reason: "closed" });
    expect(disposed.bytes().length).toBe(64);
    disposed[Symbol.dispose]();
    expect(disposed.descriptor.mapping.closed).toBe(true);
  });

  test.each([
    [0, '"size" is 0'],
    [-1, '"size" is -1'],
    [1.5, '"size" is 1.5'],
    [Number.NaN, '"size" is NaN'],
    [2 ** 52, '"size" is'],
    [{}, '"size" is undefined'],
    ["1", '"options" is "1"'],
    [{ size: 1, mode: "make" }, '"mode" is "make", it must be "create" or "open"'],
    [{ mode: "open" }, 'there is no "name"'],
    [{ size: 1, nam: "x" }, 'did you mean "name"?'],
    [{ size: 1, name: "" }, '"name" is ""'],
    [{ size: 1, name: "/" }, '"name" is "/"'],
    [{ size: 1, name: "a/b" }, '"name" is "a/b"'],
    [{ size: 1, name: ".." }, '"name" is ".."'],
    [{ size: 1, name: "a\0b" }, '"name" is'],
    [{ size: 1, name: "x".repeat(256) }, '"name" is'],
    [{ size: 1, name: "\ud800" }, '"name" is'],
    [{ size: 1, name: "mine.knitting" }, "those are the memory of pools"],
    [{ size: 1, name: 5 }, '"name" is 5'],
  ])("refuses %j", (options, message) => {
    const error = thrown(() => ProcessSharedBuffer.create(options as never)) as Error;
    expect(error).toBeInstanceOf(InvalidOptionError);
    expect(error.message).toContain(message);
  });
});

describe("a name", () => {
  test("leads to the same memory, with or without its slash, until it is unlinked", () => {
    const name = freshName();
    using one = ProcessSharedBuffer.create({ size: 100, name: `/${name}` });
    using other = ProcessSharedBuffer.create({ name, mode: "open" });
    using part = ProcessSharedBuffer.create({ name, size: 8, mode: "open" });
    one.bytes()[0] = 3;
    expect([other.byteLength, other.bytes()[0], part.byteLength]).toEqual([100, 3, 8]);
    expect(existsSync(`/dev/shm/${name}`)).toBe(true);
    expect([unlinkSharedMemory(name), unlinkSharedMemory(name)]).toEqual([true, false]);
    other.bytes()[1] = 4;
    expect(one.bytes()[1]).toBe(4);
  });

  test("that exists, or doesn't, or has too little, is an error that says so", () => {
    const name = freshName();
    const open = (size?: number) => thrown(() => ProcessSharedBuffer.create({ name, size, mode: "open" }));
    expect(open()).toMatchObject({ reason: "missing", message: expect.stringContaining(name) });
    using _buffer = ProcessSharedBuffer.create({ size: 100, name });
    const again = thrown(() => ProcessSharedBuffer.create({ size: 100, name }));
    expect(again).toBeInstanceOf(SharedMemoryError);
    expect(again).toMatchObject({ reason: "exists", code: "KNITTING_SHARED_MEMORY" });
    expect(open(101)).toMatchObject({ reason: "size", message: expect.stringContaining("it has 100 bytes") });
  });

  test("stays while pools come and go", async () => {
    const name = freshName();
    using _buffer = ProcessSharedBuffer.create({ size: 4, name });
    await using pool = createPool({
      worker: { runtime: "process", processRuntime: "node", processSharedMemory: "named" },
    })(tasks);
    await pool.call.echo(1);
    createPool();
    expect(existsSync(`/dev/shm/${name}`)).toBe(true);
  });

  test("memory that somebody truncates reads as zeros here, and every use says that it is gone", () => {
    const name = freshName();
    const buffer = ProcessSharedBuffer.create({ size: 16_384, name });
    const bytes = buffer.bytes().fill(1);
    truncateSync(`/dev/shm/${name}`, 0);
    expect(bytes[9_000]).toBe(0);
    bytes[0] = 5;
    expect(thrown(() => buffer.bytes())).toMatchObject({ reason: "lost" });
    buffer[Symbol.dispose]();
  });

  test("of something that is no memory is refused", () => {
    const name = freshName();
    writeFileSync(`/dev/shm/${name}`, "");
    expect(thrown(() => ProcessSharedBuffer.create({ name, mode: "open" }))).toMatchObject({
      reason: "size",
    });
    rmSync(`/dev/shm/${name}`);
    spawnSync("mkfifo", [`/dev/shm/${name}`]);
    expect(thrown(() => ProcessSharedBuffer.create({ name, mode: "open" }))).toBeInstanceOf(
      SharedMemoryError,
    );
  });
});

onEveryWrapperInGate(({ name: kind, worker, isProcess }) => {
  const isContainer = kind.includes("container");
  /** Shared memory that can be sent to this kind of worker. */
  const create = (size: number) =>
    ProcessSharedBuffer.create(isContainer ? { size, name: freshName() } : size);

  test("host and worker count in one memory at the same time, by Atomics", async () => {
    await using pool = createPool({ worker })(tasks);
    using memory = create(4096);
    const words = memory.view(Int32Array);
    const times = 200_000;
    const call = pool.call.add({ memory, times });
    for (let done = 0; done < times; done++) {
      Atomics.add(words, 0, 1);
      if (done % 10_000 === 0) {
        await new Promise((resolve) => setImmediate(resolve));
      }
    }
    await call;
    expect(Atomics.load(words, 0)).toBe(2 * times);
  });

  test("it stands anywhere in a value, parts too, and comes back as what it was", async () => {
    await using pool = createPool({ worker })(tasks);
    using memory = create(64);
    const value = { list: [memory, memory.subbuffer(8, 16)], again: new Map([["a", memory]]) };
    const back = (await pool.call.echo(value)) as typeof value;
    expect(back.again.get("a")).toBe(back.list[0]);
    expect(back.list.map(({ byteLength }) => byteLength)).toEqual([64, 16]);
    back.list[1].bytes()[0] = 5;
    expect(memory.bytes()[8]).toBe(5);
    expect(back.list[0].descriptor.mapping).toBe(memory.descriptor.mapping);
  });

  test("it is mapped once in a worker, and no more when the host has closed it", async () => {
    await using pool = createPool({ permission: "unsafe", worker })(tasks);
    const memory = create(4096);
    const kind = isContainer ? (memory.descriptor.mapping.name as string) : "knitting-shared";
    const before = await pool.call.mappings(kind);
    for (let byte = 1; byte < 20; byte++) {
      const memories = [memory, memory.subbuffer(8)];
      expect(await pool.call.swap({ memories, byte })).toEqual([byte - 1, byte - 1]);
    }
    if (isProcess) {
      expect((await pool.call.mappings(kind)) - before).toBe(1);
    }
    memory[Symbol.dispose]();
    const error = await pool.call.echo(memory).catch((error: unknown) => error);
    expect(error).toBeInstanceOf(UnsupportedPayloadError);
    expect(error).toMatchObject({ message: expect.stringContaining("closed") });
  });

  test("a worker that closes what it was sent gives up its own views alone", async () => {
    await using pool = createPool({ worker })(tasks);
    using memory = create(64);
    for (let round = 0; round < 3; round++) {
      expect(await pool.call.closeIt(memory)).toEqual({
        length: 0,
        message: "the ProcessSharedBuffer is closed",
      });
    }
    expect(memory.bytes().length).toBe(64);
    expect(await pool.call.add({ memory, times: 2 })).toBe(0);
  });

  test("what a worker has made itself is refused there", async () => {
    await using pool = createPool({ permission: "unsafe", worker })(tasks);
    const error = await pool.call.makeBuffer().catch((error: unknown) => error);
    expect(error).toBeInstanceOf(UnsupportedPayloadError);
    expect(error).toMatchObject({ path: "$", message: expect.stringContaining("Have the host create it") });
  });

  test("hundreds go to one worker at once, and those it was sent before go to its successor", async () => {
    await using pool = createPool({ worker })(tasks);
    const all = Array.from({ length: 600 }, () => create(8));
    const calls = all.map((memory, index) => pool.call.add({ memory, times: index + 1 }));
    await within(Promise.all(calls), 60_000);
    expect(all.map((memory) => memory.view(Int32Array)[0])).toEqual(all.map((_, index) => index + 1));
    for (const memory of all) {
      memory[Symbol.dispose]();
    }
    expect(await pool.call.echo(1)).toBe(1);
  });

  test("one that only the worker still has can't come back once the host has closed it", async () => {
    await using pool = createPool({ worker })(tasks);
    const memory = create(8);
    await pool.call.keep(memory);
    expect((await pool.call.kept()).byteLength).toBe(8);
    memory[Symbol.dispose]();
    const error = await pool.call.kept().catch((error: unknown) => error);
    expect(error).toMatchObject({ name: "SharedMemoryError", reason: "closed" });
    expect(await pool.call.keptWord()).toBe(0);
  });
});

onProcessesInGate(({ name: kind, worker }) => {
  testIf(!kind.includes("container"))(
    "descriptor 3 is the worker's alone: none of its children has it",
    async () => {
      await using pool = createPool({ permission: "unsafe", worker })(tasks);
      using memory = ProcessSharedBuffer.create(8);
      await pool.call.keep(memory);
      expect((await pool.call.descriptors()).some((target) => target.startsWith("socket:"))).toBe(true);
      const inherited = await pool.call.childDescriptors();
      expect(inherited.filter((target) => /socket:|memfd/.test(target))).toEqual([]);
    },
  );

  test("where a wrapper drops descriptor 3, a name is advised, and helps", async () => {
    const processCommandPrefix = [
      "/bin/sh",
      "-c",
      'exec "$@" 3<&-',
      "sh",
      ...((worker.processCommandPrefix ?? []) as string[]),
    ];
    await using pool = createPool({ worker: { ...worker, processCommandPrefix } })(tasks);
    using anonymous = ProcessSharedBuffer.create(8);
    const error = await within(
      pool.call.add({ memory: anonymous, times: 1 }).catch((error: unknown) => error),
    );
    expect(error).toMatchObject({ name: "SharedMemoryError", reason: "unreachable" });
    expect((error as Error).message).toContain("Give the buffer a name");
    const name = freshName();
    using named = ProcessSharedBuffer.create({ size: 8, name });
    expect(await pool.call.add({ memory: named, times: 1 })).toBe(0);
    unlinkSharedMemory(name);
    expect(await pool.call.add({ memory: named, times: 1 })).toBe(1);
  });
});

test("a worker that names memory it was never sent breaks the protocol, and gets nothing", async () => {
  const node = kindNamed("process on node");
  const forge = importTask<unknown, unknown>({ href: "../fixtures/tasks/forging.mjs", name: "forge" });
  await using pool = createPool({ threads: 1, worker: node.worker })({ forge });
  await using others = createPool({ threads: 1, worker: node.worker })(tasks);
  using secret = ProcessSharedBuffer.create(8);
  using own = ProcessSharedBuffer.create(8);
  await others.call.add({ memory: secret, times: 1 });
  const number = (await pool.call.forge({ own })) as number;
  expect(number).toBeGreaterThan(0);
  const violations: unknown[] = [];
  for (const forged of [number - 1, number + 1, 2 ** 40]) {
    violations.push(await pool.call.forge({ own, forged }).catch((error: unknown) => error));
    await until("it is replaced", () => pool.workers[0].state === "ready");
  }
  for (const violation of violations) {
    expect(violation).toBeInstanceOf(ProtocolViolationError);
  }
  expect(await others.call.add({ memory: secret, times: 1 })).toBe(1);
});
