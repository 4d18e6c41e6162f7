/** The flags of the host and its workers: what is inherited, and what is said of the rest. */
import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { createPool, importTask } from "knitting-native";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { inheritedExecArgv } from "../../build/runtime/exec-argv.js";
// @ts-expect-error the scripts are plain JavaScript
import { ensureNodes } from "../../scripts/runtimes.mjs";
import { run, write } from "../support/installed";
import { kindNamed, kindsInGate, on, onEveryRuntime } from "../support/kinds";
import { scope } from "../support/repetitions";

const root = join(__dirname, "..", "..");
let folder: string;

beforeAll(() => {
  // Not below /tmp, because sandboxes often hide it.
  folder = realpathSync(mkdtempSync("/var/tmp/knitting-flags-"));
  write(folder, {
    // Deno resolves the dependencies that a project declares.
    "package.json": '{ "type": "module", "dependencies": { "dual": "*" } }',
    "node_modules/dual/package.json": JSON.stringify({
      name: "dual",
      version: "1.0.0",
      exports: { special: "./special.js", development: "./development.js", default: "./usual.js" },
    }),
    "node_modules/dual/special.js": 'module.exports = "special";',
    "node_modules/dual/development.js": 'module.exports = "development";',
    "node_modules/dual/usual.js": 'module.exports = "usual";',
    "host.env": "FROM_FILE=yes\n",
    "preload.mjs": "globalThis.preloads = (globalThis.preloads ?? 0) + 1;",
    "preload.cjs": "globalThis.preloads = (globalThis.preloads ?? 0) + 1;",
    "tasks.mjs": `
      import { createRequire } from "node:module";
      const require = createRequire(import.meta.url);
      export const dual = async () => [(await import("dual")).default, require("dual")];
      export const preloads = () => globalThis.preloads ?? 0;
      export const variable = () => process.env.FROM_FILE;`,
    "typed.ts": "enum Numbers { Five = 5 }\nexport const plusFive = (x: number): number => x + Numbers.Five;",
    // Prints, for each name of a task, what it returns; and the codes and messages of warnings.
    "host.mjs": `
      import { createPool, importTask } from "knitting-native";
      const { worker, permission, workerExecArgv, pools = 1, href = "./tasks.mjs", names } = JSON.parse(process.argv[2]);
      process.on("warning", ({ code, message }) => console.log(JSON.stringify({ code, message })));
      for (let index = 0; index < pools; index++) {
        const tasks = Object.fromEntries(names.map((name) => [name, importTask({ href, name })]));
        const pool = createPool({ worker, permission, workerExecArgv })(tasks);
        for (const name of names) {
          const result = await pool.call[name](1).catch(({ message }) => message.split("\\n")[0]);
          console.log(JSON.stringify({ [name]: result }));
        }
        await pool.shutdown();
      }`,
  });
  for (const [name, target] of Object.entries({
    "knitting-native": root,
    tsx: join(root, "node_modules/tsx"),
  })) {
    symlinkSync(target, join(folder, "node_modules", name));
  }
  mkdirSync(join(folder, "empty"));
});
afterAll(() => rmSync(folder, { recursive: true }));

interface HostOptions {
  readonly flags?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly node?: string;
}

/** Runs a host with flags, and gives what it has printed. */
async function host(options: object, { flags = [], env = {}, node = process.execPath }: HostOptions = {}) {
  const { status, stdout, stderr } = await run(node, [...flags, "host.mjs", JSON.stringify(options)], {
    cwd: folder,
    env: { NODE_NO_WARNINGS: "1", ...env },
  });
  expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
  return stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}

test.each([
  ["--env-file .env", ""],
  ["--env-file=.env --no-warnings", "--no-warnings"],
  ["--env-file-if-exists .env --env-file .env.local", ""],
  ["--inspect-port 9229 --stack-trace-limit 5", "--stack-trace-limit 5"],
  ["--watch --watch-path ./src --expose-gc", "--expose-gc"],
  ["-r ./a.cjs --require=./b.cjs -C dev --max-http-header-size 9000", "-C dev --max-http-header-size 9000"],
  ["--import tsx --conditions=dev", "--conditions=dev"],
  ["--test --no-deprecation", "--no-deprecation"],
  ["--no-deprecation -e 1+1", "--no-deprecation"],
  ["--title my-host --enable-source-maps", "--enable-source-maps"],
])("of %j a worker gets %j", (given, inherited) => {
  expect(inheritedExecArgv(given.split(" "), false).join(" ")).toBe(inherited);
});

test("of a test runner's conditions a worker gets none", () => {
  const given = "--conditions node -C development --conditions=x --expose-gc".split(" ");
  expect(inheritedExecArgv(given, true)).toEqual(["--expose-gc"]);
});

