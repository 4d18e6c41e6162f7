import { importTask } from "knitting-native";
import { describe, expect, test } from "vitest";
import { onChildren, onEveryRuntime } from "../support/kinds";
import { descendantsOf, Host, isAlive, threadsOf, until, wakeUpsOf } from "../support/processes";
import { createPool } from "../support/unrestricted";

const SIGNAL_EXIT = { code: null, signal: "SIGKILL" };

const workerPids = (host: Host) => /ready (.*)/.exec(host.stdout)?.[1].split(" ").map(Number) as number[];

// Several tests run at once, because each has its own host process and mostly waits for it.
describe.concurrent("a host that is a process of its own", () => {
  onEveryRuntime(({ worker, isProcess }) => {
    const given = JSON.stringify(worker);
    const start = (what: string) => new Host("pool-host.mjs", given, what);
    test("an idle pool lets its process end", async () => {
      const host = start("idle");
      expect(await host.exit()).toEqual({ code: 0, signal: null });
      expect(host.stdout).toContain("idle");
      await until("the workers are gone", () => !workerPids(host).some(isAlive));
    });

    test.each(["pipe", "ignore"])("an idle pool lets its process end with stdio: %s", async (stdio) => {
      const host = start(`idle-${stdio}`);
      expect(await host.exit()).toEqual({ code: 0, signal: null });
      expect(host.stdout).toContain("idle");
    });

    test("a pending call keeps the process alive until it is answered", async () => {
      const host = start("pending");
      expect(await host.exit()).toEqual({ code: 0, signal: null });
      expect(host.stdout).toContain("answered 700");
    });

    test("a call that waits for its worker to boot keeps the process alive", async () => {
      const host = start("booting");
      expect(await host.exit()).toEqual({ code: 0, signal: null });
      expect(host.stdout).toContain("booted");
    });

    test("a call that waits for a worker to be started again keeps the process alive", async () => {
      const host = start("restarting");
      expect(await host.exit()).toEqual({ code: 0, signal: null });
      expect(host.stdout).toContain("gave up: WorkerBootError");
    });

    test("a call whose worker turns out to have broken the protocol keeps the process alive until it rejects", async () => {
      const host = start("overwritten");
      expect(await host.exit()).toEqual({ code: 0, signal: null });
      expect(host.stdout).toContain("rejected KNITTING_PROTOCOL_VIOLATION");
    });

    test("a pool that is booting when its worker thread is terminated leaves nothing", async () => {
      const host = start("outer-boot");
      expect(await host.exit()).toEqual({ code: 0, signal: null });
      expect(host.stdout).toContain("memories left: 0");
    });

    test.each(["exit", "exit-parked"])("process.exit() ends host and workers (%s)", async (what) => {
      const host = start(what);
      expect(await host.exit()).toEqual({ code: 7, signal: null });
      await until("the workers are gone", () => !workerPids(host).some(isAlive));
    });

    test("terminating a worker thread that owns a pool ends it and its workers", async () => {
      const host = start("outer");
      await host.says("ready");
      expect(await host.exit()).toEqual({ code: 0, signal: null });
      expect(host.stdout).toContain("terminated at once");
      if (isProcess) {
        await until("the workers are gone", () => !workerPids(host).some(isAlive));
      }
    });

    test("SIGKILL of the host leaves no worker", async () => {
      const host = start("wait");
      await host.says("ready");
      const workers = descendantsOf(host.pid);
      host.process.kill("SIGKILL");
      expect(await host.exit()).toEqual(SIGNAL_EXIT);
      await until("the workers are gone", () => !workers.some(isAlive));
    });

    test.each(["SIGKILL", "exit"])(
      "a host that ends by %s leaves nothing that its tasks have started",
      async (end) => {
        const host = start(end === "SIGKILL" ? "spawn-and-wait" : "spawn-and-exit");
        await host.says("spawned");
        const child = Number(/spawned (\d+)/.exec(host.stdout)?.[1]);
        if (end === "SIGKILL") {
          host.process.kill("SIGKILL");
        }
        await host.exit();
        if (isProcess) {
          await until("the task's own child is gone", () => !isAlive(child));
        } else if (isAlive(child)) {
          // The child of a thread is the host's own child, so it outlives the thread.
          process.kill(child);
        }
      },
    );

    test.each(["dispose", "dispose-async"])("the end of a using block ends the pool (%s)", async (what) => {
      const host = start(what);
      expect(await host.exit()).toEqual({ code: 0, signal: null });
      expect(workerPids(host).filter((pid) => pid !== host.pid && isAlive(pid))).toEqual([]);
    });

    test("shutdown leaves no thread and no descriptor", async () => {
      const host = start("leaks");
      expect(await host.exit()).toEqual({ code: 0, signal: null });
      const [, before] = /before: (.*)/.exec(host.stdout) ?? [];
      expect(host.stdout).toContain(`after: ${before}`);
    });

    test("the host's own flags are inherited as far as they are meant for a worker", async () => {
      const flags = [
        ["--max-old-space-size=300", "--expose-gc"],
        ["--stack-trace-limit=5", "--no-warnings", "--enable-source-maps"],
        ["--conditions", "development"],
      ];
      for (const execArgv of flags) {
        const host = new Host("pool-host.mjs", given, "flags", ...execArgv);
        expect(await host.exit(), execArgv.join(" ")).toEqual({ code: 0, signal: null });
        expect(host.stdout).toContain("flags fine");
      }
    });

    test("several pools work side by side", async () => {
      const host = start("many");
      expect(await host.exit()).toEqual({ code: 0, signal: null });
      expect(host.stdout).toContain(`sums${" 1999000".repeat(5)}`);
    });
  });
});

const href = "../fixtures/tasks/deadly.mjs";
const of = <Argument, Result>(name: string) => importTask<Argument, Result>({ href, name });
const tasks = {
  pid: of<void, number>("pid"),
};

describe.concurrent("at rest", () => {
  onChildren(({ worker }) => {
    test("a worker at rest wakes at most once a second", async () => {
      // Bun's garbage collector runs every second on several threads, unless this variable disables that.
      const env = { ...process.env, BUN_GC_TIMER_DISABLE: "1" };
      await using pool = createPool({ worker: { ...worker, env } })(tasks);
      const pid = await pool.call.pid();
      // A runtime's own threads come to rest in the first moments.
      await new Promise((resolve) => setTimeout(resolve, 2_000));
      const before = wakeUpsOf(pid);
      const seconds = 5;
      await new Promise((resolve) => setTimeout(resolve, 1_000 * seconds));
      expect(wakeUpsOf(pid) - before).toBeLessThanOrEqual(seconds);
    });
  });
});

onChildren(({ worker }) => {
  test("the host has one reactor thread however many workers there are", async () => {
    await using one = createPool({ threads: 2, worker })(tasks);
    await using other = createPool({ threads: 2, worker })(tasks);
    await Promise.all([one.call.pid(), other.call.pid()]);
    const reactors = () => threadsOf(process.pid).filter((thread) => thread.startsWith("knitting-reacto"));
    // The reactor of earlier pools, whose last worker has just ended, may still be ending.
    await until("there is one reactor", () => reactors().length === 1);
  });
});
