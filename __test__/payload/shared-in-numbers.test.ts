/** More shared memory than the control socket of a process has space for. */
import { createPool, importTask } from "knitting-native";
import { ProcessSharedBuffer } from "knitting-native/shared-memory";
import { expect, test } from "vitest";
import { onEveryRuntime, testIf } from "../support/kinds";
import { within } from "../support/processes";

const href = "../fixtures/tasks/shared.mjs";
type Swap = { memories: ProcessSharedBuffer[]; byte: number };
const tasks = {
  add: importTask<{ memory: ProcessSharedBuffer; times: number }, number>({ href, name: "add" }),
  swap: importTask<Swap, number[]>({ href, name: "swap" }),
};

const create = (count: number) => Array.from({ length: count }, () => ProcessSharedBuffer.create(8));
const dispose = (memories: ProcessSharedBuffer[]) => {
  for (const memory of memories) {
    memory[Symbol.dispose]();
  }
};

onEveryRuntime(({ worker, isProcess }) => {
  test("a worker takes more when the host has closed hundreds that it has had", async () => {
    await using pool = createPool({ worker })(tasks);
    for (let round = 0; round < 2; round++) {
      const memories = create(400);
      for (const memory of memories) {
        expect(await pool.call.add({ memory, times: 1 })).toBe(0);
      }
      dispose(memories);
      using one = ProcessSharedBuffer.create(8);
      expect(await within(pool.call.add({ memory: one, times: 3 }))).toBe(0);
      expect(one.view(Int32Array)[0]).toBe(3);
    }
  });

  testIf(isProcess)(
    "a call that brings a process more than it can at once is refused, and takes no other's room",
    async () => {
      await using pool = createPool({ worker })(tasks);
      const memories = create(400);
      for (let attempt = 0; attempt < 3; attempt++) {
        const error = await pool.call.swap({ memories, byte: 1 }).catch((error: unknown) => error);
        expect(error).toMatchObject({ name: "SharedMemoryError", reason: "refused" });
        expect((error as Error).message).toContain("this one has 400");
      }
      const some = memories.slice(0, 120);
      expect(await within(pool.call.swap({ memories: some, byte: 2 }))).toEqual(some.map(() => 0));
      // The worker has had half of these.
      const more = memories.slice(0, 240);
      expect(await within(pool.call.swap({ memories: more, byte: 3 }))).toEqual(
        more.map((_, index) => (index < 120 ? 2 : 0)),
      );
      dispose(memories);
    },
  );
});
