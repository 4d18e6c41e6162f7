/**
 * Worker threads that end at any moment of the life of a lane, by `terminate()`, by `process.exit()` or by an error that
 * nobody catches: threads that own a pool, and threads that serve in one. They do so in a host of their own
 * (`fixtures/hosts/terminated-threads.mjs`), which says what they have left behind.
 *
 * `KNITTING_TEST_SEED=<number>` makes the threads of an earlier run again, as far as the machine does.
 */
import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
// @ts-expect-error the scripts are plain JavaScript
import { ensureNodes } from "../../scripts/runtimes.mjs";
import { run } from "../support/installed";
import { killProcessesOf, processesOf } from "../support/marks";
import { until } from "../support/processes";
import { TERMINATED_THREADS } from "../support/repetitions";

const minutes = 60_000;
const script = join(__dirname, "..", "fixtures", "hosts", "terminated-threads.mjs");
const installed: Record<string, string> = ensureNodes();
const nodes = { 20: process.execPath, 24: installed[24], 26: installed[26] };

const seed = Number(process.env.KNITTING_TEST_SEED ?? Date.now() & 0x7fffffff);
console.log(`terminated threads: KNITTING_TEST_SEED=${seed}`);

/** What a worker process says that was started just before its owner ended. */
const ORPHAN = /^knitting-native worker: the shared memory .* cannot be opened here: No such file/;

interface Report {
  /** How many have ended, by what they were and how. */
  readonly ends: Readonly<Record<string, number>>;
  /** What there is more of than before. */
  readonly left: Readonly<Record<string, number>>;
}

async function endThreads(node: string, of: { threads: number; settle: number; leak: boolean }) {
  const mark = randomUUID();
  const prefix = `terminated-${mark.slice(0, 8)}`;
  try {
    const { status, stdout, stderr } = await run(
      node,
      [script, JSON.stringify({ ...of, seed, mark, prefix })],
      {
        cwd: join(__dirname, ".."),
        watchdog: 20 * minutes,
      },
    );
    const said = stderr.split("\n").filter((line) => line !== "" && !ORPHAN.test(line));
    expect({ status, said }, `KNITTING_TEST_SEED=${seed}`).toEqual({ status: 0, said: [] });
    await until("no process is left", () => processesOf(mark).length === 0);
    return JSON.parse(stdout) as Report;
  } finally {
    killProcessesOf(mark);
  }
}

describe.each(Object.entries(nodes))("on Node %s", (_, node) => {
  test(`${TERMINATED_THREADS} threads end with a live lane: nothing aborts, and nothing is left`, {
    timeout: 20 * minutes,
  }, async () => {
    const { ends, left } = await endThreads(node, {
      threads: TERMINATED_THREADS,
      settle: minutes,
      leak: false,
    });
    console.log(ends);
    expect(left, `KNITTING_TEST_SEED=${seed}`).toEqual({});
    // Each way of ending, for both roles.
    expect(Object.keys(ends)).toHaveLength(6);
  });
});

test("what a thread leaves behind is told", async () => {
  const { left } = await endThreads(process.execPath, { threads: 4, settle: 500, leak: true });
  expect(left).toMatchObject({ "descriptor of /dev/null": 1 });
  expect(Object.keys(left).some((what) => what.startsWith("thread "))).toBe(true);
});
