/** More calls at once than a lane has space for. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { importTask, type WorkerInfo } from "knitting-native";
import { afterEach, beforeEach, expect, test } from "vitest";
import { onEveryRuntime } from "../support/kinds";
import { childrenOf, cpuMillisOf, until } from "../support/processes";
import { CALLS_AT_ONCE } from "../support/repetitions";
import { createPool } from "../support/unrestricted";
import { pattern } from "../support/values";

const href = "../fixtures/tasks/queued.mjs";
const tasks = {
  turn: importTask<number | Uint8Array, [started: number, value: number | Uint8Array]>({
    href,
    name: "turn",
  }),
  turnOf: importTask<number | Uint8Array, [lane: string, started: number, value: number | Uint8Array]>({
    href,
    name: "turnOf",
  }),
  bytesThen: importTask<number, Uint8Array>({ href, name: "bytesThen" }),
  startedSoFar: importTask<void, number>({ href, name: "startedSoFar" }),
  holding: importTask<void, void>({ href, name: "holding" }),
};

const KIB = 1024;
const MIB = 1024 * KIB;
const LARGE_BYTES = 100 * KIB;
/** Arenas with space for one large payload at a time. */
const ONE_LARGE = { payloadMaxByteLength: 128 * KIB };
/** A side that waits is woken now and then. A side that spins uses a whole core, if it gets one. */
const MOST_OF_A_CORE = 0.25;

const pause = (millis: number) => new Promise((resolve) => setTimeout(resolve, millis));
/** Blocks this thread without using processor time. */
const block = (millis: number) => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, millis);

/** Resident bytes of the segments in one process's mappings. */
function mappedIn(pid: number): number {
  let smaps: string;
  try {
    smaps = readFileSync(`/proc/${pid}/smaps`, "utf8");
  } catch {
    // The process has ended by now.
    return 0;
  }
  return smaps
    .split(/^(?=[\da-f]+-[\da-f]+ )/m)
    .filter((mapping) => /^.*memfd:knitting /.test(mapping))
    .reduce((sum, mapping) => sum + KIB * Number(/^Rss:\s+(\d+) kB/m.exec(mapping)?.[1]), 0);
}

/** At least as much as the segments take: each page is counted for every process that has touched it. */
function segmentBytes(): number {
  return [process.pid, ...childrenOf(process.pid)].reduce((sum, pid) => sum + mappedIn(pid), 0);
}

/** The share of a core that a process uses while `what` runs. */
async function shareOfCore(pid: number, what: () => unknown): Promise<number> {
  const [cpu, wall] = [cpuMillisOf(pid), performance.now()];
  await what();
  return (cpuMillisOf(pid) - cpu) / (performance.now() - wall);
}

function isEqual(value: number | Uint8Array, expected: number | Uint8Array): boolean {
  return typeof expected === "number"
    ? value === expected
    : Buffer.compare(value as Uint8Array, expected) === 0;
}

const processOf = ({ pid }: WorkerInfo) => pid ?? process.pid;

let folder: string;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "knitting-pressure-"));
  await until("nothing of an earlier test is left", () => segmentBytes() === 0);
});

afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

