/**
 * The rows of the contract's section "Shared buffers and envelopes", each by its words. Other suites cover the details.
 */
import { createPool, Envelope, importTask } from "knitting-native";
import { getDefaultProcessSharedBufferPrimitives, ProcessSharedBuffer } from "knitting-native/shared-memory";
import { expect, test } from "vitest";
import { onEveryRuntime, testIf } from "../support/kinds";
import { until, within } from "../support/processes";

const href = "../fixtures/tasks/shared.mjs";
const tasks = {
  echo: importTask<unknown, unknown>({ href, name: "echo" }),
  add: importTask<{ memory: unknown; times: number }, number>({ href, name: "add" }),
  checksum: importTask<Uint8Array, number>({ href, name: "checksum" }),
  die: importTask<void, void>({ href, name: "die" }),
};
const { unlinkSharedMemory } = getDefaultProcessSharedBufferPrimitives();
const name = `knitting-test-contract-${process.pid}`;

onEveryRuntime(({ worker, isProcess }) => {
  test("new Envelope(header, payload): JSON-like header, binary payload, disposable", async () => {
    await using pool = createPool({ worker })(tasks);
    using memory = ProcessSharedBuffer.create(16);
    const payloads = [
      new ArrayBuffer(16),
      new ArrayBuffer(50_000),
      memory,
      ...(isProcess ? [] : [new SharedArrayBuffer(16)]),
    ];
    for (const payload of payloads) {
      const back = (await pool.call.echo(new Envelope({ kind: "raw", sizes: [1, 2] }, payload))) as Envelope;
      expect(back).toBeInstanceOf(Envelope);
      expect(back.header).toEqual({ kind: "raw", sizes: [1, 2] });
      expect(back.payload.constructor).toBe(payload.constructor);
      expect(back.payload.byteLength).toBe(payload.byteLength);
    }
    new Envelope({}, memory)[Symbol.dispose]();
    expect(memory.descriptor.mapping.closed).toBe(true);
  });

  test("ProcessSharedBuffer.create(size): sent to a worker it is a handle that the worker maps", async () => {
    await using pool = createPool({ worker })(tasks);
    await pool.call.echo("it runs already");
    using memory = ProcessSharedBuffer.create(64);
    expect(await pool.call.add({ memory, times: 3 })).toBe(0);
    expect(await pool.call.add({ memory: memory.subbuffer(8, 8), times: 4 })).toBe(0);
    expect([...memory.view(Int32Array).subarray(0, 3)]).toEqual([3, 0, 4]);
    expect([memory.byteLength, memory.bytes().length, memory.getBuffer().byteLength]).toEqual([64, 64, 64]);
    memory.descriptor.mapping.close();
    expect(() => memory.bytes()).toThrow("closed");
  });

  test("ProcessSharedBuffer.create({ size, name, mode }), and unlinkSharedMemory(name)", async () => {
    await using pool = createPool({ worker })(tasks);
    const primitives = getDefaultProcessSharedBufferPrimitives();
    using memory = ProcessSharedBuffer.create({ size: 64, name, mode: "create" }, primitives);
    using other = ProcessSharedBuffer.create({ size: 64, name, mode: "open" }, primitives);
    await pool.call.add({ memory: other, times: 5 });
    expect(memory.view(Int32Array)[0]).toBe(5);
    expect(unlinkSharedMemory(name)).toBe(true);
    expect(() => ProcessSharedBuffer.create({ name, mode: "open" })).toThrow("no shared memory of that name");
  });

  testIf(isProcess)("where a wrapper dropped descriptor 3, the error advises a name", async () => {
    const processCommandPrefix = ["/bin/sh", "-c", 'exec "$@" 3<&-', "sh"];
    await using pool = createPool({ worker: { ...worker, processCommandPrefix } })(tasks);
    using memory = ProcessSharedBuffer.create(8);
    await expect(within(pool.call.add({ memory, times: 1 }))).rejects.toThrow("Give the buffer a name");
  });

  test("pool.alloc(byteLength): the call goes to that lane and copies nothing, the array is detached", async () => {
    await using pool = createPool({ threads: 2, worker })(tasks);
    const array = pool.alloc(100_000).fill(1);
    const expected = array.reduce((sum, byte) => (sum * 31 + byte) >>> 0, 7);
    const call = pool.call.checksum(array);
    expect(array.length).toBe(0);
    expect(await call).toBe(expected);
  });

  testIf(isProcess)("pool.alloc(byteLength): it outlives the worker's death as a private copy", async () => {
    await using pool = createPool({ worker })(tasks);
    await pool.call.echo(0);
    const array = pool.alloc(1_000).fill(6);
    await pool.call.die().catch(() => {});
    await until("it is replaced", () => pool.workers[0].state === "ready");
    expect(array.every((byte) => byte === 6)).toBe(true);
    expect(await pool.call.echo(array)).toEqual(new Uint8Array(1_000).fill(6));
  });

  test("SharedArrayBuffer by reference to thread workers, refused for process workers with advice", async () => {
    await using pool = createPool({ worker })(tasks);
    const memory = new SharedArrayBuffer(8);
    if (isProcess) {
      await expect(pool.call.add({ memory, times: 1 })).rejects.toThrow("ProcessSharedBuffer");
    } else {
      await pool.call.add({ memory, times: 2 });
      expect(new Int32Array(memory)[0]).toBe(2);
    }
  });
});
