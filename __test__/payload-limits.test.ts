/** The option `payload`: what one value may take, and what all of them may. */
import {
  createPool,
  InvalidOptionError,
  importTask,
  PayloadTooLargeError,
  type PoolOptions,
  ProtocolViolationError,
} from "knitting-native";
import { describe, expect, test } from "vitest";
import { onEveryKind } from "./kinds";
import { pattern } from "./values";

const href = "./tasks/sized.mjs";
const tasks = {
  size: importTask<string | Uint8Array | number[], number>({ href, name: "size" }),
  bytes: importTask<number, Uint8Array>({ href, name: "bytes" }),
  text: importTask<number, { text: string }>({ href, name: "text" }),
  later: importTask<number, { text: string }>({ href, name: "later" }),
  echo: importTask<Uint8Array, Uint8Array>({ href, name: "echo" }),
  throws: importTask<number, never>({ href, name: "throws" }),
  pid: importTask<void, number>({ href, name: "pid" }),
  cheat: importTask<number, Uint8Array>({ href, name: "cheat" }),
};

const KIB = 1024;
const MIB = 1024 * KIB;
/** What stands in an encoding of `{ text }` beside the characters of a long text. */
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
      { maxPayloadByte: 100 },
      'unknown option "payload.maxPayloadByte", did you mean "payload.maxPayloadBytes"?',
    ],
  ])("%j is refused", (payload, message) => {
    const create = () => createPool({ payload } as PoolOptions)(tasks);
    expect(create).toThrow(InvalidOptionError);
    expect(create).toThrow(message);
  });
});

onEveryKind(({ worker }) => {
  const payload = { payloadMaxByteLength: 2 * MIB, maxPayloadBytes: 256 * KIB };

  test("an argument over maxPayloadBytes rejects that call with both sizes, one that just fits is served", async () => {
    await using pool = createPool({ worker, payload })(tasks);
    const before = pool.call.pid();
    const error = await pool.call.size(new Uint8Array(256 * KIB + 1)).catch((error: unknown) => error);
    expect(error).toBeInstanceOf(PayloadTooLargeError);
    expect(error).toMatchObject({
      byteLength: 256 * KIB + 1,
      maxByteLength: 256 * KIB,
      message: "the value takes 262145 bytes, at most 262144 are possible",
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
      expect(error).toMatchObject({ maxByteLength: 256 * KIB });
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
    await expect(pool.call.throws(100_000)).rejects.toBeInstanceOf(PayloadTooLargeError);
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
    await expect(pool.call.cheat(256 * KIB + 1)).rejects.toBeInstanceOf(ProtocolViolationError);
    expect(await pool.call.bytes(256 * KIB)).toHaveLength(256 * KIB);
  });
});
