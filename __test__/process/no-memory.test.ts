/** Named memory when the system has no more of it. */
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { type Kind, kindsInGate } from "../support/kinds";
import { inNamespace, noNamespace } from "../support/namespace";
import { WATCHDOG_MILLIS } from "../support/processes";

const SHM_BYTES = 24 * 1024 * 1024;

/** What a host says that runs out of named memory. */
function reportOf({ worker }: Kind) {
  const script = join(__dirname, "..", "fixtures", "hosts", "no-memory-host.mjs");
  const small = `mount -t tmpfs -o size=${SHM_BYTES} tmpfs /dev/shm`;
  const [unshare, ...rest] = inNamespace(small, [process.execPath, script, JSON.stringify(worker)]);
  const { stdout, stderr, status, signal } = spawnSync(unshare, rest, {
    encoding: "utf8",
    timeout: WATCHDOG_MILLIS,
  });
  expect({ stderr, status, signal }).toEqual({ stderr: "", status: 0, signal: null });
  return JSON.parse(stdout);
}

const lacking = (what: string) => `KnittingError KNITTING_NO_MEMORY the system has no memory for ${what}`;

// Podman has its images outside of the namespace.
const meant = kindsInGate.filter(({ isProcess, name }) => isProcess && !name.includes("container"));

describe.skipIf(noNamespace !== undefined).each(meant)(
  `$name (${noNamespace ?? "with little memory"})`,
  (kind) => {
    test("a lack of memory costs one call alone", () => {
      const report = reportOf(kind);
      expect(report.full).toEqual({
        bytes: lacking("a payload of 1000000 bytes"),
        text: lacking("a payload of 1003 bytes"),
        throws: expect.stringMatching(
          /^KnittingError KNITTING_NO_MEMORY the system has no memory for an error of \d+ bytes$/,
        ),
        items: lacking("an item of a stream of 1003 bytes"),
        progress: lacking("a progress value of 1003 bytes"),
        argument: lacking("a payload of 1003 bytes"),
        argumentItems: "KNITTING_NO_MEMORY",
      });
      expect(report.manyResults).toEqual([lacking("a payload of 1003 bytes")]);
      expect(report.manyArguments).toEqual([lacking("a payload of 1003 bytes")]);
      expect(report).toMatchObject({ other: "waited", inline: "x".repeat(10), exitsBeforeShutdown: 0 });
      expect(report.freed).toEqual({ bytes: 1_000_000, text: "x".repeat(1000) });
      // What a failed attempt has touched is free again, and so is everything after the shutdown.
      expect(report.keptOfIt).toBe(0);
      expect(report.after).toBe(report.before);
      expect(report.kept).toBe(true);
      // A worker that boots quickly reports it while there is still memory.
      expect(report.boot).toMatch(/^WorkerBootError KNITTING_WORKER_BOOT /);
      expect(report.boot).toContain("no such luck");
    });
  },
);
