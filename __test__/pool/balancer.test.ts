/** Which worker gets a call. */
import { createPool, importTask, type PoolOptions } from "knitting-native";
import { describe, expect, test } from "vitest";
import { balancer, STRATEGIES } from "../../build/pool/balancer.js";
import { onChildren, onEveryRuntimeInGate } from "../support/kinds";
import { until } from "../support/processes";

const of = <Argument, Result>(name: string, href = "../fixtures/tasks/basic.mjs") =>
  importTask<Argument, Result>({ href, name });
const tasks = { who: of<void, string>("who"), wait: of<number, number>("wait") };

interface Slot {
  name: string;
  available: boolean;
  broken: boolean;
  ready: boolean;
  load: number;
}

/**
 * Workers by their loads. `-` is one that can't serve now, `x` one that never will, and `+` before a load one that is
 * not ready yet.
 */
function slots(...states: (number | string)[]): Slot[] {
  return states.map((state, index) => ({
    name: "abcdef"[index],
    available: state !== "-" && state !== "x",
    broken: state === "x",
    ready: typeof state === "number",
    load: state === "-" || state === "x" ? 0 : Number(state),
  }));
}

const chosen = (strategy: (typeof STRATEGIES)[number], some: Slot[], times = 1) => {
  const pick = balancer(strategy, some);
  return Array.from({ length: times }, () => pick().name).join("");
};

test.each(STRATEGIES)("%s prefers one that will have a worker to one that is broken", (strategy) => {
  expect(chosen(strategy, slots("x", "x", "-", "x"), 8)).toBe("c".repeat(8));
  expect(chosen(strategy, slots("x", "x"), 2)).toMatch(/^[ab]{2}$/);
});

describe("the strategies", () => {
  test("round robin takes one after the other, and passes over what can't serve", () => {
    expect(chosen("roundRobin", slots(9, 0, 0), 7)).toBe("abcabca");
    expect(chosen("roundRobin", slots(0, "-", 0), 4)).toBe("acac");
  });

  test("one that is ready comes before one that is still booting; while all boot they take turns", () => {
    expect(chosen("roundRobin", slots("+0", 9, "+0", 5), 5)).toBe("bdbdb");
    expect(chosen("roundRobin", slots("+0", "+1", "-", "+0"), 6)).toBe("abdabd");
    expect(new Set(chosen("randomLane", slots("+0", 9, "-", 5), 200))).toEqual(new Set("bd"));
    expect(new Set(chosen("randomLane", slots("+0", "+9", "-", "x"), 200))).toEqual(new Set("ab"));
    expect(new Set(chosen("firstIdleOrRandom", slots("+1", 9, "x", 5), 200))).toEqual(new Set("bd"));
  });

  test("the first idle one, else the one with the fewest calls", () => {
    expect(chosen("firstIdle", slots(3, 0, 0))).toBe("b");
    expect(chosen("firstIdle", slots(3, 2, 2))).toBe("b");
    expect(chosen("firstIdle", slots("-", 5, 4))).toBe("c");
    // A ready worker comes before one that is still booting, and that one before a busy one.
    expect(chosen("firstIdle", slots("+0", 0))).toBe("b");
    expect(chosen("firstIdle", slots("+0", 1))).toBe("a");
  });

  test("random ones are any that can serve", () => {
    expect(new Set(chosen("randomLane", slots(0, 5, "-", 1), 500))).toEqual(new Set("abd"));
    expect(new Set(chosen("firstIdleOrRandom", slots(1, 5, "-", 1), 500))).toEqual(new Set("abd"));
    expect(new Set(chosen("firstIdleOrRandom", slots(1, 0, "-", 0), 50))).toEqual(new Set("b"));
  });

  test.each(STRATEGIES)("%s chooses one even where none can serve", (strategy) => {
    expect("abc").toContain(chosen(strategy, slots("-", "-", "-")));
    expect(chosen(strategy, slots("-"))).toBe("a");
  });
});

onChildren(({ worker }) => {
  test("no call waits for a worker that is still booting while another is ready", async () => {
    const slow = ["sh", "-c", 'sleep 3; exec "$@"', "sh"];
    const prefix = ({ index }: { index: number }) => (index === 0 ? ["env"] : slow);
    await using pool = createPool({ threads: 3, worker: { ...worker, processCommandPrefix: prefix } })(tasks);
    await until("one worker is ready", () => pool.workers[0].state === "ready");
    for (let call = 0; call < 20; call++) {
      await pool.call.who();
    }
    expect(pool.workers.map(({ state }) => state)).toEqual(["ready", "booting", "booting"]);
    expect(pool.workers[0].served).toBe(20);
    await until("all are ready", () => pool.workers.every(({ state }) => state === "ready"));
    await Promise.all([pool.call.who(), pool.call.who(), pool.call.who()]);
    expect(pool.workers.map(({ served }) => served)).toEqual([21, 1, 1]);
  });
});

onEveryRuntimeInGate(({ worker }) => {
  /** A pool whose three workers are all ready. */
  async function ready(strategy: PoolOptions["balancer"]) {
    const pool = createPool({ threads: 3, worker, balancer: strategy })(tasks);
    await until("the workers are ready", () => pool.workers.every(({ state }) => state === "ready"));
    return pool;
  }
  const served = (pool: { workers: readonly { served: number }[] }) =>
    pool.workers.map(({ served }) => served);

  test("firstIdle gives a busy worker no calls while others idle", async () => {
    await using pool = await ready("firstIdle");
    const slow = pool.call.wait(400);
    for (let call = 0; call < 20; call++) {
      await pool.call.who();
    }
    expect(served(pool)).toEqual([0, 20, 0]);
    // From the third call on all workers are busy, so the next call goes to the one with the fewest calls.
    const waits = Array.from({ length: 5 }, () => pool.call.wait(50));
    await Promise.all([slow, ...waits]);
    expect(served(pool)).toEqual([2, 22, 2]);
    expect(new Set(await Promise.all([pool.call.who(), pool.call.who(), pool.call.who()])).size).toBe(3);
  });

  test("firstIdleOrRandom takes the first idle one, then any", async () => {
    await using pool = await ready({ strategy: "firstIdleOrRandom" });
    for (let call = 0; call < 5; call++) {
      await pool.call.who();
    }
    expect(served(pool)).toEqual([5, 0, 0]);
    await Promise.all(Array.from({ length: 203 }, () => pool.call.wait(5)));
    expect(Math.min(...served(pool))).toBeGreaterThan(20);
  });

  test("randomLane spreads calls over all workers", async () => {
    await using pool = await ready("randomLane");
    for (let call = 0; call < 200; call++) {
      await pool.call.who();
    }
    expect(served(pool).reduce((sum, calls) => sum + calls)).toBe(200);
    expect(Math.min(...served(pool))).toBeGreaterThan(20);
  });
});
