/** Envelope: a header and a binary payload as one value, in both directions. */
import { createPool, Envelope, type EnvelopePayload, InvalidOptionError, importTask } from "knitting-native";
import { ProcessSharedBuffer } from "knitting-native/shared-memory";
import { expect, test } from "vitest";
import { onEveryRuntimeInGate } from "../support/kinds";

const href = "../fixtures/tasks/shared.mjs";
const from = <Argument, Result>(name: string) => importTask<Argument, Result>({ href, name });
type Any = Envelope<never, EnvelopePayload>;
const tasks = {
  echo: from<unknown, unknown>("echo"),
  describe: from<unknown, Record<string, unknown>>("describe"),
  envelope: from<unknown, Any>("envelope"),
};
const SIZES = [1, 31, 4_096, 4_097, 70_000, 1024 * 1024 + 5];
const filled = (bytes: number) => Uint8Array.from({ length: bytes }, (_, index) => index * 7);

test("its payload must be binary", () => {
  for (const payload of [undefined, null, 1, "x", [1], {}, new Map()]) {
    expect(() => new Envelope({}, payload as never)).toThrow(InvalidOptionError);
    expect(() => new Envelope({}, payload as never)).toThrow('"payload" is');
  }
});

test("it closes a ProcessSharedBuffer with it, and leaves others alone", () => {
  const memory = ProcessSharedBuffer.create(8);
  {
    using _envelope = new Envelope(1, memory);
  }
  expect(memory.descriptor.mapping.closed).toBe(true);
  const buffer = new ArrayBuffer(8);
  new Envelope(1, buffer)[Symbol.dispose]();
  expect(buffer.byteLength).toBe(8);
});

onEveryRuntimeInGate(({ name, worker, isProcess }) => {
  test("header and payload come and go, whatever their sizes", async () => {
    await using pool = createPool({ worker })(tasks);
    for (const size of SIZES) {
      const bytes = filled(size);
      for (const header of [undefined, 5, { text: "h".repeat(size % 9_000) }, [new Map([["a", 1n]])]]) {
        for (const payload of [bytes.buffer, bytes, Buffer.from(bytes.buffer), new DataView(bytes.buffer)]) {
          const back = (await pool.call.echo(new Envelope(header as never, payload))) as Any;
          expect(back).toBeInstanceOf(Envelope);
          expect(back.header).toEqual(header);
          expect(back.payload.constructor).toBe(payload.constructor);
          const received = ArrayBuffer.isView(back.payload)
            ? back.payload.buffer
            : (back.payload as ArrayBuffer);
          expect(Buffer.compare(new Uint8Array(received as ArrayBuffer), bytes)).toBe(0);
        }
      }
    }
  });

  test("a worker knows the class, and makes its own", async () => {
    await using pool = createPool({ worker })(tasks);
    const envelope = new Envelope({ width: 3 }, filled(100_000).buffer);
    expect(await pool.call.describe(envelope)).toMatchObject({
      isEnvelope: true,
      header: { width: 3 },
      payload: "ArrayBuffer",
      byteLength: 100_000,
    });
    const made = await pool.call.envelope({ header: { width: 4 }, payload: filled(50_000) });
    expect(made).toBeInstanceOf(Envelope);
    expect(made.header).toEqual({ width: 4, seen: true });
    expect(made.payload.byteLength).toBe(50_000);
  });

  test("it stands within other values, and what is one object there is one", async () => {
    await using pool = createPool({ worker })(tasks);
    const buffer = filled(10_000).buffer;
    const envelope = new Envelope({ again: buffer, view: new Uint8Array(buffer, 8, 5) }, buffer);
    const back = (await pool.call.echo([envelope, { envelope }])) as [
      typeof envelope,
      { envelope: typeof envelope },
    ];
    expect(back[1].envelope).toBe(back[0]);
    expect(back[0].header.again).toBe(back[0].payload);
    const alone = (await pool.call.echo(envelope)) as typeof envelope;
    expect(alone.header.again).toBe(alone.payload);
    expect(alone.header.view.buffer).toBe(alone.payload);
    const nested = (await pool.call.echo(
      new Envelope({ inner: new Envelope(1, buffer) }, filled(5_000)),
    )) as Envelope<{
      inner: Any;
    }>;
    expect(nested.header.inner).toBeInstanceOf(Envelope);
  });

  test("what can't be sent is refused with its place in the header", async () => {
    await using pool = createPool({ worker })(tasks);
    const header = { list: [1, () => {}] } as never;
    for (const size of [10, 100_000]) {
      await expect(pool.call.echo(new Envelope(header, filled(size)))).rejects.toMatchObject({
        name: "UnsupportedPayloadError",
        path: "$.header.list[1]",
      });
    }
    expect(await pool.call.echo(1)).toBe(1);
  });

  test("shared memory as its payload is not copied", async () => {
    await using pool = createPool({ worker })(tasks);
    const named = name.includes("container") ? `knitting-test-envelope-${process.pid}` : undefined;
    using memory = ProcessSharedBuffer.create({ size: 64, name: named });
    const back = (await pool.call.echo(new Envelope({ a: 1 }, memory))) as Envelope<
      { a: number },
      ProcessSharedBuffer
    >;
    back.payload.bytes()[0] = 9;
    expect(memory.bytes()[0]).toBe(9);
    if (named !== undefined) {
      const { getDefaultProcessSharedBufferPrimitives } = await import("knitting-native/shared-memory");
      getDefaultProcessSharedBufferPrimitives().unlinkSharedMemory(named);
    }
    if (!isProcess) {
      const shared = new SharedArrayBuffer(8);
      expect(((await pool.call.echo(new Envelope(0, shared))) as Any).payload).toBe(shared);
    }
  });

  test("hundreds at once wait for room and come in order", async () => {
    await using pool = createPool({ worker })(tasks);
    const [large, small] = [filled(300_000), filled(5_000)];
    const calls = Array.from({ length: 1_100 }, (_, index) =>
      pool.call.echo(new Envelope(index, index % 10 === 0 ? large : small)),
    );
    const back = (await Promise.all(calls)) as Envelope<number, Uint8Array>[];
    expect(back.map(({ header }) => header)).toEqual(back.map((_, index) => index));
    expect(
      back.every(({ payload }) => payload[payload.length - 1] === (((payload.length - 1) * 7) & 0xff)),
    ).toBe(true);
  });
});
