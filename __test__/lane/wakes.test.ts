/**
 * No ring is lost, whenever either side goes to sleep. The hosts are programs of their own
 * (`fixtures/hosts/waking-host.mjs`), which run all at once: what they do most is to wait.
 *
 * `KNITTING_TEST_SEED=<number>` makes the calls of an earlier run again.
 */
import { join } from "node:path";
import type { WorkerOptions } from "knitting-native";
import { beforeAll, describe, expect, test } from "vitest";
// @ts-expect-error the scripts are plain JavaScript
import { ensureNodes } from "../../scripts/runtimes.mjs";
import { type Outcome, run } from "../support/installed";
import { kindNamed, kindsInGate } from "../support/kinds";
import { WATCHDOG_MILLIS } from "../support/processes";
import { CALLS_AMID_SLEEP, scope } from "../support/repetitions";

const minutes = 60_000;
const script = join(__dirname, "..", "fixtures", "hosts", "waking-host.mjs");
const nodes = { 20: process.execPath, ...(ensureNodes() as Record<string, string>) };

const seed = Number(process.env.KNITTING_TEST_SEED ?? Date.now() & 0x7fffffff);
console.log(`wakes: KNITTING_TEST_SEED=${seed}`);

interface Case {
  readonly name: string;
  /** The Node that runs the host. */
  readonly node: string;
  readonly worker: WorkerOptions;
  readonly skip?: string | undefined;
}

const thread = kindNamed("thread");
const onNode = kindNamed("process on node");
/** What becomes of the host's sockets behind these wrappers. */
const others = {
  "closes them": 'exec "$@" 3>&- 4>&-',
  "has other files in their place": 'exec "$@" 3</dev/null 4</dev/null',
};

const cases: readonly Case[] = [
  ...Object.entries(nodes).flatMap(([version, node]) => [
    { name: `thread, Node ${version}`, node, worker: thread.worker },
    {
      name: `process on node, Node ${version}`,
      node,
      worker: { ...onNode.worker, processRuntimePath: node },
    },
  ]),
  ...kindsInGate
    .filter((kind) => kind !== thread && kind !== onNode)
    .map(({ name, worker, skip }) => ({ name, worker, skip, node: process.execPath })),
  ...Object.entries(others).map(([what, script]) => ({
    name: `process on node behind a wrapper that ${what}`,
    node: process.execPath,
    worker: { ...onNode.worker, processCommandPrefix: ["sh", "-c", script, "sh"] },
  })),
];

interface Unheard {
  readonly lane: number;
  readonly call: number;
  readonly task: "silently" | "never";
}

function host({ node, worker }: Case, of: { calls: number; limit: number; seed: number; unheard?: Unheard }) {
  return run(node, [script, JSON.stringify({ ...of, worker })], {
    cwd: join(__dirname, ".."),
    // The host's own watchdog knows which call it is.
    watchdog: scope === "soak" ? 120 * minutes : 10 * minutes,
  });
}

const runs = new Map<string, Promise<Outcome>>();

beforeAll(() => {
  const played = cases.filter(({ skip }) => skip === undefined);
  // Each of the two lanes of a host gets as many.
  const calls = 2 * Math.ceil(CALLS_AMID_SLEEP / played.length / 2);
  for (const [index, each] of played.entries()) {
    const outcome = host(each, { calls, limit: WATCHDOG_MILLIS, seed: seed + 2 * index });
    outcome.catch(() => {});
    runs.set(each.name, outcome);
  }
});

describe(`${CALLS_AMID_SLEEP} calls while hosts and workers sleep at random moments`, () => {
  test.for(cases)("$name: each is answered", { timeout: 120 * minutes }, async (each, context) => {
    context.skip(each.skip !== undefined, each.skip);
    const { status, stdout, stderr } = (await runs.get(each.name)) as Outcome;
    console.log(`${each.name}: ${stdout.trim().replace("\n", ", ")}`);
    expect({ status, stderr }, `KNITTING_TEST_SEED=${seed}`).toEqual({ status: 0, stderr: "" });
  });
});

describe("a call without an answer is named by the watchdog", () => {
  const [process20] = cases.filter(({ name }) => name === "process on node, Node 20");

  test.each<[string, Unheard]>([
    ["in the main thread, to a task that does not ring", { lane: 0, call: 30, task: "silently" }],
    ["in a worker thread, to a task that does not ring", { lane: 1, call: 40, task: "silently" }],
    ["in the main thread, to a task that never ends", { lane: 0, call: 50, task: "never" }],
  ])("%s", async (_, unheard) => {
    const { status, stderr } = await host(process20, { calls: 200, limit: 3_000, seed, unheard });
    expect(status).toBe(null);
    const thread = ["main thread", "worker thread"][unheard.lane];
    expect(stderr).toMatch(
      new RegExp(`^no answer in 3000 ms, lane of the ${thread}, seed ${seed}, \\d+ answers: `),
    );
    expect(stderr).toContain(`: call ${unheard.call} of "${unheard.task}" (`);
    expect(stderr.trim().split("\n")).toHaveLength(1);
  });
});