onEveryRuntime(({ worker: kind }) => {
  const worker = () => ({
    ...kind,
    env: { ...(process.env as Record<string, string>), KNITTING_TEST_BARRIER: folder },
  });

  test(
    "far more calls at once than a lane has room for " +
      "are served in their order, in memory for a thousand",
    async () => {
      await using pool = createPool({ worker: worker() })(tasks);
      await pool.call.turn(-1);
      let most = segmentBytes();
      expect(most).toBeGreaterThan(0);
      const calls = Array.from({ length: CALLS_AT_ONCE }, (_, index) => {
        const call = pool.call.turn(index);
        if (index % (CALLS_AT_ONCE / 10) === 0) {
          call.then(() => {
            most = Math.max(most, segmentBytes());
          });
        }
        return call;
      });
      const results = await Promise.all(calls);
      most = Math.max(most, segmentBytes());
      expect(results.findIndex(([started, value], index) => started !== index + 1 || value !== index)).toBe(
        -1,
      );
      expect(results).toHaveLength(CALLS_AT_ONCE);
      // The rings of both sides, and no arena page that the calls don't need.
      expect(most).toBeLessThan(MIB);
    },
  );

  test.each([
    ["room for one large payload at a time", ONE_LARGE, 2 * MIB],
    // A third of the large payloads and their echoes, as they are counted.
    ["the default room", {}, 24 * MIB],
  ])("20,000 calls at once, some of 100 KiB, are each served once, with %s", async (_, payload, most) => {
    await using pool = createPool({ threads: 2, worker: worker(), payload })(tasks);
    await Promise.all([pool.call.turn(-1), pool.call.turn(-1)]);
    let found = 0;
    // An odd number, so that each worker gets some of them.
    const sent = (index: number) => (index % 101 === 0 ? pattern(LARGE_BYTES, index) : index);
    const calls = Array.from({ length: 20_000 }, (_, index) => {
      const call = pool.call.turnOf(sent(index));
      if (index % 2_000 === 0) {
        call.then(() => {
          found = Math.max(found, segmentBytes());
        });
      }
      return call;
    });
    const results = await Promise.all(calls);
    found = Math.max(found, segmentBytes());
    const lanes = new Map<string, number[]>();
    for (const [lane, started] of results) {
      lanes.get(lane)?.push(started) ?? lanes.set(lane, [started]);
    }
    // Calls may move from one worker to the other, so each runs them in an order of its own.
    for (const turns of lanes.values()) {
      turns.sort((a, b) => a - b);
      expect(turns.findIndex((turn, index) => turn !== turns[0] + index)).toBe(-1);
    }
    expect(results.findIndex(([, , value], index) => !isEqual(value, sent(index)))).toBe(-1);
    expect(lanes.size).toBe(2);
    expect(found).toBeGreaterThan(0);
    expect(found).toBeLessThan(most);
  });

  test.each<[string, (index: number) => number | Uint8Array]>([
    ["the ring", (index) => index],
    ["the arena", (index) => (index % 10 === 0 ? pattern(LARGE_BYTES / 2, index) : index)],
  ])(
    "while a worker is held calls fill %s and wait, the host doesn't spin and its timers fire; then " +
      "all are served in order",
    async (_, sent) => {
      await using pool = createPool({ worker: worker(), payload: ONE_LARGE })(tasks);
      await pool.call.turn(-1);
      const held = pool.call.holding();
      await until("the worker is held", () => readdirSync(folder).length > 0);
      let settled = 0;
      const count = () => {
        settled++;
      };
      const calls = Array.from({ length: 3_000 }, (_, index) => {
        const call = pool.call.turn(sent(index));
        call.then(count, count);
        return call;
      });
      await pause(100);
      let ticks = 0;
      const ticking = setInterval(() => ticks++, 5);
      const share = await shareOfCore(process.pid, async () => {
        await pause(500);
        await until("timers fire", () => ticks > 20);
      });
      clearInterval(ticking);
      const early = settled;
      writeFileSync(join(folder, "go"), "");
      await held;
      const results = await Promise.all(calls);
      expect(early).toBe(0);
      expect(share).toBeLessThan(MOST_OF_A_CORE);
      const wrong = results.findIndex(
        ([started, value], index) => started !== index + 1 || !isEqual(value, sent(index)),
      );
      expect(wrong).toBe(-1);
    },
  );

  test.each([
    ["the ring", 1_500, 8],
    ["the arena", 300, LARGE_BYTES],
  ])(
    "while the host is held results fill %s and wait, and their worker doesn't spin",
    async (_, count, length) => {
      await using pool = createPool({ worker: worker(), payload: ONE_LARGE })(tasks);
      const calls = Array.from({ length: count }, () => pool.call.bytesThen(length));
      while ((await pool.call.startedSoFar()) < count) {}
      writeFileSync(join(folder, "go"), "");
      block(200);
      const share = await shareOfCore(processOf(pool.workers[0]), () => block(500));
      const results = await Promise.all(calls);
      expect(share).toBeLessThan(MOST_OF_A_CORE);
      const wrong = results.findIndex((bytes, index) => !isEqual(bytes, new Uint8Array(length).fill(index)));
      expect(wrong).toBe(-1);
    },
  );
});
