/**
 * The package as a user gets it: packed, installed in an empty folder, and run from there.
 *
 * `npm pack` runs once. Each folder below is a project of its own:
 *
 * ```text
 *   alias     installed as `knitting`: the seeds' programs
 *   plain     installed as `knitting-native`: examples, classes, the command, a test suite
 *   unbuilt   the same with the native parts taken out: cargo has to build them
 * ```
 */
import { spawn } from "node:child_process";
import { pbkdf2Sync, randomUUID } from "node:crypto";
import { once } from "node:events";
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { afterAll, beforeAll, describe, expect, onTestFinished, type TestContext, test } from "vitest";
// @ts-expect-error the scripts are plain JavaScript
import { platform } from "../../scripts/addon.mjs";
// @ts-expect-error the scripts are plain JavaScript
import { ensureNodes, ensureRuntimes } from "../../scripts/runtimes.mjs";
import { allContainers, ensureContainers, missing, removeContainers } from "../support/containers";
import { install, type Packed, pack, place, run, write } from "../support/installed";
import { within } from "../support/processes";

const root = join(__dirname, "..", "..");
const seeds = ["process-workers", "permissions"].map((name) =>
  join(root, "..", "shared", "seeds", "blocks", name),
);
/** Executables by major version: the system's Node and the downloaded ones. */
const nodes: Record<string, string> = {
  [process.versions.node.split(".")[0]]: process.execPath,
  ...ensureNodes(),
};

const minutes = 60_000;
const ORDINARY_USER = 65534;
const isRoot = process.getuid?.() === 0;
const temporary = mkdtempSync(join(tmpdir(), "knitting-package-"));
const native = `npm/${platform()}`;
/** Not below /tmp, because the seed's sandbox hides it from its worker. */
const visible = mkdtempSync("/var/tmp/knitting-package-");
const alias = join(visible, "alias");
/** The runtimes by their plain names, and one Node for each major version. */
const bin = join(visible, "bin");
/** The label that distinguishes a program's containers from those of other tests. */
const label = `installation-${randomUUID()}`;
const docker = join(visible, "docker");
const plain = join(temporary, "plain");
const unbuilt = join(temporary, "unbuilt");
let packed: Packed;

beforeAll(async () => {
  packed = await pack(temporary);
  await install(packed, alias, "knitting");
  writeFileSync(
    docker,
    `#!/bin/sh\nif [ "$1" = run ]; then shift; set -- run --label knitting-test=${label} "$@"; ` +
      `fi\nexec ${containers.podman} "$@"\n`,
    { mode: 0o755 },
  );
  mkdirSync(bin);
  for (const [name, path] of Object.entries({ ...ensureRuntimes(), node: ensureNodes()[24] })) {
    place(path as string, join(bin, name));
  }
  await install(packed, plain, "knitting-native");
}, 10 * minutes);

afterAll(() => {
  rmSync(temporary, { recursive: true, force: true });
  rmSync(visible, { recursive: true, force: true });
});

test("the tarball has what running and building need, and nothing else", () => {
  const paths = packed.files.map(({ path }) => path);
  const unexpected = paths.filter(
    (path) => !/^(dist\/[a-z-]+\.js|src\/.*\.rs|src\/binding\/addon\.d\.ts)$/.test(path),
  );
  expect(unexpected.sort()).toEqual(
    [
      "Cargo.lock",
      "Cargo.toml",
      "LICENSE",
      "README.md",
      "build.rs",
      "dist/LICENSES.txt",
      "index.d.ts",
      "shared-memory.d.ts",
      `${native}/knitting-launcher`,
      `${native}/knitting-native.node`,
      "npm/linux-x64-gnu/package.json",
      "package.json",
      "scripts/addon.mjs",
      "scripts/install.mjs",
    ].sort(),
  );
  expect(paths).toEqual(expect.arrayContaining(["dist/index.js", "dist/worker.js", "src/lib.rs"]));
});

const containers = ensureContainers();
const withoutBwrap = missing("bwrap");
const runtimes = ["node", "deno", "bun"];

interface Block {
  readonly program: string;
  readonly stdout: string;
  readonly stderr?: RegExp;
  /** Why the program can't run here; undefined if it can. */
  readonly skip?: string | undefined;
}

