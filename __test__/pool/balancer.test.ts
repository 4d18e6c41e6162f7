/** Which worker gets a call. */
import { importTask, type PoolOptions, type PoolStats } from "knitting-native";
import { describe, expect, test } from "vitest";
import { balancer, STRATEGIES } from "../../build/pool/balancer.js";
import { gates, open } from "../support/gates";
import { onChildren, onThreadAndProcessInGate } from "../support/kinds";
import { until } from "../support/processes";
import { createPool } from "../support/unrestricted";

const of = <Argument, Result>(name: string, href = "../fixtures/tasks/basic.mjs") =>
  importTask<Argument, Result>({ href, name });
const tasks = {
  who: of<void, string>("who"),
  blockUntil: of<string, number>("blockUntil", "../fixtures/tasks/queue.mjs"),
};
const file = gates();

/**
 * Waits until each of three workers has begun a call that holds it up. What a worker has not begun goes to another that has
 * nothing to do, if this one gets no processor for a while.
 */
const eachHas = (pool: { stats(): PoolStats }) =>
  until("each has a call", () => pool.stats().activeWorkers === 3);

/** Another worker may get some that the first idle one has not begun in time. */
const MOST_OF_TWENTY = 14;

interface Slot {
  name: string;
  load: number;
  isFree(task: number): boolean;
}

/** Workers by their loads. `-` is one that can't have a call now, and a load in a string that of one that is not free. */
function slots(...states: (number | string)[]): Slot[] {
  return states.map((state, index) => ({
    name: "abcdef"[index],
    load: state === "-" ? 0 : Number(state),
    isFree: () => typeof state === "number",
  }));
}

const chosen = (strategy: (typeof STRATEGIES)[number], some: Slot[], times = 1) => {
  const pick = balancer(strategy, some);
  return Array.from({ length: times }, () => pick(0)?.name ?? "-").join("");
};

describe("the strategies", () => {
  test("round robin takes one after the other, and passes over what is not free", () => {
    expect(chosen("roundRobin", slots(9, 0, 0), 7)).toBe("abcabca");
    expect(chosen("roundRobin", slots(0, "-", 0), 4)).toBe("acac");
    expect(chosen("roundRobin", slots("5", 3, "2"), 4)).toBe("bbbb");
  });

  test("round robin goes on while workers come and go", () => {
    const some = slots(0, 0, 0);
    const pick = balancer("roundRobin", some);
    expect([pick(0)?.name, pick(0)?.name]).toEqual(["a", "b"]);
    const [last] = some.splice(2, 1);
    expect([pick(0)?.name, pick(0)?.name]).toEqual(["a", "b"]);
    some.push(last);
    expect([pick(0)?.name, pick(0)?.name]).toEqual(["c", "a"]);
  });

  test("the first idle one, else the one with the fewest calls", () => {
    expect(chosen("firstIdle", slots(3, 0, 0))).toBe("b");
    expect(chosen("firstIdle", slots(3, 2, 2))).toBe("b");
    expect(chosen("firstIdle", slots("-", 5, 4))).toBe("c");
    expect(chosen("firstIdle", slots("1", 5, "2"))).toBe("b");
  });

  test("random ones are any that are free", () => {
    expect(new Set(chosen("randomLane", slots(0, 5, "-", 1), 500))).toEqual(new Set("abd"));
    expect(new Set(chosen("firstIdleOrRandom", slots(1, 5, "-", 1), 500))).toEqual(new Set("abd"));
    expect(new Set(chosen("firstIdleOrRandom", slots(1, 0, "-", 0), 50))).toEqual(new Set("b"));
  });

  test.each(STRATEGIES)("%s chooses none where none is free, or where there is none", (strategy) => {
    expect(chosen(strategy, slots("-", "3", "-"), 3)).toBe("---");
    expect(chosen(strategy, [], 2)).toBe("--");
  });
});

onChildren(({ worker }) => {
  test("no call waits for a worker that is still booting while another is ready", async () => {
    const gate = file();
    const late = ["sh", "-c", 'until [ -e "$0" ]; do sleep 0.02; done; exec "$@"', gate];
    const prefix = ({ index }: { index: number }) => (index === 0 ? ["env"] : late);
    await using pool = createPool({ threads: 3, worker: { ...worker, processCommandPrefix: prefix } })(tasks);
    await until("one worker is ready", () => pool.workers[0].state === "ready");
    for (let call = 0; call < 20; call++) {
      await pool.call.who();
    }
    expect(pool.workers.map(({ state }) => state)).toEqual(["ready", "booting", "booting"]);
    expect(pool.workers[0].served).toBe(20);
    open(gate);
    await until("all are ready", () => pool.workers.every(({ state }) => state === "ready"));
    const last = file();
    const calls = [1, 2, 3].map(() => pool.call.blockUntil(last));
    await eachHas(pool);
    open(last);
    await Promise.all(calls);
    expect(pool.workers.map(({ served }) => served)).toEqual([21, 1, 1]);
  });
});

onThreadAndProcessInGate(({ worker }) => {
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
    const gate = file();
    const slow = pool.call.blockUntil(gate);
    await until("it is busy", () => pool.stats().activeWorkers === 1);
    const busy = pool.stats().perWorker.findIndex(({ running }) => running > 0);
    for (let call = 0; call < 20; call++) {
      await pool.call.who();
    }
    const [first, second] = served(pool).filter((_, index) => index !== busy);
    expect([served(pool)[busy], first + second]).toEqual([0, 20]);
    expect(first).toBeGreaterThan(MOST_OF_TWENTY);
    // From the third call on no worker is idle.
    const waits = Array.from({ length: 5 }, () => pool.call.blockUntil(gate));
    await eachHas(pool);
    open(gate);
    await Promise.all([slow, ...waits]);
    expect(served(pool).reduce((sum, calls) => sum + calls)).toBe(26);
    expect(Math.min(...served(pool))).toBeGreaterThan(0);
    const [last, before] = [file(), served(pool)];
    const three = [1, 2, 3].map(() => pool.call.blockUntil(last));
    await eachHas(pool);
    open(last);
    await Promise.all(three);
    expect(served(pool)).toEqual(before.map((calls) => calls + 1));
  });

  test("firstIdleOrRandom takes the first idle one, then any", async () => {
    await using pool = await ready({ strategy: "firstIdleOrRandom" });
    for (let call = 0; call < 20; call++) {
      await pool.call.who();
    }
    expect(served(pool)[0]).toBeGreaterThan(MOST_OF_TWENTY);
    const gate = file();
    const calls = Array.from({ length: 203 }, () => pool.call.blockUntil(gate));
    await eachHas(pool);
    open(gate);
    await Promise.all(calls);
    expect(Math.min(...served(pool))).toBeGreaterThan(0);
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
