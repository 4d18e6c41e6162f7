/** `worker.timers`: how long both sides busy-wait. */
import { setTimeout as sleep } from "node:timers/promises";
import { createPool, importTask } from "knitting-native";
import { expect, test } from "vitest";
import { onEveryRuntime, testIf } from "../support/kinds";
import { within } from "../support/processes";

const href = "../fixtures/tasks/basic.mjs";
const tasks = {
  echo: importTask<number, number>({ href, name: "echo" }),
  cpuMicros: importTask<void, number>({ href, name: "cpuMicros" }),
};

onEveryRuntime(({ worker, isProcess }) => {
  test.each([0, 0.5, 1_000])("calls are answered with spinMicroseconds: %d", async (spinMicroseconds) => {
    await using pool = createPool({ threads: 2, worker: { ...worker, timers: { spinMicroseconds } } })(tasks);
    for (let round = 0; round < 20; round++) {
      expect(await within(pool.call.echo(round))).toBe(round);
    }
    const many = Array.from({ length: 5_000 }, (_, index) => index);
    expect(await within(Promise.all(many.map((index) => pool.call.echo(index))))).toEqual(many);
  });

  testIf(isProcess)("a worker that may spin for longer uses more of its core between calls", async () => {
    const used = async (spinMicroseconds: number) => {
      await using pool = createPool({ worker: { ...worker, timers: { spinMicroseconds } } })(tasks);
      const before = await within(pool.call.cpuMicros());
      for (let round = 0; round < 200; round++) {
        await within(pool.call.cpuMicros());
        await sleep(2);
      }
      return (await within(pool.call.cpuMicros())) - before;
    };
    await used(0);
    expect(await used(1_000)).toBeGreaterThan(1.5 * (await used(0)));
  });
});
