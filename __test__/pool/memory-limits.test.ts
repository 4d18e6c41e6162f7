/**
 * The memory of workers is limited. Each limit is exceeded for real, by a host of its own, because what Node tells of
 * its threads depends on the host's version.
 */
import { join } from "node:path";
import type { WorkerOptions } from "knitting-native";
import { describe, expect, test } from "vitest";
import { endReason } from "../../build/spawn/exit-error.js";
// @ts-expect-error the scripts are plain JavaScript
import { ensureRuntimes } from "../../scripts/runtimes.mjs";
import { run } from "../support/installed";
import { kindNamed, kinds, testIf } from "../support/kinds";
import { scope } from "../support/repetitions";

const runtimes: Record<string, string> = ensureRuntimes();
const script = join(__dirname, "..", "fixtures", "hosts", "memory-host.mjs");
const MEBIBYTE = 1024 * 1024;
const LIMIT = 64 * MEBIBYTE;

interface Outcome {
  readonly value?: unknown;
  readonly name?: string;
  readonly reason?: string;
  readonly message?: string;
  readonly cause?: string;
}

interface Report {
  readonly calls: readonly Outcome[];
  readonly hog: Outcome;
  readonly others: readonly Outcome[];
  readonly call: Outcome;
  readonly after: Outcome;
  readonly hasEnded: boolean;
  readonly idle: { readonly memoryBytes: number | null; readonly cpuMs: number | null };
  readonly busy: Report["idle"];
  readonly last: number;
  readonly ends: readonly { readonly reason: string; readonly signal: string | null }[];
  readonly warnings: readonly string[];
}

/** A sort of worker: what runs the host, and the option `worker`. */
interface Sort {
  readonly name: string;
  readonly host: string;
  readonly worker: WorkerOptions;
  readonly isThread: boolean;
  readonly isBun: boolean;
  /** Whether this process sees the memory of a worker that is busy. */
  readonly isSeenBusy: boolean;
}

const threads = (name: string, host: string, isSeenBusy: boolean): Sort => ({
  ...{ name, host, worker: {}, isThread: true, isBun: false, isSeenBusy },
});
const processes = (name: string, worker: WorkerOptions): Sort => ({
  ...{ name, host: process.execPath, worker, isThread: false, isSeenBusy: true },
  isBun: worker.processRuntime === "bun",
});
const onNode24: WorkerOptions = {
  runtime: "process",
  processRuntime: "node",
  processRuntimePath: runtimes[24],
};

const isFast = scope === "fast";
const sorts: readonly Sort[] = [
  threads("threads of the oldest Node", process.execPath, false),
  ...(isFast ? [] : [threads("threads of Node 24", runtimes[24], true)]),
  ...kinds
    .filter(
      ({ isProcess, isWrapped, skip }) => isProcess && skip === undefined && (!isWrapped || scope === "soak"),
    )
    .map(({ name, worker }) => processes(name, worker)),
  ...(isFast ? [] : [processes("process on node 24", onNode24)]),
];
const ofProcesses = sorts.filter(({ isThread }) => !isThread);
const ofV8 = ofProcesses.filter(({ isBun }) => !isBun);

async function report(
  { host, worker }: Pick<Sort, "host" | "worker">,
  scenario: string,
  options: Readonly<Record<string, unknown>> = {},
  parameters: object = {},
  flags: readonly string[] = [],
): Promise<Report> {
  const pool = { workerPoolConfig: { memoryLimitPerWorker: LIMIT }, worker, ...options };
  const argv = [...flags, script, scenario, JSON.stringify(pool), JSON.stringify(parameters)];
  const { status, stdout, stderr } = await run(host, argv, { cwd: __dirname });
  expect({ status, stderr: status === 0 ? "" : stderr }).toEqual({ status: 0, stderr: "" });
  return JSON.parse(stdout);
}

/** The call was rejected because of its worker's memory, and not for another reason. */
function expectKilled(outcome: Outcome): void {
  expect(outcome, outcome.message).toMatchObject({ name: "WorkerKilledError", reason: "memory" });
}

/** The call was not hit by what another call did, or was killed with it. */
function expectSumOrKilled(outcome: Outcome): void {
  if (outcome.value !== 3) {
    expectKilled(outcome);
  }
}

/** Workers have ended because of their memory and of nothing else, and the next call has succeeded. */
function expectReplaced({ ends, after }: Report): void {
  expect(ends.length).toBeGreaterThan(0);
  expect(new Set(ends.map(({ reason }) => reason))).toEqual(new Set(["memory"]));
  expect(after).toEqual({ value: 3 });
}

