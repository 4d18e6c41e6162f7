/** A pool's working directory is the one of its creation, whatever becomes of the host's. */
import { chmodSync, mkdirSync, mkdtempSync, realpathSync, rmSync } from "node:fs";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { run, write } from "../support/installed";
import { kindsInGate, on } from "../support/kinds";

const TASKS = `
import { readFileSync } from "node:fs";
export const where = () => process.cwd();
export const read = () => readFileSync("here.txt", "utf8");
export const die = () => {
  setTimeout(() => { throw new Error("dies"); });
  return new Promise(() => {});
};`;

const ORDINARY_USER = 65_534;
const isRoot = process.getuid?.() === 0;

// A container has a working directory of its own.
const outside = kindsInGate.filter(({ name }) => !name.includes("container"));

on(outside, ({ worker, isProcess, isWrapped }) => {
  /** Runs the host, and gives what it has printed. */
  async function outcome(what: string): Promise<{ home: string; other: string; lines: unknown[] }> {
    // Not below /tmp, because sandboxes often hide it.
    const folder = realpathSync(mkdtempSync("/var/tmp/knitting-moved-"));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    write(folder, {
      "spare/tasks.mjs": TASKS,
      "spare/here.txt": "at home",
      "other/here.txt": "elsewhere",
    });
    const host = join(__dirname, "..", "fixtures", "hosts", "moved-host.mjs");
    const { status, stdout, stderr } = await run(
      process.execPath,
      [host, JSON.stringify(worker), what, folder],
      { cwd: folder },
    );
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    const lines = stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as unknown);
    return { home: join(folder, "home"), other: join(folder, "other"), lines };
  }

  test("a replacement runs where its pool was created, after the host has moved", async () => {
    const { home, other, lines } = await outcome("moves");
    expect(lines[0]).toEqual([home, "at home"]);
    expect(lines).toHaveLength(2);
    if (isProcess) {
      expect(lines[1]).toEqual([home, "at home"]);
    } else {
      // A thread is where its process is, and has the permissions with which its pool was created.
      expect(lines[1]).toEqual([other, expect.stringContaining("Access to this API has been restricted")]);
    }
  });

  test("a replacement boots after the folder was deleted and made again", async () => {
    const { home, lines } = await outcome("is made again");
    expect(lines).toEqual([
      [home, "at home"],
      [home, "at home"],
    ]);
  });

  test("a replacement that finds no folder says so, and another one boots when it is there", async () => {
    const { home, lines } = await outcome("is made again later");
    const [before, complaint, after] = lines;
    expect([before, after]).toEqual([
      [home, "at home"],
      [home, "at home"],
    ]);
    expect(complaint).toContain(
      isProcess
        ? `cannot enter the working directory ${home}: No such file`
        : "was deleted, and Node starts no thread",
    );
    expect(lines).toHaveLength(3);
  });

  test("a folder that stays away is named by each call", async () => {
    const { home, lines } = await outcome("is gone");
    const sentence = isProcess
      ? new RegExp(`^WorkerBootError: .*: cannot enter the working directory ${home}: No such file`)
      : /^WorkerBootError: .*The working directory of this process was deleted.*process\.chdir\(\)/;
    expect(lines).toEqual([
      [home, "at home"],
      [expect.stringMatching(sentence), expect.stringMatching(sentence)],
    ]);
  });

  // bubblewrap enters the folder anew.
  if (!isWrapped) {
    test.skipIf(!isRoot)("a folder that the user may not enter is no obstacle", async () => {
      const folder = realpathSync(mkdtempSync("/var/tmp/knitting-moved-"));
      onTestFinished(() => rmSync(folder, { recursive: true }));
      chmodSync(folder, 0o755);
      mkdirSync(join(folder, "closed"), { mode: 0o700 });
      const host = join(__dirname, "..", "fixtures", "hosts", "unwelcome-host.mjs");
      const cwd = join(folder, "closed");
      const { stdout, stderr } = await run(
        process.execPath,
        [host, JSON.stringify(worker), `${ORDINARY_USER}`],
        { cwd },
      );
      expect({ stdout, stderr }).toEqual({ stdout: `${cwd}\n${cwd}\n`, stderr: "" });
    });
  }

  test("createPool in a folder that is gone names what helps, and that does help", async () => {
    const { lines } = await outcome("is gone before");
    const refusal = expect.stringMatching(
      /^InvalidOptionError: createPool: the working directory of this process does not exist any more.*process\.chdir\(\).*absolute worker\.cwd$/,
    );
    expect(lines).toEqual(isProcess ? [refusal, refusal, "at home"] : [refusal]);
  });
});
