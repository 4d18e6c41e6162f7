/** Many calls while their workers are recycled and killed: each settles once, and none is run twice. */
import { readFileSync } from "node:fs";
import { importTask, WorkerKilledError } from "knitting-native";
import { expect, test } from "vitest";
import { gates } from "../support/gates";
import { onThreadAndProcessInGate } from "../support/kinds";
import { childrenOf, until, within } from "../support/processes";
import { CALLS_AMID_KILLS } from "../support/repetitions";
import { createPool } from "../support/unrestricted";

const of = <Argument, Result>(name: string) =>
  importTask<Argument, Result>({ href: "../fixtures/tasks/supervised.mjs", name });
const tasks = {
  mark: of<[string, number], number>("mark"),
  block: of<void, string>("block"),
};
const file = gates();
const AT_ONCE = 500;
/** Of so many calls one hangs until its worker is killed. */
const HANGS = 700;

onThreadAndProcessInGate(({ worker, isProcess }) => {
  test("each call settles exactly once, and is begun once at most", { timeout: 600_000 }, async () => {
    const children = new Set(childrenOf(process.pid));
    const count = CALLS_AMID_KILLS[isProcess ? "process" : "thread"];
    const pool = createPool({ threads: 2, worker, workerPoolConfig: { maxExecutionsPerWorker: 100 } })(tasks);
    const marks = file();
    const settled = new Uint8Array(count);
    const killed: unknown[] = [];
    const wrong: unknown[] = [];
    let hung = 0;
    let kills = 0;
    const killing = setInterval(() => {
      const ready = pool.workers.filter(({ state }) => state === "ready");
      if (ready.length > 0) {
        kills++;
        void pool.kill(ready[Math.floor(Math.random() * ready.length)]);
      }
    }, 100);
    const hang = async () => {
      const timeout = { time: 20, kill: true, default: "given up" } as const;
      try {
        hung += (await pool.call.block(undefined, { timeout })) === "given up" ? 1 : 0;
      } catch (error) {
        killed.push(error);
      }
    };
    const make = async (id: number) => {
      try {
        if ((await pool.call.mark([marks, id])) !== id) {
          wrong.push(id);
        }
      } catch (error) {
        killed.push(error);
      }
      settled[id]++;
    };
    for (let first = 0; first < count; first += AT_ONCE) {
      const calls = Array.from({ length: Math.min(AT_ONCE, count - first) }, (_, at) => make(first + at));
      if (Math.floor(first / HANGS) !== Math.floor((first + AT_ONCE) / HANGS)) {
        calls.push(hang());
      }
      await within(Promise.all(calls), 120_000);
    }
    clearInterval(killing);
    expect(wrong).toEqual([]);
    expect(settled.every((times) => times === 1)).toBe(true);
    const notKilled = killed.filter(
      (error) => !(error instanceof WorkerKilledError && /^(killed|timeout)$/.test(error.reason)),
    );
    expect(notKilled).toEqual([]);
    expect(hung).toBeGreaterThan(0);
    expect(kills).toBeGreaterThan(0);
    const begins = new Map<string, number>();
    for (const id of readFileSync(marks, "utf8").trim().split("\n")) {
      begins.set(id, (begins.get(id) ?? 0) + 1);
    }
    expect([...begins].filter(([, times]) => times !== 1)).toEqual([]);
    // Those that were killed may have left their mark before.
    expect(begins.size).toBeGreaterThanOrEqual(count - killed.length);
    // The last one that was killed may take a moment to end.
    await until("nothing runs", () => pool.stats().activeWorkers === 0);
    expect(pool.stats()).toMatchObject({ queueDepth: 0, queueBytes: 0 });
    expect(await within(pool.call.mark([marks, -1]))).toBe(-1);
    await within(pool.shutdown());
    await until("no process is left", () => childrenOf(process.pid).every((pid) => children.has(pid)));
  });
});