describe.concurrent.each(sorts)("$name", (sort) => {
  const { isThread, isBun, isSeenBusy } = sort;

  test("a worker that leaks is replaced, and each call has its own result until then", async () => {
    const calls = 12;
    const leaked = await report(sort, "leak", {}, { calls });
    let count = 0;
    let restarts = 0;
    for (const call of leaked.calls) {
      if (call.value === undefined) {
        expectKilled(call);
        count = 0;
        continue;
      }
      if (call.value === 1 && count > 0) {
        restarts++;
        count = 0;
      }
      // No call is lost, and none is run twice.
      expect(call.value).toBe(++count);
    }
    expect(leaked.calls).toHaveLength(calls);
    const killed = leaked.calls.filter(({ value }) => value === undefined).length;
    expect(killed + restarts).toBeGreaterThan(0);
    // The limit lets a worker leak four times.
    expect(leaked.calls.slice(0, 4)).toEqual([1, 2, 3, 4].map((value) => ({ value })));
    expectReplaced(leaked);
  });

  const hogs = [
    { shape: "buffers", awaits: true },
    { shape: "buffers", awaits: false },
    ...(isThread ? [] : [{ shape: "arrays", awaits: false }]),
    ...(isThread ? [] : [{ shape: "array", awaits: false }]),
  ].filter(({ awaits }) => isSeenBusy || awaits);
  test.each(hogs)("300 MiB of $shape are too many (awaits: $awaits)", async (hog) => {
    const killed = await report(sort, "hold", {}, { ...hog, mebibytes: 300, millis: 2_000 });
    // Where the system refuses the memory before anybody looks, the task gets an error that it can catch.
    if (killed.hog.name === "RangeError") {
      expect({ isThread, shape: hog.shape }).toEqual({ isThread: false, shape: "buffers" });
      expect(killed.after).toEqual({ value: 3 });
      return;
    }
    expectKilled(killed.hog);
    killed.others.forEach(expectSumOrKilled);
    if (!hog.awaits) {
      // They had not begun, and have moved.
      expect(killed.others).toEqual(killed.others.map(() => ({ value: 3 })));
    }
    expectReplaced(killed);
  });

  test("a result of 2 GiB rejects alone, or with its worker", async () => {
    // A thread's would be of this process, and the kernel may have other plans with that.
    const argument = { bytes: 2 ** 31, untouched: isThread };
    const { call, after, ends } = await report(sort, "call", {}, { task: "large", argument });
    if (call.name === "WorkerKilledError") {
      expectKilled(call);
    } else {
      expect(call.name).toBe(isThread || isBun ? "PayloadTooLargeError" : "RangeError");
    }
    expect(after).toEqual({ value: 3 });
    expect(ends.filter(({ reason }) => reason !== "memory")).toEqual([]);
  });

  test("a limit that no worker can keep to is a boot error that says so", async () => {
    const config = { workerPoolConfig: { memoryLimitPerWorker: MEBIBYTE } };
    const { calls } = await report(sort, "boot", config);
    for (const call of calls) {
      expect(call).toMatchObject({ name: "WorkerBootError", cause: "InvalidOptionError" });
      expect(call.message).toMatch(
        /^workerPoolConfig\.memoryLimitPerWorker is 1048576, and a worker uses \d+ bytes before its first call/,
      );
    }
  });

  // A container gets no descriptor of memory without a name.
  testIf(!sort.name.endsWith("container"))("shared memory is nobody's own", async () => {
    const shared = await report(sort, "shared", {}, { bytes: 300 * MEBIBYTE });
    expect(shared).toMatchObject({ call: { value: 300 * MEBIBYTE }, last: 1, ends: [], after: { value: 3 } });
  });

  test("pool.stats() tells what a worker uses, with and without a limit", async () => {
    for (const config of [{ memoryLimitPerWorker: LIMIT }, {}]) {
      const { idle, busy } = await report(sort, "stats", { workerPoolConfig: config });
      if (isSeenBusy || config.memoryLimitPerWorker !== undefined) {
        expect(idle.memoryBytes).toBeGreaterThan(MEBIBYTE);
        expect(idle.memoryBytes).toBeLessThan(LIMIT / 2);
      } else {
        expect(idle.memoryBytes).toBeNull();
      }
      // It was busy for at least 200 ms, if nobody else was.
      expect(busy.cpuMs).toBeGreaterThan(idle.cpuMs as number);
    }
  });

  test("an idle pool whose memory is watched lets its process end", async () => {
    const idle = await report(sort, "idle", {
      workerPoolConfig: { memoryLimitPerWorker: LIMIT, memoryCheckInterval: 5 },
    });
    expect(idle).toMatchObject({ call: { value: 3 }, ends: [] });
  });
});

