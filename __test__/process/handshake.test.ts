import { spawnSync } from "node:child_process";
import { mkdtempSync, openSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createPool, importTask, WorkerBootError } from "knitting-native";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { onChildren } from "../support/kinds";
import { within } from "../support/processes";

const entry = join(__dirname, "..", "..", "dist", "worker.js");
/** See src/process/boot.rs. */
const EXIT_REFUSED = 121;

const boot = (changes: object = {}) =>
  JSON.stringify({
    segment: { version: 1, arena_bytes: 65_536, nonce: new Array(16).fill(7), ...changes },
    memory: "inherited",
    host: [process.pid, 1],
    runs: true,
    program: "{}",
  });

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "knitting-handshake-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

function start(variables: Record<string, string>, stdin: "pipe" | number = "pipe") {
  const env = { PATH: process.env.PATH, ...variables };
  const { status, stderr } = spawnSync(process.execPath, [entry], {
    env,
    stdio: [stdin, "pipe", "pipe"],
    timeout: 60_000,
  });
  return { status, stderr: String(stderr) };
}

describe("a worker refuses what is not meant for it, says why, and ends", () => {
  test("started by hand", () => {
    expect(start({})).toEqual({ status: EXIT_REFUSED, stderr: expect.stringContaining("started by a pool") });
  });

  test("without a boot payload", () => {
    const { status, stderr } = start({ KNITTING_PROCESS_WORKER: "1" });
    expect([status, stderr]).toEqual([EXIT_REFUSED, expect.stringContaining("BOOT is not set")]);
  });

  test("with a boot payload that is none", () => {
    const { status, stderr } = start({ KNITTING_PROCESS_WORKER: "1", KNITTING_PROCESS_WORKER_BOOT: "{}" });
    expect([status, stderr]).toEqual([
      EXIT_REFUSED,
      expect.stringContaining("cannot be read: missing field"),
    ]);
  });

  const variables = (changes?: object) => ({
    KNITTING_PROCESS_WORKER: "1",
    KNITTING_PROCESS_WORKER_BOOT: boot(changes),
  });

  test("with a pipe on descriptor 0", () => {
    const { status, stderr } = start(variables());
    expect([status, stderr]).toEqual([
      EXIT_REFUSED,
      expect.stringContaining("descriptor 0 is not the shared memory"),
    ]);
  });

  test("with a device on descriptor 0", () => {
    const { status, stderr } = start(variables(), openSync("/dev/null", "r+"));
    expect([status, stderr]).toEqual([EXIT_REFUSED, expect.stringContaining("not memory but")]);
  });

  test("with a file on descriptor 0", () => {
    const file = join(folder, "file");
    writeFileSync(file, "x".repeat(100_000));
    const { status, stderr } = start(variables(), openSync(file, "r+"));
    expect([status, stderr]).toEqual([
      EXIT_REFUSED,
      expect.stringContaining("first bytes are something else"),
    ]);
  });

  test("with memory of another layout version, or another pool's", () => {
    const file = join(folder, "segment");
    const header = Buffer.alloc(1_000_000);
    header.write("knitting", 0);
    header.writeUInt32LE(99, 8);
    writeFileSync(file, header);
    const version = start(variables(), openSync(file, "r+"));
    expect([version.status, version.stderr]).toEqual([
      EXIT_REFUSED,
      expect.stringContaining("layout version 99"),
    ]);
    header.writeUInt32LE(1, 8);
    writeFileSync(file, header);
    const foreign = start(variables(), openSync(file, "r+"));
    expect([foreign.status, foreign.stderr]).toEqual([
      EXIT_REFUSED,
      expect.stringContaining("not the one in the boot payload"),
    ]);
  });
});

onChildren(({ worker }) => {
  test("a failed boot carries the command line and what was written to stderr", async () => {
    const code = `import { spawnSync } from "node:child_process";
      process.stderr.write("cannot find my keys\\n");
      spawnSync("sh", ["-c", "kill -9 " + process.pid]);
      export const f = () => 1`;
    const lost = importTask({ href: `data:text/javascript,${encodeURIComponent(code)}`, name: "f" });
    await using pool = createPool({ worker, permission: "unsafe" })({ lost });
    const error = (await within(pool.call.lost().catch((error: unknown) => error))) as WorkerBootError;
    expect(error).toBeInstanceOf(WorkerBootError);
    expect(error.stderrTail).toBe("cannot find my keys\n");
    expect(error.message).toContain("cannot find my keys");
    expect(error.argv.slice(-1)).toEqual([entry]);
    expect(error.message).toContain(entry);
  });
});