// A container has files of its own.
on(
  kindsInGate.filter(({ name }) => !name.includes("container")),
  ({ worker, isProcess }) => {
    const names = ["dual"];

    test.each([
      ["-C", { flags: ["-C", "special"] }],
      ["--conditions=", { flags: ["--conditions=special"] }],
      ["NODE_OPTIONS", { env: { NODE_OPTIONS: '--no-deprecation "--conditions=special"' } }],
    ])("the host's conditions decide what a worker imports (%s)", async (_, options) => {
      for (const permission of [undefined, "unsafe"]) {
        expect(await host({ worker, permission, names }, options)).toEqual([
          { dual: ["special", "special"] },
        ]);
      }
      expect(await host({ worker, workerExecArgv: [], names }, options)).toEqual([
        { dual: ["usual", "usual"] },
      ]);
      const other = { worker, workerExecArgv: ["--conditions=development"], names };
      expect(await host(other, options)).toEqual([{ dual: ["development", "development"] }]);
    });

    test("those of Vitest don't", async () => {
      expect(process.execArgv.join(" ")).toContain("--conditions development");
      const warn = vi.spyOn(process, "emitWarning");
      const href = pathToFileURL(join(folder, "tasks.mjs")).href;
      await using pool = createPool({ worker })({ dual: importTask({ href, name: "dual" }) });
      expect(await pool.call.dual()).toEqual(["usual", "usual"]);
      expect(warn).not.toHaveBeenCalled();
      warn.mockRestore();
    });

    const runsNode = !isProcess || worker.processRuntime === "node";
    if (!runsNode) {
      test("preloads are Node's, and nothing is said of them", async () => {
        const flags = ["--import", "./preload.mjs"];
        expect(await host({ worker, names: ["preloads"] }, { flags })).toEqual([{ preloads: 0 }]);
      });
      return;
    }

    test("preloads are not inherited, and this is said once, with the option that gives them", async () => {
      const flags = ["--import", "./preload.mjs", "-r", "./preload.cjs", "--no-deprecation"];
      const lines = await host({ worker, pools: 2, names: ["preloads"] }, { flags });
      const warnings = lines.filter(({ code }) => code !== undefined);
      expect(lines.filter((line) => !warnings.includes(line))).toEqual([{ preloads: 0 }, { preloads: 0 }]);
      expect(warnings).toEqual([{ code: "KNITTING_PRELOADS_NOT_INHERITED", message: expect.any(String) }]);
      const { message } = warnings[0];
      expect(message).toContain(
        "this process runs with --import ./preload.mjs -r ./preload.cjs, and its workers do not",
      );
      const [, advised] = /workerExecArgv: (\[.*?\])\./.exec(String(message)) ?? [];
      const workerExecArgv = JSON.parse(advised);
      expect(workerExecArgv).toContain("--no-deprecation");
      for (const permission of [undefined, "unsafe"]) {
        const advisedOptions = { worker, permission, workerExecArgv, names: ["preloads"] };
        expect(await host(advisedOptions, { flags })).toEqual([{ preloads: 2 }]);
      }
      const none = { worker, workerExecArgv: [], names: ["preloads"] };
      expect(await host(none, { flags })).toEqual([{ preloads: 0 }]);
    });

    test("those of NODE_OPTIONS come with the variable alone", async () => {
      const env = { NODE_OPTIONS: "--import=./preload.mjs" };
      const lines = await host({ worker, names: ["preloads"] }, { env });
      expect(lines).toContainEqual({ preloads: 0 });
      expect(lines).toContainEqual({
        code: "KNITTING_PRELOADS_NOT_INHERITED",
        message: expect.stringContaining('workerExecArgv: ["--import=./preload.mjs"]'),
      });
      const passing = {
        worker,
        permission: { env: { allow: ["NODE_OPTIONS"] }, onUnsupported: "warn" },
        names: ["preloads"],
      };
      const passed = await host(passing, { env });
      expect(passed).toContainEqual({ preloads: 1 });
      expect(passed.map(({ code }) => code)).not.toContain("KNITTING_PRELOADS_NOT_INHERITED");
    });
  },
);

onEveryRuntime(({ worker }) => {
  test("a host with an environment file has workers", async () => {
    const options = { worker, permission: "unsafe", names: ["variable"] };
    expect(await host(options, { flags: ["--env-file", "host.env"] })).toEqual([{ variable: "yes" }]);
  });
});

// Of tsx, which takes TypeScript's enums, on the Nodes where it works in threads; the gate tries one of them.
const nodes = Object.entries(ensureNodes() as Record<string, string>);
const tried = nodes.filter(([version]) => scope === "soak" || version.startsWith("24"));

describe.each(tried)("on Node %s", (_, node) => {
  const esbuild = require.resolve(`@esbuild/linux-${process.arch}/bin/esbuild`);

  test.each([
    ["a thread", kindNamed("thread").worker],
    ["a process", { ...kindNamed("process on node").worker, processRuntimePath: node }],
  ])("--import tsx in workerExecArgv works in %s with the grants that its errors name", async (_, worker) => {
    const options = { href: "./typed.ts", names: ["plusFive"], workerExecArgv: ["--import", "tsx"] };
    const plusFive = async (more: object) => {
      const lines = await host({ ...options, worker, ...more }, { node });
      return lines.find(({ plusFive }) => plusFive !== undefined)?.plusFive;
    };
    expect(await plusFive({ permission: "unsafe" })).toBe(6);
    expect(await plusFive({})).toMatch(
      /plusFive.*If the pool's option "permission" denies that: permission\.run names programs/,
    );
    // Its cache is in the system's folder of temporary files.
    const run = [esbuild];
    const env = { TSX_DISABLE_CACHE: "1" };
    expect(await plusFive({ permission: { run, onUnsupported: "warn" } })).toMatch(
      /permission\.write names files and folders/,
    );
    expect(await plusFive({ worker: { ...worker, env }, permission: { run, onUnsupported: "warn" } })).toBe(
      6,
    );
  });
});
