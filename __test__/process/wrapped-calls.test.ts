/**
 * Everything that a call can do works behind a wrapper too. There is one test for each part; the suites prove the
 * details on bare workers.
 */
import fc from "fast-check";
import { createPool, Envelope, importTask, UnsupportedPayloadError } from "knitting-native";
import { expect, test } from "vitest";
import { onWrapped } from "../support/kinds";
import { within } from "../support/processes";
import { same } from "../support/same";
import { payloads } from "../support/values";

const from =
  (file: string) =>
  <Argument, Result>(name: string) =>
    importTask<Argument, Result>({ href: `../fixtures/tasks/${file}.mjs`, name });
const [basic, errors, streams] = ["basic", "errors", "streams"].map(from);
const tasks = {
  add: basic<[number, number], number>("add"),
  echo: basic<unknown, unknown>("echo"),
  throws: errors<string, never>("throws"),
  tellAndSpin: importTask<number, string>({
    href: "../fixtures/tasks/streams.mjs",
    name: "tellAndSpin",
    abortSignal: true,
  }),
  count: streams<number, AsyncGenerator<number, string>>("count"),
  sum: streams<AsyncIterable<number>, number>("sum"),
};

const seed = Date.now() & 0x7fffffff;
const values = fc.sample(payloads, { seed, numRuns: 1_000 });

onWrapped(({ worker }) => {
  test("calls, one after the other, at once and over two workers", async () => {
    await using pool = createPool({ threads: 2, worker })(tasks);
    expect(await pool.call.add([1, 2])).toBe(3);
    const many = Array.from({ length: 5_000 }, (_, index) => pool.call.add([index, 1]));
    expect(await within(Promise.all(many))).toEqual(many.map((_, index) => index + 1));
  });

  test("random values and envelopes come back equal", async () => {
    await using pool = createPool({ worker })(tasks);
    const back = await within(Promise.all(values.map((value) => pool.call.echo(value))));
    expect(
      back.findIndex((value, index) => !same(value, values[index])),
      `seed ${seed}`,
    ).toBe(-1);
    const bytes = new Uint8Array(100_000).fill(7);
    const envelope = (await pool.call.echo(new Envelope({ a: 1 }, bytes))) as Envelope<
      { a: number },
      Uint8Array
    >;
    expect(envelope).toBeInstanceOf(Envelope);
    expect(envelope.header).toEqual({ a: 1 });
    expect(Buffer.compare(envelope.payload, bytes)).toBe(0);
  });

  test("errors arrive as they were thrown, and what can't be sent is refused", async () => {
    await using pool = createPool({ worker })(tasks);
    const error = await pool.call.throws("cause").catch((error: unknown) => error);
    expect(error).toBeInstanceOf(RangeError);
    expect((error as Error).cause).toBeInstanceOf(SyntaxError);
    await expect(pool.call.echo(() => {})).rejects.toBeInstanceOf(UnsupportedPayloadError);
  });

  test("progress comes out of a busy task, which hears that its caller has given up", async () => {
    await using pool = createPool({ worker })(tasks);
    const call = pool.call.tellAndSpin(60_000);
    const told: unknown[] = [];
    call.on("progress", (value) => {
      told.push(value);
      call.reject(new Error("heard enough"));
    });
    await expect(within(call)).rejects.toThrow("heard enough");
    expect(told).toEqual(["at once"]);
    // The call runs only after the loop has been left, which otherwise runs for a minute.
    expect(await within(pool.call.add([1, 2]))).toBe(3);
  });

  test("streams in both directions", async () => {
    await using pool = createPool({ worker })(tasks);
    const items: number[] = [];
    for await (const item of pool.call.count(2_000)) {
      items.push(item);
    }
    expect(items).toEqual(Array.from({ length: 2_000 }, (_, index) => index));
    const source = async function* () {
      yield* items;
    };
    expect(await within(pool.call.sum(source()))).toBe(1_999_000);
  });
});
