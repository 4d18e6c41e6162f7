/** The option `payload`: the memory that one value may take, and the memory that all values may take. */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";
import {
  createPool,
  InvalidOptionError,
  importTask,
  PayloadTooLargeError,
  type PoolOptions,
  ProtocolViolationError,
} from "knitting-native";
import { describe, expect, test } from "vitest";
import { missing } from "../support/containers";
import { onEveryWrapperInGate } from "../support/kinds";
import { until } from "../support/processes";
import { pattern } from "../support/values";

const href = "../fixtures/tasks/sized.mjs";
const tasks = {
  size: importTask<string | Uint8Array | number[], number>({ href, name: "size" }),
  bytes: importTask<number, Uint8Array>({ href, name: "bytes" }),
  text: importTask<number, { text: string }>({ href, name: "text" }),
  later: importTask<number, { text: string }>({ href, name: "later" }),
  echo: importTask<Uint8Array, Uint8Array>({ href, name: "echo" }),
  throws: importTask<number, never>({ href, name: "throws" }),
  pid: importTask<void, number>({ href, name: "pid" }),
  cheat: importTask<{ length: number; limit: number }, never>({ href, name: "cheat" }),
};

const KIB = 1024;
const MIB = 1024 * KIB;
/** Bytes of an encoding of `{ text }` besides the characters of a long text. */
const AROUND_TEXT = 12;

describe("the option", () => {
  test.each<[unknown, string]>([
    [1, '"payload" is 1, it must be an object'],
    [{ mode: "elastic" }, '"payload.mode" is "elastic", it must be "growable" or "fixed"'],
    [
      { payloadMaxByteLength: 65_535 },
      '"payload.payloadMaxByteLength" is 65535, it must be a whole number from 65536',
    ],
    [{ payloadMaxByteLength: 2 ** 31 + 1 }, "from 65536 to 2147483648"],
    [
      { payloadMaxByteLength: 1e5 + 0.5 },
      '"payload.payloadMaxByteLength" is 100000.5, it must be a whole number',
    ],
    [{ payloadMaxByteLength: "2 MiB" }, '"payload.payloadMaxByteLength" is "2 MiB"'],
    [
      { maxPayloadBytes: 63 },
      '"payload.maxPayloadBytes" is 63, it must be a whole number from 64 to 268435456',
    ],
    [
      { payloadMaxByteLength: MIB, maxPayloadBytes: MIB + 1 },
      '"payload.maxPayloadBytes" is 1048577, it must be a whole number from 64 to 1048576',
    ],
    [
      { payloadInitialBytes: -1 },
      '"payload.payloadInitialBytes" is -1, it must be a whole number from 0 to 268435456',
    ],
    [{ payloadInitialBytes: "1 MiB" }, '"payload.payloadInitialBytes" is "1 MiB"'],
    [
      { payloadMaxByteLength: MIB, payloadInitialBytes: MIB + 1 },
      '"payload.payloadInitialBytes" is 1048577, it must be a whole number from 0 to 1048576',
    ],
    [
      { mode: "fixed", payloadMaxByteLength: MIB, payloadInitialBytes: MIB - 1 },
      '"payload.payloadInitialBytes" is 1048575, it must be left out or 1048576, which is ' +
        "payload.payloadMaxByteLength, " +
        'since "payload.mode" is "fixed"',
    ],
    [
      { maxPayloadByte: 100 },
      'unknown option "payload.maxPayloadByte", did you mean "payload.maxPayloadBytes"?',
    ],
  ])("%j is refused", (payload, message) => {
    const create = () => createPool({ payload } as PoolOptions)(tasks);
    expect(create).toThrow(InvalidOptionError);
    expect(create).toThrow(message);
  });
});

/** Resident bytes of each block that this process shares with a worker, by the block's inode. */
function resident(): Map<string, number> {
  const blocks = new Map<string, number>();
  let inode: string | undefined;
  for (const line of readFileSync("/proc/self/smaps", "utf8").split("\n")) {
    const mapping = /^[0-9a-f]+-[0-9a-f]+ \S+ \S+ \S+ (\d+) *(.*)$/.exec(line);
    if (mapping !== null) {
      inode = /^\/(memfd:knitting |dev\/shm\/)/.test(mapping[2]) ? mapping[1] : undefined;
    } else if (inode !== undefined && line.startsWith("Rss:")) {
      // A worker thread maps its block once more, and has touched less of it.
      const bytes = Number(line.match(/\d+/)) * KIB;
      blocks.set(inode, Math.max(bytes, blocks.get(inode) ?? 0));
    }
  }
  return blocks;
}

/** Resident bytes of the blocks that `create` has made, right after that and later. */
function residentOf<Pool>(create: () => Pool): { pool: Pool; bytes: () => number[] } {
  const before = resident();
  const pool = create();
  const ours = [...resident().keys()].filter((inode) => !before.has(inode));
  return { pool, bytes: () => ours.map((inode) => resident().get(inode) ?? 0) };
}

/** The most that a block takes besides its payloads. */
const AROUND_PAYLOADS = MIB;

