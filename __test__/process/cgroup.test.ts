/** Workers in a cgroup of the user's. */
import { mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createPool, InvalidOptionError, importTask, WorkerBootError } from "knitting-native";
import { afterAll, describe, expect, test } from "vitest";
import { run } from "../support/installed";
import { kindNamed, on, pidOf } from "../support/kinds";
import { until, within } from "../support/processes";

const root = join(__dirname, "..", "..");
/** A user who owns nothing. */
const NOBODY_ELSE = 1_999_777_002;

const add = importTask<[number, number], number>({ href: "../fixtures/tasks/basic.mjs", name: "add" });
const open = (worker: object) => createPool({ worker })({ add });
const onNode = kindNamed("process on node").worker;

describe("worker.cgroup is refused", () => {
  test.each([
    ["a folder without cgroups", __dirname, "no cgroup of version 2 is there"],
    ["no folder", "/no/such/cgroup", "ENOENT"],
    ["a file of procfs", "/proc/self", "no cgroup of version 2 is there"],
    ["a relative path", ".", "no cgroup of version 2 is there"],
  ])("as %s", (_, cgroup, reason) => {
    const create = () => open({ ...onNode, cgroup });
    expect(create).toThrow(InvalidOptionError);
    expect(create).toThrow(`createPool: "worker.cgroup" is "${cgroup}", and ${reason}`);
    expect(create).toThrow("cgroup.procs");
  });

  test("as anything but a path", () => {
    for (const cgroup of [5, "", "a\0b", null]) {
      expect(() => open({ ...onNode, cgroup })).toThrow(/"worker\.cgroup" is .*, it must be a string/);
    }
  });

  test("for threads", () => {
    expect(() => open({ cgroup: "/sys/fs/cgroup" })).toThrow(
      'option "worker.cgroup" is for process workers, and worker.runtime is "thread"',
    );
  });
});

/** A cgroup of this test's own, or why there can't be one. */
function ownCgroup(): { folder: string; path: string } | string {
  const mounts = readFileSync("/proc/self/mountinfo", "utf8").split("\n");
  const mount = mounts.find((line) => / - cgroup2 /.test(line))?.split(" ")[4];
  const own = /^0::(.*)$/m.exec(readFileSync("/proc/self/cgroup", "utf8"))?.[1];
  if (mount === undefined || own === undefined) {
    return "no cgroup of version 2 is mounted here";
  }
  const name = `knitting-test-${process.pid}`;
  try {
    mkdirSync(join(mount, own, name));
    return { folder: join(mount, own, name), path: join(own, name) };
  } catch (error) {
    return (error as Error).message;
  }
}

const cgroup = ownCgroup();
const skip = typeof cgroup === "string" ? cgroup : undefined;
const { folder, path } = typeof cgroup === "string" ? { folder: "", path: "" } : cgroup;
afterAll(async () => {
  if (folder !== "") {
    await until("the cgroup is empty", () => members().length === 0);
    rmdirSync(folder);
  }
});

const members = () => readFileSync(join(folder, "cgroup.procs"), "utf8").split("\n").filter(Boolean);
const cgroupOf = (pid: number) => /^0::(.*)$/m.exec(readFileSync(`/proc/${pid}/cgroup`, "utf8"))?.[1];

const kinds = ["node", "deno", "bun", "node in bwrap"].map((name) => kindNamed(`process on ${name}`));
on(
  kinds.map((kind) => ({ ...kind, skip: kind.skip ?? skip })),
  ({ worker, isWrapped }) => {
    test("a worker is in the cgroup from its start, and so is what it starts", async () => {
      const pool = open({ ...worker, cgroup: folder });
      expect(await within(pool.call.add([1, 2]))).toBe(3);
      const pid = await pidOf(pool);
      expect(cgroupOf(pid)).toBe(path);
      expect(members()).toContain(String(pid));
      if (isWrapped) {
        expect(members().length).toBeGreaterThan(1);
      }
      expect(cgroupOf(process.pid)).not.toBe(path);
      await pool.shutdown();
    });
  },
);

test.skipIf(skip !== undefined)("a cgroup that has gone since is a boot error with its name", async () => {
  const gone = join(folder, "gone");
  mkdirSync(gone);
  const pool = open({ ...onNode, cgroup: gone, maxBootFailures: 1 });
  const first = await within(pool.call.add([1, 2]));
  expect(first).toBe(3);
  const pid = await pidOf(pool);
  // It moves, so that its cgroup can be removed.
  process.kill(pid, "SIGSTOP");
  writeFileSync(join(folder, "cgroup.procs"), String(pid));
  rmdirSync(gone);
  process.kill(pid, "SIGKILL");
  await until("the worker is given up", () => pool.workers[0].state === "broken");
  const error = await within(pool.call.add([1, 2]).catch((error: unknown) => error));
  expect(error).toBeInstanceOf(WorkerBootError);
  expect((error as Error).message).toContain(`cannot enter worker.cgroup ${gone}: No such file or directory`);
  expect(readdirSync(folder)).not.toContain("gone");
  await pool.shutdown();
});

const noUser = process.getuid?.() === 0 ? skip : "only root can become another user";
test.skipIf(noUser !== undefined)("a cgroup that this user may not write to is refused", async () => {
  const source = `
    const { createPool } = require(${JSON.stringify(root)});
    try {
      createPool({ worker: ${JSON.stringify({ ...onNode, cgroup: folder })} });
    } catch (error) {
      console.log(error.name, error.message);
    }`;
  const { stdout } = await run(process.execPath, ["-e", source], { cwd: root, uid: NOBODY_ELSE });
  expect(stdout).toMatch(
    /^InvalidOptionError createPool: "worker\.cgroup" is ".*", and EACCES: permission denied/,
  );
});
