import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  GuardedCallError,
  importTask,
  KnittingError,
  WorkerBootError,
  WorkerCrashedError,
} from "knitting-native";
import { afterAll, describe, expect, test } from "vitest";
// @ts-expect-error the scripts are plain JavaScript
import { ensureNodes } from "../../scripts/runtimes.mjs";
import { type Kind, onChildren, onEveryRuntime } from "../support/kinds";
import { within } from "../support/processes";
import { createPool } from "../support/unrestricted";

const href = "../fixtures/tasks/guarded.mjs";
const of = <Argument, Result>(name: string) => importTask<Argument, Result>({ href, name });
const tasks = {
  names: of<void, string[]>("names"),
  attempt: of<number, never>("attempt"),
  attemptLater: of<number, never>("attemptLater"),
  attemptInTimer: of<void, never>("attemptInTimer"),
  who: of<void, string>("who"),
  restore: of<void, never>("restore"),
  patchReallyExit: of<void, string>("patchReallyExit"),
  exists: of<number, boolean>("exists"),
  existsByName: of<number, boolean>("existsByName"),
  setExitCode: of<number, number>("setExitCode"),
  killChild: of<void, string>("killChild"),
  tellOfExit: of<string, void>("tellOfExit"),
};

const temporary = mkdtempSync(join(tmpdir(), "knitting-guards-"));
afterAll(() => rmSync(temporary, { recursive: true }));

const failure = (promise: Promise<unknown>) =>
  within(
    promise.then(
      (value) => new Error(`it resolved: ${value}`),
      (error: unknown) => error,
    ),
  );

function whatWouldEndTheWorkerThrows({ worker }: Pick<Kind, "worker">): void {
  test.each(["attempt", "attemptLater"] as const)(
    "a call of what would end the worker rejects (%s)",
    async (how) => {
      await using pool = createPool({ worker })(tasks);
      const who = await pool.call.who();
      for (const [index, name] of (await pool.call.names()).entries()) {
        const error = (await failure(pool.call[how](index))) as GuardedCallError;
        expect(error, name).toBeInstanceOf(GuardedCallError);
        expect(error).toBeInstanceOf(KnittingError);
        expect(error).toMatchObject({ code: "KNITTING_GUARDED", name: "GuardedCallError" });
        expect(error.message).toMatch(new RegExp(`^${name}\\(\\) .*return or throw`));
        expect(await within(pool.call.who()), name).toBe(who);
      }
    },
  );
}

onEveryRuntime((kind) => {
  const { worker } = kind;
  whatWouldEndTheWorkerThrows(kind);

  test("a task can't simply take the guards away", async () => {
    await using pool = createPool({ worker })(tasks);
    const who = await pool.call.who();
    expect(await failure(pool.call.restore())).toBeInstanceOf(GuardedCallError);
    expect(await within(pool.call.who())).toBe(who);
  });

  test("a package that puts itself in front of process.reallyExit is not disturbed", async () => {
    await using pool = createPool({ worker })(tasks);
    expect(await pool.call.patchReallyExit()).toBe("patched");
  });

  test("whether a process exists may be asked", async () => {
    await using pool = createPool({ worker })(tasks);
    expect(await pool.call.exists(process.pid)).toBe(true);
    expect(await pool.call.existsByName(process.pid)).toBe(true);
    // Above the largest process id that Linux gives.
    expect(await failure(pool.call.exists(2 ** 22 + 1))).toMatchObject({ code: "ESRCH" });
  });

  test("a child of the task's own is ended by its own kill()", async () => {
    await using pool = createPool({ worker })(tasks);
    expect(await within(pool.call.killChild())).toBe("SIGKILL");
  });

  test("process.exitCode is harmless", async () => {
    await using pool = createPool({ worker })(tasks);
    const who = await pool.call.who();
    expect(await pool.call.setExitCode(7)).toBe(7);
    expect(await within(pool.call.who())).toBe(who);
  });

  test("a module that exits while it is imported fails the boot, and the error says so", async () => {
    const leaving = importTask({ href: "../fixtures/tasks/exits-at-import.mjs", name: "f" });
    await using pool = createPool({ worker })({ leaving });
    const error = (await failure(pool.call.leaving())) as WorkerBootError;
    expect(error).toBeInstanceOf(WorkerBootError);
    expect(error.message).toMatch(/the module of task "leaving" failed .*process\.exit\(\)/);
    expect(error.message).toContain("exits-at-import.mjs");
  });

  test("in a timer nobody catches it: the worker ends, and the error says why", async () => {
    await using pool = createPool({ worker })(tasks);
    const error = (await failure(pool.call.attemptInTimer())) as WorkerCrashedError;
    expect(error).toBeInstanceOf(WorkerCrashedError);
    expect(error).toMatchObject({ exitCode: 1 });
    expect(error.message).toContain("process.exit()");
  });
});

onChildren(({ name, worker }) => {
  test("at shutdown the worker still leaves in good order", async () => {
    const pool = createPool({ worker })(tasks);
    const path = join(temporary, name);
    await pool.call.tellOfExit(path);
    await pool.call.setExitCode(7);
    await within(pool.shutdown());
    expect(readFileSync(path, "utf8")).toBe("exit 0");
  });
});

describe.each(Object.entries(ensureNodes() as Record<string, string>))(
  "process on Node %s",
  (_, processRuntimePath) => {
    whatWouldEndTheWorkerThrows({
      worker: { runtime: "process", processRuntime: "node", processRuntimePath },
    });
  },
);