onEveryWrapperInGate(({ worker }) => {
  const initial: [string, PoolOptions["payload"], number][] = [
    ["nothing, where nothing is said", {}, 0],
    ["payloadInitialBytes", { payloadMaxByteLength: 32 * MIB, payloadInitialBytes: 5 * MIB }, 5 * MIB],
    ["payloadInitialBytes that are all", { payloadMaxByteLength: MIB, payloadInitialBytes: MIB }, MIB],
    ["payloadMaxByteLength of a fixed pool", { mode: "fixed", payloadMaxByteLength: 8 * MIB }, 8 * MIB],
  ];

  test.each(initial)("a worker begins with memory for %s, and is of use", async (_, payload, expected) => {
    const { pool, bytes } = residentOf(() => createPool({ threads: 2, worker, payload })(tasks));
    await using _pool = pool;
    const found = bytes();
    expect(found).toHaveLength(2);
    for (const count of found) {
      expect(count).toBeGreaterThanOrEqual(expected);
      expect(count).toBeLessThan(expected + AROUND_PAYLOADS);
    }
    const sent = pattern(700 * KIB, 1);
    expect(Buffer.compare(await pool.call.echo(sent), sent)).toBe(0);
  });

  const payload = { payloadMaxByteLength: 2 * MIB, maxPayloadBytes: 256 * KIB };

  test("an argument over maxPayloadBytes rejects that call with both sizes, one that just fits is served", async () => {
    await using pool = createPool({ worker, payload })(tasks);
    const before = pool.call.pid();
    const error = await pool.call.size(new Uint8Array(256 * KIB + 1)).catch((error: unknown) => error);
    expect(error).toBeInstanceOf(PayloadTooLargeError);
    expect(error).toMatchObject({
      byteLength: 256 * KIB + 1,
      maxByteLength: 256 * KIB,
      message:
        'the argument of task "size" takes 262145 bytes, at most 262144 are possible: ' +
        "payload.maxPayloadBytes, which is payload.payloadMaxByteLength unless it is set",
    });
    await expect(pool.call.size("x".repeat(256 * KIB))).rejects.toBeInstanceOf(PayloadTooLargeError);
    expect(await pool.call.size(new Uint8Array(256 * KIB))).toBe(256 * KIB);
    expect(await pool.call.pid()).toBe(await before);
  });

  test("a result over maxPayloadBytes rejects that call with both sizes, and the worker goes on", async () => {
    await using pool = createPool({ worker, payload })(tasks);
    const pid = await pool.call.pid();
    for (const too of [pool.call.bytes(256 * KIB + 1), pool.call.bytes(8 * MIB)]) {
      const error = await too.catch((error: unknown) => error);
      expect(error).toBeInstanceOf(PayloadTooLargeError);
      expect(error).toMatchObject({
        maxByteLength: 256 * KIB,
        message: expect.stringMatching(
          /^the result of task "bytes" takes \d+ bytes.*payload\.maxPayloadBytes/,
        ),
      });
    }
    for (const how of ["text", "later"] as const) {
      await expect(pool.call[how](256 * KIB)).rejects.toMatchObject({
        code: "KNITTING_PAYLOAD_TOO_LARGE",
        byteLength: expect.any(Number),
        maxByteLength: 256 * KIB,
      });
      expect((await pool.call[how](256 * KIB - 2 * AROUND_TEXT)).text).toHaveLength(
        256 * KIB - 2 * AROUND_TEXT,
      );
    }
    expect(await pool.call.pid()).toBe(pid);
  });

  test("a result that is too large while others wait for room rejects its call alone", async () => {
    await using pool = createPool({ worker, payload })(tasks);
    const pid = await pool.call.pid();
    const fitting = Array.from({ length: 40 }, () => pool.call.bytes(256 * KIB));
    const tooLarge = pool.call.bytes(256 * KIB + 1);
    const after = Array.from({ length: 40 }, () => pool.call.bytes(256 * KIB));
    await expect(tooLarge).rejects.toBeInstanceOf(PayloadTooLargeError);
    for (const bytes of await Promise.all([...fitting, ...after])) {
      expect(bytes).toHaveLength(256 * KIB);
    }
    expect(await pool.call.pid()).toBe(pid);
  });

  test("the smallest limit leaves room for what is thrown", async () => {
    await using pool = createPool({ worker, payload: { maxPayloadBytes: 64 } })(tasks);
    expect(await pool.call.size("x".repeat(60))).toBe(60);
    await expect(pool.call.size("x".repeat(65))).rejects.toBeInstanceOf(PayloadTooLargeError);
    await expect(pool.call.bytes(65)).rejects.toMatchObject({ byteLength: 65, maxByteLength: 64 });
    await expect(pool.call.throws(10_000)).rejects.toThrow(new RangeError("y".repeat(10_000)));
    const large = await pool.call.throws(100_000).catch((error: unknown) => error);
    expect(large).toBeInstanceOf(RangeError);
    expect(large).toMatchObject({
      message: `${"y".repeat(8192)}…`,
      unsent: [
        expect.stringMatching(/^the error of task "throws" takes \d+ bytes, at most 65536 are possible/),
      ],
    });
  });

  test("the smallest arena serves many calls that each fill it, in order", async () => {
    await using pool = createPool({ worker, payload: { payloadMaxByteLength: 64 * KIB } })(tasks);
    const sent = Array.from({ length: 50 }, (_, index) => pattern(index % 2 === 0 ? 64 * KIB : 100, index));
    const order: number[] = [];
    const calls = sent.map((bytes, index) =>
      pool.call.echo(bytes).then((copy) => {
        order.push(index);
        return copy;
      }),
    );
    for (const [index, copy] of (await Promise.all(calls)).entries()) {
      expect(Buffer.compare(copy, sent[index])).toBe(0);
    }
    expect(order).toEqual(sent.map((_, index) => index));
    await expect(pool.call.size(new Uint8Array(64 * KIB + 1))).rejects.toMatchObject({
      maxByteLength: 64 * KIB,
    });
  });

  test("a worker that sends more than it may is a liar, and replaced", async () => {
    await using pool = createPool({ worker, payload })(tasks);
    await expect(pool.call.cheat({ length: 256 * KIB + 1, limit: 256 * KIB })).rejects.toBeInstanceOf(
      ProtocolViolationError,
    );
    expect(await pool.call.bytes(256 * KIB)).toHaveLength(256 * KIB);
  });
});

