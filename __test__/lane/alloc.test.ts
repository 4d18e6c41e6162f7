/** pool.alloc: arrays that already lie in a worker's memory. */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import {
  createPool,
  Envelope,
  InvalidOptionError,
  importTask,
  PayloadTooLargeError,
  PoolClosedError,
} from "knitting-native";
import { describe, expect, test } from "vitest";
import { onEveryRuntimeInGate, testIf } from "../support/kinds";
import { until, within } from "../support/processes";

const tasks = {
  echo: importTask<unknown, unknown>({ href: "../fixtures/tasks/shared.mjs", name: "echo" }),
  checksum: importTask<Uint8Array, number>({ href: "../fixtures/tasks/shared.mjs", name: "checksum" }),
  envelope: importTask<unknown, Envelope<never, Uint8Array>>({
    href: "../fixtures/tasks/shared.mjs",
    name: "envelope",
  }),
  length: importTask<Uint8Array, number>({ href: "../fixtures/tasks/shared.mjs", name: "length" }),
  die: importTask<void, void>({ href: "../fixtures/tasks/shared.mjs", name: "die" }),
  sleep: importTask<number, void>({ href: "../fixtures/tasks/shared.mjs", name: "sleep" }),
  pid: importTask<unknown, number>({ href: "../fixtures/tasks/basic.mjs", name: "pid" }),
};
const MIB = 1024 * 1024;
/** A number, because the test runner takes long to compare arrays element by element. */
const checksum = (bytes: Uint8Array) => bytes.reduce((sum, byte) => (sum * 31 + byte) >>> 0, 7);
const fill = (array: Uint8Array) => array.map((_, index) => index * 13);

setFlagsFromString("--expose-gc");
const gc = runInNewContext("gc") as () => void;

