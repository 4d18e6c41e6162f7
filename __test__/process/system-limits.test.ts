/** Pools where the system refuses something: the error says which limit was reached. */
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { onEveryRuntime, testIf } from "../support/kinds";
import { inNamespace, noNamespace } from "../support/namespace";
import { WATCHDOG_MILLIS } from "../support/processes";

const script = join(__dirname, "..", "fixtures", "hosts", "limited-host.mjs");
const isRoot = process.getuid?.() === 0;
/** A user who runs nothing else, for a limit that counts what a user runs and does not hold for root. */
const NOBODY_ELSE = 1_999_777_001;
/** A Node that can't start its threads may wait for them instead of ending. */
const NODE_MILLIS = 5_000;

function reportOf(command: readonly string[]) {
  const [program, ...parameters] = command;
  const { stdout, stderr, signal } = spawnSync(program, parameters, {
    encoding: "utf8",
    timeout: WATCHDOG_MILLIS,
  });
  expect({ stderr, signal }).toEqual({ stderr: "", signal: null });
  return JSON.parse(stdout);
}

const named = (name: string, reason: string | undefined) =>
  reason === undefined ? name : `${name} (skipped: ${reason})`;

onEveryRuntime(({ worker, isProcess }) => {
  const host = (options: object, ...limit: string[]) => [
    process.execPath,
    script,
    JSON.stringify(options),
    ...limit,
  ];

  test("too few descriptors are an error with the name of their limit, whoever meets it first", () => {
    const seen = new Set<string>();
    for (const left of [0, 1, 3, 5]) {
      const report = reportOf(["prlimit", "--nofile=160:160", ...host(worker, `descriptors${left}`)]);
      expect(["KNITTING_NO_DESCRIPTORS", "KNITTING_WORKER_BOOT"]).toContain(report.code);
      expect(report.message).toContain("ulimit -n");
      seen.add(report.code);
    }
    expect(seen).toContain("KNITTING_NO_DESCRIPTORS");
  });

  const noUser = isRoot ? undefined : "only root can become a user without other processes";
  test.skipIf(noUser !== undefined)(named("so are too few threads", noUser), () => {
    // Node itself needs some, and ends without a word where it lacks them. The next thread is the pool's.
    for (let count = 6; count < 40; count++) {
      const { stdout } = spawnSync("prlimit", [`--nproc=${count}`, ...host(worker)], {
        encoding: "utf8",
        timeout: NODE_MILLIS,
        uid: NOBODY_ELSE,
        gid: NOBODY_ELSE,
      });
      if (stdout !== "") {
        const { code, message } = JSON.parse(stdout);
        expect(code).toBe("KNITTING_NO_THREADS");
        expect(message).toContain("ulimit -u");
        return;
      }
    }
    throw new Error("Node never got as far as a pool");
  });

  const what = isProcess ? "no process without /proc, and the error says that" : "a thread needs no /proc";
  test.skipIf(noNamespace !== undefined)(named(what, noNamespace), () => {
    const report = reportOf(inNamespace("mount -t tmpfs tmpfs /proc", host(worker)));
    if (isProcess) {
      expect(report).toMatchObject({ name: "KnittingError", code: "KNITTING_NO_PROC" });
      expect(report.message).toContain("needs /proc, which is not mounted here");
    } else {
      expect(report).toEqual({ result: 3 });
    }
  });

  testIf(isProcess)(
    named("a full /dev/shm is named", noNamespace),
    { skip: noNamespace !== undefined },
    () => {
      const options = { ...worker, processSharedMemory: "named" };
      const report = reportOf(
        inNamespace("mount -t tmpfs -o size=1m tmpfs /dev/shm", host(options, "memory")),
      );
      expect(report).toMatchObject({ name: "KnittingError", code: "KNITTING_NO_MEMORY" });
      expect(report.message).toContain("the size of /dev/shm");
    },
  );
});

describe("a worker thread of the user's", () => {
  test("that ends right after its first pool leaves no descriptor", () => {
    const file = join(__dirname, "..", "fixtures", "hosts", "ending-threads.mjs");
    expect(reportOf([process.execPath, file])).toBe(0);
  });
});
