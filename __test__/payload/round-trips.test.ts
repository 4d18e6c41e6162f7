import fc from "fast-check";
import { createPool, importTask } from "knitting-native";
import { expect, test } from "vitest";
import { onEveryRuntimeInGate, onEveryWrapperInGate } from "../support/kinds";
import { CALLS_MEANWHILE, DRAWN_VALUES, RANDOM_VALUES } from "../support/repetitions";
import { same } from "../support/same";
import { GRAMMAR, pattern, payloads, survey } from "../support/values";

const href = "../fixtures/tasks/basic.mjs";
const tasks = {
  echo: importTask<unknown, unknown>({ href, name: "echo" }),
  yearIn: importTask<string, RegExpExecArray>({ href, name: "yearIn" }),
  hold: importTask<Uint8Array, number>({ href, name: "hold" }),
  heldChecksum: importTask<void, number>({ href, name: "heldChecksum" }),
};

const BATCH = 500;
const MIB = 1024 * 1024;

const seed = Date.now() & 0x7fffffff;
console.log(`payloads: seed ${seed}`);
// The values are drawn once and sent many times in different combinations, because drawing them takes the most time.
const values = fc.sample(payloads, { seed, numRuns: DRAWN_VALUES });

test("the random values have all of the grammar, outermost and within one another", () => {
  const found = new Set<string>();
  for (const value of values) {
    survey(value, found);
  }
  // Parts of the grammar that take two objects can't be outermost.
  const inner = new Set<string>(["met again", "cycle", "overlapping views"]);
  const missing = (depth: number) => GRAMMAR.filter((kind) => !found.has(`${kind} at ${depth}`));
  expect(
    missing(0).filter((kind) => !inner.has(kind)),
    `seed ${seed}`,
  ).toEqual([]);
  expect(missing(1), `seed ${seed}`).toEqual([]);
  expect(missing(2), `seed ${seed}`).toEqual([]);
});

onEveryRuntimeInGate(({ worker }) => {
  test(`${RANDOM_VALUES} random values come back equal`, { timeout: 300_000 }, async () => {
    await using pool = createPool({ threads: 2, worker })(tasks);
    for (let from = 0; from < RANDOM_VALUES; from += BATCH) {
      const batch = Array.from(
        { length: BATCH },
        (_, index) => values[((from + index) * 7_919) % values.length],
      );
      const results = await Promise.all(batch.map((value) => pool.call.echo(value)));
      for (const [index, value] of batch.entries()) {
        if (!same(results[index], value)) {
          expect(results[index], `seed ${seed}`).toStrictEqual(value);
          expect.fail(`a value came back changed, seed ${seed}`);
        }
      }
    }
  });

  test("an array keeps its own properties, as an argument and as a result", async () => {
    await using pool = createPool({ worker })(tasks);
    const match = /(?<year>\d+)(-)?/d.exec("in 2020");
    expect(Object.entries(await pool.call.yearIn("in 2020"))).toEqual(Object.entries(match as object));
    const rows = Object.assign(
      Array.from({ length: 1_000 }, (_, id) => ({ id })),
      { total: 5_000, match },
    );
    const sent = (await pool.call.echo(rows)) as typeof rows;
    expect(same(sent, structuredClone(rows))).toBe(true);
    expect(sent.total).toBe(5_000);
  });

  test("a value that a task keeps stays as it was while others come and go", {
    timeout: 120_000,
  }, async () => {
    await using pool = createPool({ worker })(tasks);
    for (const size of [100, 5_000, 100_000, 32 * MIB]) {
      const checksum = await pool.call.hold(pattern(size, 7));
      for (let done = 0; done < CALLS_MEANWHILE; done += 250) {
        const noise = Array.from({ length: 250 }, (_, index) => pattern(index * 40, index));
        await Promise.all(noise.map((bytes) => pool.call.echo(bytes)));
        await pool.call.echo(pattern(Math.min(size, MIB), done));
      }
      expect(await pool.call.heldChecksum()).toBe(checksum);
    }
  });

  test("results that the host keeps stay as they were while others come", async () => {
    await using pool = createPool({ worker })(tasks);
    const sent = Array.from({ length: 40 }, (_, index) => pattern(index * 5_000, index + 1));
    const kept = await Promise.all(sent.map((bytes) => pool.call.echo(bytes)));
    for (let index = 0; index < 500; index++) {
      await pool.call.echo(pattern(index * 400, 99));
    }
    expect(kept.every((bytes, index) => same(bytes, sent[index]))).toBe(true);
  });

  test("an argument is sent as it is at the call, also when the call has to wait", async () => {
    await using pool = createPool({ worker, payload: { payloadMaxByteLength: 2 * MIB } })(tasks);
    const bytes = new Uint8Array(MIB);
    const list = [0];
    const calls: Promise<unknown>[] = [];
    // Far more than a ring and an arena can hold.
    for (let index = 0; index < 3_000; index++) {
      list[0] = index;
      calls.push(pool.call.echo(list));
    }
    for (let index = 0; index < 100; index++) {
      bytes.fill(index);
      const then = Buffer.from(bytes);
      calls.push(pool.call.echo(bytes).then((copy) => Buffer.compare(then, copy as Uint8Array)));
    }
    const results = await Promise.all(calls);
    expect(results.slice(0, 3_000)).toEqual(Array.from({ length: 3_000 }, (_, index) => [index]));
    expect(results.slice(3_000)).toEqual(new Array(100).fill(0));
  });

  test("keys such as __proto__ arrive as own data", async () => {
    await using pool = createPool({ worker })(tasks);
    const evil = JSON.parse('{"__proto__": {"polluted": true}, "constructor": 1}');
    const result = (await pool.call.echo(evil)) as object;
    expect(Object.keys(result)).toEqual(["__proto__", "constructor"]);
    expect(Object.getPrototypeOf(result)).toBe(Object.prototype);
    expect(({} as { polluted?: boolean }).polluted).toBeUndefined();
  });

  test("a huge sparse array costs what it holds", async () => {
    await using pool = createPool({ worker })(tasks);
    const sparse: number[] = [];
    sparse[4_000_000_000] = 1;
    const result = (await pool.call.echo(sparse)) as number[];
    expect(result.length).toBe(4_000_000_001);
    expect(result[4_000_000_000]).toBe(1);
    expect(Object.keys(result)).toHaveLength(1);
  });
});

const large = pattern(32 * MIB);

onEveryWrapperInGate(({ worker }) => {
  test("ten values of 32 MiB come back equal, at once and one by one", { timeout: 120_000 }, async () => {
    await using pool = createPool({ worker })(tasks);
    const together = await Promise.all(Array.from({ length: 10 }, () => pool.call.echo(large)));
    for (const copy of together) {
      expect(Buffer.compare(large, copy as Uint8Array)).toBe(0);
    }
    const text = "knit €".repeat((4 * MIB) / 6);
    expect((await pool.call.echo({ large, text })) as object).toSatisfy(
      (value: { large: Uint8Array; text: string }) =>
        Buffer.compare(large, value.large) === 0 && value.text === text,
    );
  });
});
