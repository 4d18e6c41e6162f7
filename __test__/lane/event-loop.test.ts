import { importTask } from "knitting-native";
import { getDefaultProcessSharedBufferPrimitives, ProcessSharedBuffer } from "knitting-native/shared-memory";
import { describe, expect, test } from "vitest";
import { onEveryRuntime, onEveryWrapperInGate } from "../support/kinds";
import { until, WATCHDOG_MILLIS, within } from "../support/processes";
import { createPool } from "../support/unrestricted";

const href = "../fixtures/tasks/deadly.mjs";
const of = <Argument, Result>(name: string) => importTask<Argument, Result>({ href, name });
const tasks = {
  echo: of<number, number>("echo"),
  startTicking: of<void, void>("startTicking"),
  ticksSoFar: of<void, number>("ticksSoFar"),
  startServer: of<void, number>("startServer"),
};

onEveryRuntime(({ worker }) => {
  test("an interval that a task leaves behind ticks while the worker waits for calls", async () => {
    await using pool = createPool({ worker })(tasks);
    await pool.call.startTicking();
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect(await pool.call.ticksSoFar()).toBeGreaterThan(20);
  });

  test("an interval ticks while call follows call without a pause", async () => {
    await using pool = createPool({ worker })(tasks);
    await pool.call.startTicking();
    const end = Date.now() + 1_000;
    while (Date.now() < end) {
      await Promise.all(Array.from({ length: 100 }, (_, index) => pool.call.echo(index)));
    }
    expect(await pool.call.ticksSoFar()).toBeGreaterThan(20);
  });

  test("an HTTP server that a task leaves behind answers while the worker waits, and while it works", async () => {
    await using pool = createPool({ worker })(tasks);
    const port = await pool.call.startServer();
    const get = async () => (await fetch(`http://127.0.0.1:${port}`)).text();
    expect(await get()).toBe("still here");
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(await get()).toBe("still here");
    let answered = false;
    const answer = get().then((text) => {
      answered = true;
      return text;
    });
    const calls = (async () => {
      while (!answered) {
        await pool.call.echo(1);
      }
    })();
    await until("the server has answered", () => answered);
    expect(await answer).toBe("still here");
    await calls;
  });
});

describe("a host that blocks its event loop right after a call", () => {
  const add = importTask<{ memory: ProcessSharedBuffer; times: number }, number>({
    href: "../fixtures/tasks/shared.mjs",
    name: "add",
  });

  onEveryWrapperInGate(({ worker }) => {
    test("sees the call run meanwhile, and the answers of all its calls after that", async () => {
      // Each kind of worker can open memory that has a name.
      const name = `knitting-test-blocking-${process.pid}`;
      using memory = ProcessSharedBuffer.create({ size: 64, name });
      try {
        const words = memory.view(Int32Array);
        await using pool = createPool({ worker })({ add });
        expect(await pool.call.add({ memory, times: 1 })).toBe(0);
        for (let round = 1; round <= 20; round++) {
          const before = Atomics.load(words, 0);
          const calls = [1, 2].map(() => pool.call.add({ memory, times: 1 }));
          const end = Date.now() + WATCHDOG_MILLIS;
          while (Atomics.load(words, 0) === before && Date.now() < end) {}
          expect(Atomics.load(words, 0)).toBeGreaterThan(before);
          expect(await within(Promise.all(calls))).toEqual([before, before + 1]);
        }
      } finally {
        getDefaultProcessSharedBufferPrimitives().unlinkSharedMemory(name);
      }
    });
  });
});
