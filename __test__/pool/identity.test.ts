/** `workerInfo` and `worker.argv`: what a worker knows about itself, and what its pool knows about it. */
import { cpSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { importTask, type WorkerIdentity, workerInfo } from "knitting-native";
import { expect, onTestFinished, test } from "vitest";
import { onEveryRuntime, onEveryWrapperInGate, pidOf } from "../support/kinds";
import { until, within } from "../support/processes";
import { createPool } from "../support/unrestricted";

const href = "../fixtures/tasks/identity.mjs";
interface Who {
  readonly identity: WorkerIdentity;
  readonly isFrozen: boolean;
  readonly isTheSame: boolean;
  readonly pid: number;
}
const tasks = {
  who: importTask<void, Who>({ href, name: "who" }),
  argv: importTask<void, unknown>({ href, name: "argv" }),
  exit: importTask<void, void>({ href, name: "exit" }),
  inCopy: importTask<string, WorkerIdentity>({ href, name: "inCopy" }),
};
const bootstrap = { href, name: "setup" };

test("the host is no worker", () => {
  expect(workerInfo).toBeUndefined();
});

onEveryWrapperInGate(({ worker, isProcess, isWrapped }) => {
  test("a worker knows which one it is from its bootstrap on, as its pool does", async () => {
    await using pool = createPool({ threads: 2, worker: { ...worker, bootstrap } })(tasks);
    await until("all are ready", () => pool.workers.every(({ state }) => state === "ready"));
    // A worker that has nothing to do may get the calls of another, so each is asked until it has answered.
    const found: Who[] = [];
    const ask = async () => {
      const who = await pool.call.who();
      found[who.identity.index] = who;
    };
    while (Object.keys(found).length < 2) {
      await within(Promise.all([ask(), ask()]));
    }
    for (const [index, { identity, pid, ...rest }] of found.entries()) {
      expect(rest).toEqual({ isFrozen: true, isTheSame: true });
      const info = pool.workers[index];
      expect(identity).toEqual({
        index,
        runtime: isProcess ? worker.processRuntime : "thread",
        threadId: isProcess ? null : expect.any(Number),
        pid,
        start: 0,
      });
      const { threadId, start, runtime } = info;
      expect({ index: info.index, threadId, start, runtime }).toEqual({
        index,
        threadId: identity.threadId,
        start: 0,
        runtime: identity.runtime,
      });
      if (isProcess && !isWrapped) {
        expect(pid).toBe(await pidOf(pool, index));
      }
    }
    if (!isProcess) {
      expect(new Set(found.map(({ identity }) => identity.threadId)).size).toBe(2);
    }
  });

  test("the one that replaces it has its index, and one start more", async () => {
    await using pool = createPool({ worker: { ...worker, bootstrap, stdio: "ignore" } })(tasks);
    const ended: unknown[] = [];
    pool.on("exit", ({ worker: { index, start, threadId } }) => ended.push({ index, start, threadId }));
    const seen: WorkerIdentity[] = [];
    for (let start = 0; start < 3; start++) {
      const { identity } = await within(pool.call.who());
      expect(identity).toMatchObject({ index: 0, start });
      expect(pool.workers[0]).toMatchObject({ index: 0, start, threadId: identity.threadId });
      seen.push(identity);
      await expect(within(pool.call.exit())).rejects.toThrow("the worker of task");
    }
    await until("three have ended", () => ended.length === 3);
    // An event tells of the worker that has ended, also by its thread's number.
    expect(ended).toEqual(seen.map(({ threadId }, start) => ({ index: 0, start, threadId })));
  });
});

/** Arguments that a runtime would obey if it read them as its own. */
const arguments_ = [
  ...["--", "--inspect", "-A", "--version", "-e", "process.exit(3)", "--allow-all", "", "ä b", "--", "run"],
];

onEveryWrapperInGate(({ worker, executable }) => {
  test("worker.argv is what it finds in process.argv, and no flag of its runtime", async () => {
    const own = { ...worker, bootstrap };
    await using without = createPool({ worker: own, workerExecArgv: [] })(tasks);
    const { flags, script } = (await within(without.call.argv())) as { flags: string[]; script: string };
    for (const argv of [arguments_, arguments_.slice(1), ["--", "--"], ["a", "--", "-b"]]) {
      await using pool = createPool({ worker: { ...own, argv }, workerExecArgv: [] })(tasks);
      expect(await within(pool.call.argv())).toMatchObject({
        atBootstrap: argv,
        inTask: argv,
        ofRuntime: /deno|bun/.test(executable) ? argv : undefined,
        script,
        flags,
      });
    }
  });
});

onEveryRuntime(({ worker }) => {
  test("util.parseArgs() reads them, and without the option there are none", async () => {
    const argv = ["--level=3", "--", "file"];
    await using pool = createPool({ worker: { ...worker, bootstrap, argv } })(tasks);
    argv.push("too late");
    expect(await within(pool.call.argv())).toMatchObject({
      inTask: ["--level=3", "--", "file"],
      parsed: { values: { level: "3" }, positionals: ["file"] },
    });
    await using plain = createPool({ worker: { ...worker, bootstrap } })(tasks);
    expect(await within(plain.call.argv())).toMatchObject({ atBootstrap: [], inTask: [] });
  });

  test("another copy of the package in a worker knows it too", async () => {
    const folder = mkdtempSync(join(tmpdir(), "knitting-copy-"));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    cpSync(join(__dirname, "..", "..", "dist"), join(folder, "dist"), { recursive: true });
    await using pool = createPool({ worker: { ...worker, bootstrap } })(tasks);
    const copy = pathToFileURL(join(folder, "dist", "index.js")).href;
    const { identity } = await within(pool.call.who());
    expect(await within(pool.call.inCopy(copy))).toEqual(identity);
  });
});