test.each(["bytes", "text"] as const)("a thread that sends more %s than it may is a liar", async (name) => {
  const href = "../fixtures/tasks/unlimited.mjs";
  const send = importTask<number, { length: number }>({ href, name });
  await using pool = createPool({ payload: { maxPayloadBytes: 64 * KIB } })({ send });
  await expect(pool.call.send(64 * KIB + 1)).rejects.toBeInstanceOf(ProtocolViolationError);
  expect(await pool.call.send(32 * KIB)).toBeDefined();
});

test("a replacement begins with as much memory as the first worker", async () => {
  const payload = { mode: "fixed", payloadMaxByteLength: 8 * MIB } as const;
  const worker = {
    runtime: "process",
    processRuntime: "node",
    processRuntimePath: process.execPath,
  } as const;
  await using pool = createPool({ worker, payload })(tasks);
  const pid = await pool.call.pid();
  const before = resident();
  process.kill(pid, "SIGKILL");
  await until("it is replaced", () => pool.workers[0].state === "ready" && pool.workers[0].pid !== pid);
  const [fresh] = [...resident()].filter(([inode]) => !before.has(inode));
  expect(fresh[1]).toBeGreaterThanOrEqual(8 * MIB);
});

test("memory that a worker began with stays when it is idle, what came later is given back", async () => {
  const payload = { payloadMaxByteLength: 64 * MIB, payloadInitialBytes: 8 * MIB };
  const { pool, bytes } = residentOf(() => createPool({ payload })(tasks));
  await using _pool = pool;
  expect(await pool.call.size(new Uint8Array(30 * MIB))).toBe(30 * MIB);
  expect(bytes()[0]).toBeGreaterThanOrEqual(30 * MIB);
  await until("it is idle", () => bytes()[0] < 30 * MIB);
  expect(bytes()[0]).toBeGreaterThanOrEqual(8 * MIB);
  expect(bytes()[0]).toBeLessThan(8 * MIB + AROUND_PAYLOADS);
});

describe("where there is no memory for what a worker is to begin with", () => {
  // Separate shared memory with space for 8 MiB.
  const small = ["--dev-bind", "/", "/", "--size", String(8 * MIB), "--tmpfs", "/dev/shm"];
  const host = (payload: object) => `
    import { createPool, importTask } from ${JSON.stringify(pathToFileURL(require.resolve("knitting-native")).href)};
    const echo = importTask({ href: ${JSON.stringify(new URL("../fixtures/tasks/sized.mjs", pathToFileURL(`${__dirname}/`)).href)}, name: "echo" });
    const worker = {
      runtime: "process", processRuntime: "node", processRuntimePath: process.execPath, processSharedMemory: "named",
    };
    try {
      const pool = createPool({ worker, payload: ${JSON.stringify(payload)} })({ echo });
      console.log("answer", await pool.call.echo(42));
      await pool.shutdown();
    } catch (error) {
      console.log(error.constructor.name, error.code, error.message);
    }`;
  const run = (payload: object) =>
    execFileSync("bwrap", [...small, process.execPath, "--input-type=module", "-e", host(payload)], {
      encoding: "utf8",
      timeout: 60_000,
    });

  test
    .skipIf(missing("bwrap") !== undefined)
    .each([{ payloadInitialBytes: 16 * MIB }, { mode: "fixed", payloadMaxByteLength: 16 * MIB }])(
    "createPool throws with %j",
    (payload) => {
      const said = run(payload);
      expect(said).toMatch(
        /^KnittingError KNITTING_NO_MEMORY createPool: the system has no memory for the 16777216 bytes/,
      );
      expect(said).toMatch(/no storage space$/m);
    },
  );

  test.skipIf(missing("bwrap") !== undefined)("and with less the pool is of use", () => {
    expect(run({ payloadInitialBytes: 2 * MIB })).toBe("answer 42\n");
  });
});