/** The one warning that a thread can't enforce all rules of a policy. */
const warning = /^(\(node:\d+\) \[KNITTING_PERMISSION_UNSUPPORTED\] PermissionWarning: .*\n\(Use .*\n)?$/;

/** The seeds' programs about permissions, which run on threads. */
const policies: readonly Block[] = [
  { program: "1-strict.ts", stdout: "42\n", stderr: warning },
  { program: "2-console-and-unsafe.ts", stdout: "42 42\n", stderr: warning },
  { program: "3-grants.ts", stdout: "42\n", stderr: warning },
];

/** The seeds' programs with process workers, and what their comments say that they print. */
const blocks: readonly Block[] = [
  { program: "1-switch.ts", stdout: "3\n" },
  { program: "2-import-task.ts", stdout: "3\n" },
  { program: "3-named.ts", stdout: "3\n3\n" },
  { program: "4-bwrap.ts", stdout: "3\n", skip: withoutBwrap },
  {
    program: "5-docker.ts",
    stdout: "{ value: 42, workerIsMain: false, ok: true }\n",
    // The program removes its container before it shuts the pool down. In between the pool may replace the lost worker,
    // and podman then refuses the name, which was used already.
    stderr: /^(Error: container id file exists\..*\n)?$/,
    skip: containers.available ? undefined : containers.reason,
  },
];

describe.each(["24", "26"])("installed as `knitting`, on Node %s", (major) => {
  /** Runs a program as a user does, with the runtimes on PATH. `docker` is podman with a label for its containers. */
  function runSeed(program: string) {
    const env = {
      ...containers.environment,
      PATH: `${bin}:${process.env.PATH}`,
      DOCKER_BINARY: docker,
      KNITTING_DOCKER_IMAGE: containers.image,
    };
    return run(join(bin, major), [program], { cwd: alias, env });
  }

  test.for([...blocks, ...policies])("the seed's $program runs unchanged", async (block, context) => {
    const { program, stdout, stderr = /^$/, skip } = block;
    context.skip(skip !== undefined, skip);
    copySeeds(context);
    const outcome = await runSeed(program);
    const left = containers.available ? allContainers(label) : [];
    removeContainers(left);
    expect(outcome).toEqual({ status: 0, stdout, stderr: expect.stringMatching(stderr) });
    expect(left, "containers").toEqual([]);
  });

  describe.each(runtimes)("with the runtime replaced by %s", (runtime) => {
    // The container of 5-docker.ts has only Node.
    test.for(blocks.filter(({ program }) => program !== "5-docker.ts"))(
      "the seed's $program runs",
      async ({ program, stdout, skip }, context) => {
        context.skip(skip !== undefined, skip);
        copySeeds(context);
        const source = readFileSync(join(alias, program), "utf8");
        const replaced = source.replace(/processRuntime: "\w+"/, `processRuntime: "${runtime}"`);
        expect(replaced).toContain(`processRuntime: "${runtime}"`);
        write(alias, { [`${runtime}-${program}`]: replaced });
        expect(await runSeed(`${runtime}-${program}`)).toEqual({ status: 0, stdout, stderr: "" });
      },
    );
  });

  test.for(runtimes)("the seed's 1-strict.ts runs with process workers on %s", async (runtime, context) => {
    copySeeds(context);
    const source = readFileSync(join(alias, "1-strict.ts"), "utf8");
    const worker = `worker: { runtime: "process", processRuntime: "${runtime}" },`;
    const replaced = source.replace("threads: 2,", (threads) => `${threads} ${worker}`);
    expect(replaced).toContain(worker);
    write(alias, { [`${runtime}-1-strict.ts`]: replaced });
    expect(await runSeed(`${runtime}-1-strict.ts`)).toEqual({ status: 0, stdout: "42\n", stderr: "" });
  });

  test("the host never evaluates the module of an imported task", async (context) => {
    copySeeds(context);
    write(alias, {
      "worker-tasks.ts": `
        import { isMain } from "knitting";
        if (isMain) throw new Error("evaluated on the host");
        export const add = ([a, b]: [number, number]) => a + b;
      `,
    });
    expect(await runSeed("2-import-task.ts")).toEqual({ status: 0, stdout: "3\n", stderr: "" });
  });
});

test("the seeds' programs type-check against the installed package", async (context) => {
  copySeeds(context);
  const tsc = join(root, "node_modules", "typescript", "bin", "tsc");
  const flags = ["--noEmit", "--strict", "--module", "nodenext", "--target", "es2022", "--lib", "esnext"];
  const types = ["--types", "node", "--typeRoots", join(root, "node_modules", "@types")];
  const programs = [...[...blocks, ...policies].map(({ program }) => program), "docker-worker-tasks.ts"];
  const outcome = await run(process.execPath, [tsc, ...flags, ...types, ...programs], { cwd: alias });
  expect(outcome).toEqual({ status: 0, stdout: "", stderr: "" });
});

describe.each(Object.keys(nodes))("installed as `knitting-native`, on Node %s", (major) => {
  const examples = {
    "process-pool.mjs": ["[ 168, 9592 ]"],
    "process-pool.cjs": ["[ 3, 5 ]"],
    "import-task.mjs": ["ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"],
    "crash.mjs": ["WorkerCrashedError: divide ended by SIGKILL", "3"],
  };

  test.each(Object.entries(examples))(
    "the example %s prints what its comments say",
    async (program, lines) => {
      cpSync(join(root, "examples"), plain, { recursive: true });
      const source = readFileSync(join(plain, program), "utf8");
      for (const line of lines) {
        expect(source).toContain(`// ${line}\n`);
      }
      const outcome = await run(nodes[major], [program], { cwd: plain });
      expect(outcome).toEqual({ status: 0, stdout: `${lines.join("\n")}\n`, stderr: "" });
    },
  );

  test("the example web-server.mjs answers, ends what hangs, and lets requests finish on SIGTERM", async () => {
    cpSync(join(root, "examples"), plain, { recursive: true });
    const env = { ...process.env, WORKERS: "1", QUEUE: "1", TIMEOUT: "3000" };
    const server = spawn(nodes[major], ["web-server.mjs"], {
      cwd: plain,
      env,
      stdio: ["ignore", "pipe", "inherit"],
    });
    onTestFinished(() => void server.kill("SIGKILL"));
    const ended = once(server, "exit");
    const lines = createInterface({ input: server.stdout })[Symbol.asyncIterator]();
    const [, port] = /^listens on port (\d+)$/.exec((await within(lines.next())).value) as RegExpExecArray;
    const ask = async (path: string) => {
      const response = await fetch(`http://127.0.0.1:${port}${path}`);
      return `${response.status} ${await response.text()}`;
    };
    const key = pbkdf2Sync("secret", "salt", 25_000, 16, "sha256").toString("hex");
    const ready = async () => {
      while ((await ask("/health")) !== "200 ok\n") {}
    };
    await within(ready());
    expect(await within(ask("/derive?word=secret"))).toBe(`200 ${key}\n`);

    // One hangs, one may wait, and the others are refused.
    const hung = ask("/derive?rounds=1e9");
    await within(ask("/health"));
    const others = await within(Promise.all([0, 1, 2, 3].map(() => ask("/derive?word=secret"))));
    expect(others.filter((answer) => answer === "503 QueueFullError\n").length).toBeGreaterThanOrEqual(3);
    expect(await within(hung)).toBe("504 TaskTimeoutError\n");
    await within(ready());
    expect(await within(ask("/derive?word=secret"))).toBe(`200 ${key}\n`);

    const last = ask("/derive?word=secret&rounds=5e5");
    await within(ask("/health"));
    server.kill("SIGTERM");
    expect(await within(last)).toMatch(/^200 [0-9a-f]{32}\n$/);
    expect((await within(lines.next())).value).toBe("closed, 0 requests were cut off");
    expect(await within(ended)).toEqual([0, null]);
  });

  test("require and import see the same classes and functions", async () => {
    write(plain, {
      "both.mjs": `
        import { createRequire } from "node:module";
        import * as imported from "knitting-native";
        const required = createRequire(import.meta.url)("knitting-native");
        const names = Object.keys(required);
        const same = names.filter((name) => imported[name] === required[name]);
        console.log(names.includes("createPool"), names.length - same.length);
      `,
    });
    expect(await run(nodes[major], ["both.mjs"], { cwd: plain })).toEqual({
      status: 0,
      stdout: "true 0\n",
      stderr: "",
    });
  });

  test("outside Linux it can be imported, and a pool says UnsupportedPlatformError", async () => {
    write(plain, {
      "elsewhere.mjs": `
        Object.defineProperty(process, "platform", { value: "darwin" });
        const { createPool, isMain, UnsupportedPlatformError } = await import("knitting-native");
        console.log(isMain);
        try {
          createPool();
        } catch (error) {
          console.log(error instanceof UnsupportedPlatformError, error.message);
        }
      `,
    });
    const { stdout } = await run(nodes[major], ["elsewhere.mjs"], { cwd: plain });
    expect(stdout).toMatch(/^true\ntrue .* runs on Linux, this is darwin/);
  });
});

test("nothing runs when it is installed, and it needs no other package", () => {
  const { scripts, dependencies } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  expect(Object.keys(scripts).filter((name) => /^(pre|post)?(install|prepare)$/.test(name))).toEqual([]);
  expect(dependencies).toBeUndefined();
});

describe("the command knitting-native", () => {
  const command = join(plain, "node_modules", ".bin", "knitting-native");

  test("tells its version and how it is used", async () => {
    const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
    const told = await run(command, ["--version"], { cwd: plain });
    expect(told).toEqual({ status: 0, stdout: `${version}\n`, stderr: "" });
    const help = await run(command, ["--help"], { cwd: plain });
    expect(help).toMatchObject({ status: 0, stderr: "" });
    expect(help.stdout).toMatch(/^Usage: knitting-native/);
  });

  test.each([["--verison"], ["top"]])("refuses %s in a sentence", async (argument) => {
    const { status, stdout, stderr } = await run(command, [argument], { cwd: plain });
    expect({ status, stdout }).toEqual({ status: 2, stdout: "" });
    expect(stderr).toMatch(new RegExp(`^knitting-native: .*${argument}.*\\n\\nUsage:`));
  });
});

test("under Yarn's Plug'n'Play createPool refuses and names the setting", async () => {
  write(plain, {
    "pnp.mjs": `
      Object.defineProperty(process.versions, "pnp", { value: "3" });
      const { createPool, UnsupportedPlatformError } = await import("knitting-native");
      try {
        createPool({ worker: { runtime: "process", processRuntime: "node" } });
      } catch (error) {
        console.log(error instanceof UnsupportedPlatformError, error.message);
      }`,
  });
  const { stdout } = await run(process.execPath, ["pnp.mjs"], { cwd: plain });
  expect(stdout).toMatch(/^true createPool: .*nodeLinker: node-modules/);
});

describe("a launcher that can't be executed", () => {
  const launcher = join(plain, "node_modules", "knitting-native", native, "knitting-launcher");
  const program = ["process-pool.mjs"];

  test("gets its right back at first use", async () => {
    cpSync(join(root, "examples"), plain, { recursive: true });
    chmodSync(launcher, 0o644);
    expect(await run(process.execPath, program, { cwd: plain })).toMatchObject({ status: 0, stderr: "" });
    expect(statSync(launcher).mode & 0o777).toBe(0o755);
  });

  test.skipIf(!isRoot)("is told with the command that mends it, where this user may not", async () => {
    cpSync(join(root, "examples"), plain, { recursive: true });
    chmodSync(launcher, 0o644);
    // A temporary folder can be read only by its owner.
    chmodSync(temporary, 0o755);
    const { status, stderr } = await run(process.execPath, program, { cwd: plain, uid: ORDINARY_USER });
    chmodSync(launcher, 0o755);
    expect(status).toBe(1);
    expect(stderr).toContain("UnsupportedPlatformError: knitting-native can't execute its launcher");
    expect(stderr).toContain(`Run \`chmod 755 ${launcher}\` as the user who owns it`);
  });
});

describe.each(["threads", "forks"])("somebody else's vitest suite with --pool %s", (pool) => {
  test.each(Object.keys(nodes))("passes and ends by itself on Node %s", async (major) => {
    write(plain, {
      "suite/tasks.mjs": "export const add = ([a, b]) => a + b;\n",
      "suite/pool.test.ts": `
        import { createPool, importTask, isMain, TaskNotFoundError } from "knitting-native";
        import { expect, test } from "vitest";
        import { add } from "./tasks.mjs";

        const imported = importTask<[number, number], number>({ href: "./tasks.mjs", name: "add" });
        const kinds = [{ runtime: "thread" }, { runtime: "process", processRuntime: "node" }] as const;

        test("a test is a host", () => expect(isMain).toBe(true));

        test.each(kinds)("a pool that is shut down: %o", async (worker) => {
          const pool = createPool({ threads: 2, worker })({ add: imported });
          expect(await pool.call.add([1, 2])).toBe(3);
          await pool.shutdown();
        });

        test.each(kinds)("a pool that is left behind: %o", async (worker) => {
          const pool = createPool({ threads: 2, worker })({ add: imported });
          expect(await pool.call.add([1, 2])).toBe(3);
        });

        test.each(kinds)("a function that this file does not export is no task: %o", (worker) => {
          expect(() => createPool({ worker })({ add })).toThrow(TaskNotFoundError);
        });
      `,
    });
    const vitest = join(root, "node_modules", "vitest");
    if (!existsSync(join(plain, "node_modules", "vitest"))) {
      symlinkSync(vitest, join(plain, "node_modules", "vitest"));
    }
    const argv = [join(vitest, "vitest.mjs"), "run", "--root", "suite", "--pool", pool, "--no-color"];
    const { status, stdout, stderr } = await run(nodes[major], argv, { cwd: plain });
    expect(stdout).toMatch(/Tests +7 passed \(7\)/);
    // Vitest prints one of these words if it has to kill a process that doesn't end.
    expect(stdout + stderr).not.toMatch(/timed out|timeout|hanging|terminate/i);
    expect(status).toBe(0);
  });
});

describe("where the native parts are missing", () => {
  const installed = join(unbuilt, "node_modules", "knitting-native");
  const script = join(installed, "scripts", "install.mjs");

  beforeAll(async () => {
    await install(packed, unbuilt, "knitting-native");
    rmSync(join(installed, native, "knitting-native.node"));
    rmSync(join(installed, native, "knitting-launcher"));
    write(unbuilt, {
      "add.mjs": `
        import { createPool, isMain } from "knitting-native";
        export const add = ([a, b]) => a + b;
        if (isMain) {
          const pool = createPool({ worker: { runtime: "process", processRuntime: "node" } })({ add });
          console.log(await pool.call.add([1, 2]));
          await pool.shutdown();
        }
      `,
    });
  });

  test("the first pool says that cargo can build them, and how", async () => {
    const { status, stderr } = await run(process.execPath, ["add.mjs"], { cwd: unbuilt });
    expect(status).toBe(1);
    expect(stderr).toMatch(/UnsupportedPlatformError: knitting-native has no addon for linux-/);
    expect(stderr).toMatch(/cargo on PATH, `node .*install\.mjs` builds it/);
  });

  test.skipIf(!isRoot)("the script says so where its folder can't be written", async () => {
    chmodSync(temporary, 0o755);
    const { status, stderr } = await run(process.execPath, [script], { cwd: "/", uid: ORDINARY_USER });
    expect(status).toBe(1);
    expect(stderr).toMatch(/can't be built into .*: EACCES.*\nAs a user who may write there run `node /);
  });

  test("without cargo the install script fails and says what to do", async () => {
    const { status, stderr } = await run(process.execPath, [script], {
      cwd: unbuilt,
      env: { PATH: unbuilt },
    });
    expect(status).toBe(1);
    expect(stderr).toContain("it brings no native parts for linux-");
    expect(stderr).toContain("there is no cargo on PATH to build them");
    expect(stderr).toContain(`Install Rust (https://rustup.rs)`);
    expect(stderr).toContain(`then run \`node ${script}\``);
  });

  test(
    "with cargo the install script builds them, and a call works",
    async () => {
      // The test proves that the parts can be built, not how fast they are. Optimization would take half of the time.
      const env = {
        CARGO_TARGET_DIR: join(temporary, "target"),
        CARGO_PROFILE_RELEASE_OPT_LEVEL: "0",
        CARGO_PROFILE_RELEASE_LTO: "off",
        CARGO_PROFILE_RELEASE_CODEGEN_UNITS: "16",
      };
      const build = await run(process.execPath, [script], { cwd: unbuilt, env, watchdog: 10 * minutes });
      expect(build, build.stderr).toMatchObject({ status: 0 });
      const outcome = await run(process.execPath, ["add.mjs"], { cwd: unbuilt });
      expect(outcome).toEqual({ status: 0, stdout: "3\n", stderr: "" });
    },
    11 * minutes,
  );
});

/** The seeds lie beside this checkout, not in it. */
function copySeeds(context: TestContext): void {
  for (const folder of seeds) {
    context.skip(!existsSync(folder), `there is no ${folder}`);
    cpSync(folder, alias, { recursive: true });
  }
  // One of the programs says that it needs these folders.
  for (const name of ["data", "out"]) {
    mkdirSync(join(alias, name), { recursive: true });
  }
}
