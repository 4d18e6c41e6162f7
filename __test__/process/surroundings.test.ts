/** The surroundings of a worker: directory, priority, environment, limits. */
import { mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { getPriority, tmpdir } from "node:os";
import { join } from "node:path";
import { importTask, type PoolOptions, type WorkerOptions } from "knitting-native";
import { afterAll, beforeAll, expect, test } from "vitest";
import { missing } from "../support/containers";
import { onChildren, onEveryRuntime } from "../support/kinds";
import { isAlive, until, within } from "../support/processes";
import { createPool } from "../support/unrestricted";

const href = "../fixtures/tasks/surroundings.mjs";
const of = <Argument, Result>(name: string) => importTask<Argument, Result>({ href, name });
const tasks = {
  priority: of<void, number>("priority"),
  cwd: of<void, string>("cwd"),
  env: of<string, string | null>("env"),
  names: of<void, string[]>("names"),
  flags: of<void, string[]>("flags"),
  limit: of<string, string | null>("limit"),
  heapLimitMb: of<void, number>("heapLimitMb"),
  depth: of<void, number>("depth"),
};

const open = (worker: WorkerOptions, options: PoolOptions = {}) => createPool({ ...options, worker })(tasks);

let folder: string;
beforeAll(() => {
  folder = realpathSync(mkdtempSync(join(tmpdir(), "knitting-surroundings-")));
});
afterAll(() => rmSync(folder, { recursive: true }));

onEveryRuntime(({ worker, isProcess }) => {
  const v8 = worker.processRuntime !== "bun" || !isProcess;

  test("its environment is the host's, another, or a choice", async () => {
    process.env.KNITTING_TEST_INHERITED = "from the host";
    await using inherits = open(worker);
    expect(await inherits.call.env("KNITTING_TEST_INHERITED")).toBe("from the host");

    await using replaced = open({ ...worker, env: { ONLY: "this" } });
    expect(await replaced.call.env("ONLY")).toBe("this");
    expect(await replaced.call.env("KNITTING_TEST_INHERITED")).toBeNull();
    const added = isProcess ? ["DENO_DIR", "LD_LIBRARY_PATH", "PATH"] : [];
    expect((await replaced.call.names()).filter((name) => !added.includes(name))).toEqual(["ONLY"]);

    const env = { inherit: ["KNITTING_TEST_INHERITED", "NO_SUCH"], set: { MORE: "of it" } };
    await using chosen = open({ ...worker, env });
    expect(await chosen.call.env("KNITTING_TEST_INHERITED")).toBe("from the host");
    expect((await chosen.call.names()).filter((name) => !added.includes(name))).toEqual([
      "KNITTING_TEST_INHERITED",
      "MORE",
    ]);
  });

  if (!v8) {
    // Bun has no such limits, and `createPool` refuses them.
    return;
  }
  test("its heap and stack are as large as resourceLimits say", async () => {
    const small = { maxOldGenerationSizeMb: 64, maxYoungGenerationSizeMb: 3, stackSizeMb: 1 };
    await using limited = open({ ...worker, resourceLimits: small });
    expect(await limited.call.heapLimitMb()).toBeLessThan(80);
    await using roomy = open({ ...worker, resourceLimits: { stackSizeMb: isProcess ? 32 : 3 } });
    expect(await roomy.call.depth()).toBeGreaterThan(1.5 * (await limited.call.depth()));
  });
});

onChildren(({ worker }) => {
  test("its directory, its priority, and no core dumps", async () => {
    await using pool = open({ ...worker, cwd: folder, nice: getPriority() + 3 });
    expect(await pool.call.cwd()).toBe(folder);
    expect(await pool.call.priority()).toBe(getPriority() + 3);
    expect(await pool.call.limit("Max core file size")).toBe("0");
  });

  test("a stack of its own size", async () => {
    await using small = open({ ...worker, resourceLimits: { stackSizeMb: 1 } });
    await using large = open({ ...worker, resourceLimits: { stackSizeMb: 64 } });
    expect(Number(await large.call.limit("Max stack size"))).toBeGreaterThanOrEqual(72 * 1024 * 1024);
    expect(await large.call.depth()).toBeGreaterThan(8 * (await small.call.depth()));
  });

  test.skipIf(missing("python3", "setsid"))("a worker out of reach is left to stopCommand", async () => {
    const told = join(folder, `told-${worker.processRuntime}`);
    // Gets the worker's own descriptor, and with it the worker's lock, as an accomplice outside of its process group
    // could.
    const accomplice = join(folder, "accomplice.py");
    writeFileSync(
      accomplice,
      `import ctypes, os, sys, time
PIDFD_OPEN, PIDFD_GETFD = 434, 438
syscall = ctypes.CDLL(None).syscall
if syscall(PIDFD_GETFD, syscall(PIDFD_OPEN, int(sys.argv[1]), 0), int(sys.argv[2]), 0) < 0: sys.exit(1)
open(sys.argv[3] + ".new", "w").write(str(os.getpid()))
os.rename(sys.argv[3] + ".new", sys.argv[3])
time.sleep(1000)
`,
    );
    const code = `import { spawn } from "node:child_process";
      import { existsSync, readdirSync, readlinkSync } from "node:fs";
      export const f = async (files) => {
        const fd = readdirSync("/proc/self/fd").find((fd) => {
          try { return readlinkSync("/proc/self/fd/" + fd).includes("memfd:knitting"); } catch { return false; }
        });
        spawn("setsid", ["python3", files[0], String(process.pid), fd, files[1]], { stdio: "ignore" });
        while (!existsSync(files[1])) await new Promise((f) => setTimeout(f, 5));
        return true;
      }`;
    const conspire = importTask<string[], boolean>({
      href: `data:text/javascript,${encodeURIComponent(code)}`,
      name: "f",
    });
    const pidFile = join(folder, `accomplice-${worker.processRuntime}`);
    const pool = createPool({
      worker: {
        ...worker,
        processCommandPrefix: ["env"],
        stopCommand: ({ index }) => ["sh", "-c", `echo ${index} > ${told}; kill -9 $(cat ${pidFile})`],
      },
    })({ conspire });
    expect(await within(pool.call.conspire([accomplice, pidFile]))).toBe(true);
    await within(pool.shutdown());
    expect(readFileSync(told, "utf8")).toBe("0\n");
    await until("the accomplice is gone", () => !isAlive(Number(readFileSync(pidFile, "utf8"))));
  });
});
