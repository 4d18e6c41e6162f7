/** The load beside which the benchmark measures. */
import { availableParallelism } from "node:os";
import { expect, test } from "vitest";
// @ts-expect-error the benchmark is plain JavaScript
import { LOADS, whyNoLoad, withLoad } from "../../bench/load.mjs";
import { childrenOf, Host, isAlive, until } from "../support/processes";

const cores = availableParallelism();
const MOST = { idle: 0, one: 1, each: cores, two: 2 * cores };

test.skipIf(whyNoLoad("one") !== undefined)(
  "work runs beside as many processes as its load has, and they end with it",
  async () => {
    for (const [kind, count] of Object.entries(MOST)) {
      const others = new Set(childrenOf(process.pid));
      const { result, shares } = await withLoad(kind, async () => {
        const hogs = childrenOf(process.pid).filter((pid) => !others.has(pid));
        await new Promise((resolve) => setTimeout(resolve, 200));
        return hogs;
      });
      expect([kind, result.length, shares.length]).toEqual([kind, count, count]);
      expect(result.filter(isAlive)).toEqual([]);
    }
    expect(Object.keys(MOST)).toEqual(LOADS);
  },
);

test.skipIf(whyNoLoad("one") !== undefined)(
  "the load ends with work that fails, and with its parent",
  async () => {
    const others = new Set(childrenOf(process.pid));
    const failing = withLoad("one", () => Promise.reject(new Error("failed")));
    await expect(failing).rejects.toThrow("failed");
    expect(childrenOf(process.pid).filter((pid) => !others.has(pid))).toEqual([]);

    const host = new Host("load-host.mjs");
    await host.says("loaded");
    const hogs = childrenOf(host.pid);
    expect(hogs.length).toBe(cores);
    process.kill(host.pid, "SIGKILL");
    await until("the load has ended", () => !hogs.some(isAlive));
  },
);

test("an unknown load is refused", async () => {
  await expect(withLoad("three", async () => {})).rejects.toThrow(
    'the load is "three", it must be one of: idle, one, each, two',
  );
});