describe.concurrent.each(ofProcesses)("$name", (sort) => {
  test("goes on with large arguments although they leave garbage", async () => {
    const { calls } = await report(sort, "echo", {}, { calls: 40, bytes: 10 * MEBIBYTE });
    const rejected = calls.filter(({ value }) => value !== 10 * MEBIBYTE);
    // Garbage counts until it is collected, so a worker may be replaced because of it.
    rejected.forEach(expectKilled);
    expect(rejected.length).toBeLessThan(calls.length / 2);
  });

  test("is killed while its host does nothing else", async () => {
    const hog = { shape: "buffers", mebibytes: 300, millis: 60_000, awaits: false };
    const blocked = await report(sort, "blocked", {}, hog);
    if (blocked.hog.name !== "RangeError") {
      expect(blocked.hasEnded).toBe(true);
      expectKilled(blocked.hog);
      expectReplaced(blocked);
    }
  });
});

describe.concurrent.each(ofV8)("$name", (sort) => {
  test.each(["arrays", "array"])("says that its runtime ran out of memory (%s)", async (shape) => {
    const options = {
      workerPoolConfig: {},
      worker: { ...sort.worker, resourceLimits: { maxOldGenerationSizeMb: 32 } },
    };
    const hog = { shape, mebibytes: 300, millis: 0, awaits: false };
    const ended = await report(sort, "hold", options, hog);
    expectKilled(ended.hog);
    expect(ended.hog.message).toMatch(
      /(was killed by SIG(ABRT|TRAP)|exited with status \d+) \(pid \d+\), because its runtime ran out of memory \(worker\.resourceLimits\.maxOldGenerationSizeMb is 32\)\n {2}stderr: /,
    );
    expect(ended.hog.message).toContain("out of memory");
    expectReplaced(ended);
  });
});

test("the programs of a worker count as the worker, and end with it", async () => {
  const { worker } = kindNamed("process on node");
  const starts = { task: "starts", argument: { programs: 2, mebibytes: 60 } };
  const started = await report({ host: process.execPath, worker }, "call", { permission: "unsafe" }, starts);
  expectKilled(started.call);
  expectReplaced(started);
});

test.each([
  ["a thread", "ERR_WORKER_OUT_OF_MEMORY", { exitCode: 1, signal: null, stderrTail: "" }],
  [
    "behind a wrapper",
    undefined,
    { exitCode: 134, signal: null, stderrTail: "FATAL ERROR: x - out of memory\n" },
  ],
  [
    "Bun",
    undefined,
    { exitCode: null, signal: "SIGABRT", stderrTail: "panic(main thread): out of memory\n" },
  ],
])("an end without memory is told as that (%s)", (_, code, end) => {
  const cause = code && Object.assign(new Error("no memory"), { code });
  const facts = { attached: true, tooSlow: false } as Parameters<typeof endReason>[0];
  expect(endReason(facts, { ...end, cause, retryable: true })).toBe("memory");
  // What is printed alone is not an end.
  expect(endReason(facts, { ...end, exitCode: 0, signal: null, cause: undefined, retryable: true })).toBe(
    "natural",
  );
});

describe("a thread", () => {
  const hosts = sorts.filter(({ isThread }) => isThread);

  test.each(hosts)("has no resourceLimits because of the limit ($name)", async (sort) => {
    const limits = { task: "limits" };
    const limited = await report(sort, "call", {}, limits);
    const unlimited = await report(sort, "call", { workerPoolConfig: {} }, limits);
    expect(limited.call.value).toEqual(unlimited.call.value);
    expect(limited.call.value).toMatchObject({ maxOldGenerationSizeMb: expect.any(Number) });
  });

  test.each(hosts)(
    "whose heap may grow beyond its resourceLimits is warned of, once ($name)",
    async (sort) => {
      const options = {
        threads: 2,
        workerPoolConfig: {},
        worker: { resourceLimits: { maxOldGenerationSizeMb: 32 } },
      };
      const kept = await report(sort, "idle", options);
      expect(kept.warnings).toEqual([]);
      const overridden = await report(sort, "idle", options, {}, ["--max-old-space-size=512"]);
      expect(overridden.warnings).toEqual(["KNITTING_HEAP_LIMIT"]);
    },
  );
});