onEveryRuntimeInGate(({ worker, isProcess }) => {
  test("an array goes as it was filled, and is detached", async () => {
    await using pool = createPool({ threads: 2, worker })(tasks);
    for (const size of [1, 32, 33, 1_000, 65_536, 65_537, MIB]) {
      const array = pool.alloc(size);
      expect([array.length, array.every((byte) => byte === 0)]).toEqual([size, true]);
      array.set(fill(array));
      const expected = checksum(array);
      const call = pool.call.checksum(array);
      expect([array.length, array.buffer.byteLength]).toEqual([0, 0]);
      expect(await call).toBe(expected);
    }
  });

  test("so does an envelope's payload, and what begins where the array begins", async () => {
    await using pool = createPool({ threads: 2, worker })(tasks);
    for (const size of [10, 10_000, 200_000]) {
      const [whole, part, words] = [pool.alloc(size), pool.alloc(size), pool.alloc(size - (size % 4))];
      whole.set(fill(whole));
      part.set(fill(part));
      words.set(fill(words));
      const copies = [whole.slice(), part.slice(0, size - 3), words.slice()];
      const back = await pool.call.envelope({ header: { n: size }, payload: new Uint8Array(whole) });
      expect(checksum(back.payload)).toBe(checksum(copies[0]));
      const echoed = (await pool.call.echo(new Envelope({ n: size }, whole))) as Envelope<
        { n: number },
        Uint8Array
      >;
      expect([checksum(echoed.payload), whole.length]).toEqual([checksum(copies[0]), 0]);
      expect(await pool.call.checksum(part.subarray(0, size - 3))).toBe(checksum(copies[1]));
      expect(part.length).toBe(0);
      const received = (await pool.call.echo(new Int32Array(words.buffer))) as Int32Array;
      expect([checksum(new Uint8Array(received.buffer)), words.length]).toEqual([checksum(copies[2]), 0]);
    }
    const large = pool.alloc(100);
    const header = { text: "x".repeat(50_000) };
    const echoed = (await pool.call.echo(new Envelope(header, large.fill(3)))) as Envelope<
      typeof header,
      Uint8Array
    >;
    expect([echoed.header, echoed.payload[99], large.length]).toEqual([header, 3, 0]);
  });

  test("elsewhere in a value it is copied, and stays", async () => {
    await using pool = createPool({ worker })(tasks);
    const array = pool.alloc(5_000).fill(5);
    expect(await pool.call.echo({ array })).toEqual({ array });
    expect(await pool.call.echo(array.subarray(8))).toEqual(array.subarray(8));
    expect(array.length).toBe(5_000);
    await expect(pool.call.echo(new Envelope((() => {}) as never, array))).rejects.toThrow("$.header");
    expect(array.length).toBe(5_000);
    expect(await pool.call.checksum(array)).toBe(checksum(new Uint8Array(5_000).fill(5)));
  });

  test("it goes to its own worker, whoever's turn it is", async () => {
    await using pool = createPool({ threads: 3, worker })(tasks);
    await Promise.all([1, 2, 3, 4, 5, 6].map(() => pool.call.echo(0)));
    const served = () => pool.workers.map(({ served }) => served);
    const arrays = Array.from({ length: 5 }, () => pool.alloc(100));
    const before = served();
    const [owner] = await Promise.all(arrays.map((array) => pool.call.checksum(array)));
    expect(owner).toBeTypeOf("number");
    expect(served().reduce((sum, count) => sum + count) - before.reduce((sum, count) => sum + count)).toBe(5);
  });

  test("its room comes back when it was sent, and when it is collected", async () => {
    await using pool = createPool({ worker })(tasks);
    await pool.call.echo(0);
    for (let round = 0; round < 12; round++) {
      await pool.call.checksum(pool.alloc(32 * MIB).subarray(0, 10));
    }
    const fillUp = () => {
      for (let count = 0; count < 8; count++) {
        pool.alloc(32 * MIB);
      }
    };
    expect(fillUp).toThrow("no worker's memory has room");
    await until("the arrays are collected", () => {
      gc();
      try {
        pool.alloc(200 * MIB);
        return true;
      } catch {
        return false;
      }
    });
  });

  test("while it is full calls wait, and none is lost", async () => {
    await using pool = createPool({ worker })(tasks);
    await pool.call.echo(0);
    const held = Array.from({ length: 7 }, () => pool.alloc(32 * MIB));
    const calls = Array.from({ length: 4 }, (_, index) =>
      pool.call.length(new Uint8Array(20 * MIB).subarray(0, 19 * MIB + index)),
    );
    const sent = held.map((array) => pool.call.checksum(array.subarray(0, 100)));
    expect(await within(Promise.all(calls), 60_000)).toEqual(calls.map((_, index) => 19 * MIB + index));
    expect(new Set(await within(Promise.all(sent), 60_000)).size).toBe(1);
    expect(held.every(({ length }) => length === 0)).toBe(true);
  });

  testIf(isProcess)("it outlives its worker, and goes to another as a copy", async () => {
    const pool = createPool({ worker })(tasks);
    await pool.call.echo(0);
    const array = pool.alloc(MIB);
    array.set(fill(array));
    const expected = checksum(array);
    await pool.call.die().catch(() => {});
    await until("it is replaced", () => pool.workers[0].state === "ready");
    expect(checksum(array)).toBe(expected);
    array[0] = 0;
    expect(await pool.call.checksum(array)).toBe(expected);
    expect(array.length).toBe(0);
    const last = pool.alloc(100).fill(9);
    await pool.shutdown();
    gc();
    expect(last[99]).toBe(9);
  });
});

describe("pool.alloc", () => {
  test("refuses what is no size, and more than there is", async () => {
    const pool = createPool()(tasks);
    for (const size of [0, -1, 1.5, Number.NaN, "1", undefined]) {
      expect(() => pool.alloc(size as number)).toThrow(InvalidOptionError);
    }
    expect(() => pool.alloc(1024 * MIB)).toThrow(PayloadTooLargeError);
    await pool.shutdown();
    expect(() => pool.alloc(1)).toThrow(PoolClosedError);
  });

  test("works while the workers boot, and under pressure", async () => {
    await using pool = createPool({ threads: 2 })(tasks);
    const arrays = Array.from({ length: 2_000 }, (_, index) => pool.alloc(16).fill(index));
    const expected = arrays.map(checksum);
    expect(await Promise.all(arrays.map((array) => pool.call.checksum(array)))).toEqual(expected);
    expect(arrays.every(({ length }) => length === 0)).toBe(true);
  });
});
