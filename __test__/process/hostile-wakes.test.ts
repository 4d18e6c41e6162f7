/**
 * A hostile worker can't hold up its host with what it wakes it by: the shared memory, and the sockets that it was given.
 * It rings without end, fills, drains, closes or shuts down, makes descriptors wait that were not to, or all at once.
 * Each host is a program of its own (`fixtures/hosts/hostile-host.mjs`), the attacks are in `fixtures/hostile.py`.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { missing } from "../support/containers";
import { run } from "../support/installed";
import { type Kind, kindNamed, onChildren } from "../support/kinds";
import { isAlive, until, WATCHDOG_MILLIS } from "../support/processes";

/** The longest that an event loop may be late for something of ours, whatever a worker does. */
const MOST_LATE_MILLIS = 5;
/** Each of them with a process beside the worker. */
const ATTACKS = [
  "rings by the memory",
  "says that its host sleeps",
  "rings by descriptors",
  "fills",
  "drains",
  "clears flags, rings and drains",
  "shuts down",
  "does everything",
];
const STATES = ["rest", "waiting", "calling"] as const;

const script = join(__dirname, "..", "fixtures", "hosts", "hostile-host.mjs");
const skip = missing("python3") !== undefined;

/** Milliseconds by which timers are late at most, as medians over some windows. */
interface Lateness {
  readonly late: number;
  /** Without the time in which other threads had the core. */
  readonly own: number;
}

interface Phase extends Readonly<Record<(typeof STATES)[number], Lateness>> {
  /** How many calls of each honest pool were answered. */
  readonly calls: readonly number[];
}

interface Report {
  readonly before: Phase | undefined;
  readonly during: Phase;
  /** Whether the attack went on to the end of that, or until the host ended the worker. */
  readonly goesOn: boolean;
  /** How calls to the hostile worker ended, and how often the host ended it. */
  readonly outcomes: readonly string[];
}

async function attacked({ worker }: Kind, attack: string, more: object = {}): Promise<Report> {
  const folder = mkdtempSync(join(tmpdir(), "knitting-hostile-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const { status, stdout, stderr } = await run(
    process.execPath,
    [script, JSON.stringify({ ...more, worker: { ...worker, stdio: "ignore" }, attack, folder })],
    { cwd: folder, watchdog: WATCHDOG_MILLIS },
  );
  expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
  expect(readdirSync(folder)).not.toContain("failed");
  const attacker = Number(readFileSync(join(folder, "begun"), "ascii"));
  await until("the attacker has ended with its pool", () => !isAlive(attacker));
  const report = JSON.parse(stdout) as Report;
  console.log(`${attack}: ${texts(report.before)}; attacked: ${texts(report.during)}; ${report.outcomes}`);
  return report;
}

const texts = (phase: Phase | undefined) =>
  phase === undefined
    ? "-"
    : STATES.map(
        (state) => `${state} ${phase[state].own.toFixed(1)} ms (${phase[state].late.toFixed(1)} ms)`,
      ).join(", ");

function isUnharmed({ before, during, goesOn }: Report): void {
  expect(goesOn, "the attack goes on").toBe(true);
  for (const state of STATES) {
    // Beside other programs, an unharmed host may be later than that as well.
    const most = Math.max(MOST_LATE_MILLIS, before?.[state].own ?? 0);
    expect(during[state].own, state).toBeLessThan(most);
  }
  expect(Math.min(...during.calls), "calls of other pools").toBeGreaterThan(0);
}

onChildren((kind) => {
  test.skipIf(skip).each([...ATTACKS, "closes"])(
    "the host's event loop is no later than without an attack, and the host ends: a worker that %s",
    async (attack) => {
      isUnharmed(await attacked(kind, attack));
    },
  );
});

describe.skipIf(skip)("a worker that has not attached yet", () => {
  test.each(ATTACKS)("can't hold up its host either: it %s", async (attack) => {
    isUnharmed(await attacked(kindNamed("process on node"), attack, { early: true }));
  });
});

test.skipIf(skip)("an event loop that is held up is found", async () => {
  const report = await attacked(kindNamed("process on node"), "drains", { blocks: 2 * MOST_LATE_MILLIS });
  expect(() => isUnharmed(report)).toThrow();
});
