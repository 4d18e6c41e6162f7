/**
 * Open descriptors of a host, and names in /dev/shm, after many of its workers were killed. All are counted for this
 * process only.
 */
import { randomUUID } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { importTask, type WorkerOptions } from "knitting-native";
import { expect, test } from "vitest";
// @ts-expect-error the scripts are plain JavaScript
import { ensureRuntimes } from "../../scripts/runtimes.mjs";
import { childrenOf, descriptors, isAlive, threadsOf, until, within } from "../support/processes";
import { KILLED_WORKERS } from "../support/repetitions";
import { createPool } from "../support/unrestricted";

const tasks = { pid: importTask<void, number>({ href: "../fixtures/tasks/basic.mjs", name: "pid" }) };

/** Bun starts fastest. */
const onBun = {
  runtime: "process",
  processRuntime: "bun",
  processRuntimePath: ensureRuntimes().bun,
} as const;

const prefix = `killed${randomUUID().slice(0, 8)}`;
const named = { ...onBun, processSharedMemory: { mode: "named", namePrefix: prefix } } as const;
const names = () => readdirSync("/dev/shm").filter((name) => name.startsWith(`${prefix}-`));

const mappings = () => {
  const maps = readFileSync("/proc/self/maps", "utf8");
  return maps.split("\n").filter((line) => /memfd:knitting|\/dev\/shm\//.test(line)).length;
};
const threads = () => threadsOf(process.pid).filter((name) => name.startsWith("knitting")).length;

const memories: [memory: string, rounds: number, WorkerOptions][] = [
  ["inherited", KILLED_WORKERS, onBun],
  ["named", KILLED_WORKERS / 5, named],
];

test.each(memories)(
  "with %s memory all is back after %d workers",
  async (_, rounds, worker) => {
    await until("nothing of an earlier test is left", () => mappings() === 0 && threads() === 0);
    const pool = createPool({ worker })(tasks);
    let pid = await pool.call.pid();
    const before = { descriptors: descriptors(), mappings: mappings(), threads: threads() };
    expect(before.mappings).toBeGreaterThan(0);
    expect(before.threads).toBeGreaterThan(0);
    for (let killed = 0; killed < rounds; killed++) {
      const old = pid;
      process.kill(old, "SIGKILL");
      pid = await within(pool.call.pid().catch(() => pool.call.pid()));
      expect(pid).not.toBe(old);
    }
    await until("all is back", () => descriptors() <= before.descriptors && threads() <= before.threads);
    expect({ descriptors: descriptors(), mappings: mappings(), threads: threads() }).toEqual(before);
    await pool.shutdown();
    await until("nothing is left", () => mappings() === 0 && threads() === 0);
    expect(childrenOf(process.pid).filter(isAlive)).toEqual([]);
    await until("no name is left", () => names().length === 0);
  },
  600_000,
);
