import { spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, relative } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { InvalidOptionError } from "../../build/base/errors.js";
import { resolveOptions } from "../../build/pool/options.js";
import { runtimeCommand } from "../../build/runtime/command.js";
import { environmentOf, valuesOf } from "../../build/runtime/environment.js";
import { findRuntime } from "../../build/runtime/executable.js";
import { stackBytes } from "../../build/runtime/resource-limits.js";
// @ts-expect-error the scripts are plain JavaScript
import { ensureRuntimes } from "../../scripts/runtimes.mjs";

const paths: Record<string, string> = ensureRuntimes();
const runtimes = ["node", "deno", "bun"] as const;
const executable = { node: process.execPath, deno: paths.deno, bun: paths.bun };

const resolve = (worker: object, workerExecArgv?: string[]) =>
  resolveOptions({ worker: { runtime: "process", ...worker }, workerExecArgv }).worker;

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "knitting-runtime-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

/** Creates a folder with these files. */
function project(files: Record<string, string>): string {
  const root = mkdtempSync(join(folder, "project-"));
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(root, name)), { recursive: true });
    writeFileSync(join(root, name), content);
  }
  return root;
}

/** Runs a script of a project like a worker's entry, with a stack limit if the options ask for one. */
function run(
  runtime: (typeof runtimes)[number],
  root: string,
  script: string,
  { execArgv, args = [], ...worker }: { execArgv?: string[]; args?: string[]; resourceLimits?: object } = {},
) {
  const resolved = resolve({ processRuntime: runtime, ...worker }, execArgv);
  const command = runtimeCommand(resolved, executable[runtime], join(root, script));
  const stack = stackBytes(resolved);
  const limit = stack === undefined ? [] : ["prlimit", `--stack=${stack}`];
  const [program, ...rest] = [...limit, ...command, ...args];
  const env = valuesOf(environmentOf(resolved));
  const { status, stdout, stderr } = spawnSync(program, rest, { cwd: root, env, encoding: "utf8" });
  expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
  return stdout;
}

describe("where the executable is", () => {
  /** Sets PATH for one test. */
  function searchIn(...folders: string[]) {
    const { PATH } = process.env;
    onTestFinished(() => {
      process.env.PATH = PATH;
    });
    process.env.PATH = folders.join(":");
  }

  /** The message of the error that is thrown. */
  function refusal(worker: object): string {
    try {
      findRuntime(resolve(worker));
    } catch (error) {
      expect(error).toBeInstanceOf(InvalidOptionError);
      return (error as Error).message;
    }
    throw new Error("nothing was thrown");
  }

  test("node is what runs the host", () => {
    searchIn("/no/such");
    expect(findRuntime(resolve({ processRuntime: "node" }))).toBe(process.execPath);
  });

  test("deno and bun are found on PATH, where folders and files that can't be executed don't count", () => {
    const [first, second, third] = [project({ "deno/x": "" }), project({ deno: "" }), project({})];
    symlinkSync(paths.deno, join(third, "deno"));
    symlinkSync(paths.bun, join(third, "bun"));
    searchIn("/no/such", first, second, third);
    expect(findRuntime(resolve({}))).toBe(join(third, "deno"));
    expect(findRuntime(resolve({ processRuntime: "bun" }))).toBe(join(third, "bun"));
    searchIn(relative(process.cwd(), third));
    expect(findRuntime(resolve({}))).toBe(join(third, "deno"));
  });

  test("one that is missing is an error with the options to say and what was found instead", () => {
    const root = project({});
    symlinkSync(paths.bun, join(root, "bun"));
    searchIn(root);
    expect(refusal({})).toBe(
      'createPool: worker.processRuntime is "deno" (the default), and there is no executable "deno" on PATH. ' +
        "Install it, or say where it is by worker.processRuntimePath. " +
        `Found instead: "node" (${process.execPath}), "bun" (${join(root, "bun")})`,
    );
    searchIn();
    expect(refusal({ processRuntime: "bun" })).toContain(
      `worker.processRuntime is "bun", and there is no executable "bun" on PATH`,
    );
  });

  test("processRuntimePath is a path or a name on PATH", () => {
    const root = project({ tool: "", "folder/x": "" });
    const from = (processRuntimePath: string) => ({ processRuntime: "deno", processRuntimePath });
    expect(findRuntime(resolve(from(paths.deno)))).toBe(paths.deno);
    expect(findRuntime(resolve(from(relative(process.cwd(), paths.deno))))).toBe(paths.deno);
    symlinkSync(paths.deno, join(root, "my-deno"));
    searchIn(root);
    expect(findRuntime(resolve(from("my-deno")))).toBe(join(root, "my-deno"));
    for (const path of ["./no/such", root, join(root, "tool")]) {
      expect(refusal(from(path))).toBe(
        `createPool: "worker.processRuntimePath" is ${JSON.stringify(path)}, it must be a file that can be executed`,
      );
    }
    chmodSync(join(root, "tool"), 0o755);
    expect(findRuntime(resolve(from("tool")))).toBe(join(root, "tool"));
    expect(refusal(from("no-such"))).toContain("it must be a path, or the name of a program on PATH");
  });

  test("behind a wrapper with named memory it is looked for there, not here", () => {
    searchIn();
    const container = { processCommandPrefix: ["docker"], processSharedMemory: "named" };
    for (const processRuntime of runtimes) {
      expect(findRuntime(resolve({ ...container, processRuntime }))).toBe(processRuntime);
    }
    const processRuntimePath = "/opt/in/the/image";
    expect(findRuntime(resolve({ ...container, processRuntimePath }))).toBe(processRuntimePath);
    expect(() => findRuntime(resolve({ processCommandPrefix: ["nice"] }))).toThrow(InvalidOptionError);
    expect(() => findRuntime(resolve({ processSharedMemory: "named" }))).toThrow(InvalidOptionError);
  });
});

describe("the command line", () => {
  const command = (worker: object, execArgv?: string[], path = "/bin/x") =>
    runtimeCommand(resolve(worker, execArgv), path, "/entry.js");
  const resourceLimits = { maxOldGenerationSizeMb: 99.5, maxYoungGenerationSizeMb: 10, stackSizeMb: 1.5 };
  const v8 = ["--max-old-space-size=100", "--max-semi-space-size=4", "--stack-size=1536"];

  test("node gets workerExecArgv, then the limits", () => {
    expect(command({ processRuntime: "node", resourceLimits }, ["--expose-gc"])).toEqual([
      "/bin/x",
      "--expose-gc",
      ...v8,
      "/entry.js",
    ]);
  });

  test("node gets the host's flags if it is the host's executable", () => {
    const { execArgv } = process;
    onTestFinished(() => {
      process.execArgv = execArgv;
    });
    process.execArgv = ["--expose-gc", "--require", "./a.js"];
    const root = project({});
    const link = join(root, "node");
    symlinkSync(process.execPath, link);
    const node = { processRuntime: "node" };
    expect(command(node, undefined, process.execPath)).toEqual([
      process.execPath,
      "--expose-gc",
      "/entry.js",
    ]);
    expect(command(node, undefined, link)).toEqual([link, "--expose-gc", "/entry.js"]);
    expect(command(node, [], link)).toEqual([link, "/entry.js"]);
    expect(command(node, undefined, paths["24"])).toEqual([paths["24"], "/entry.js"]);
    // In a container.
    expect(command(node, undefined, "node")).toEqual(["node", "/entry.js"]);
    expect(command({ processRuntime: "bun" }, undefined, process.execPath)).not.toContain("--expose-gc");
  });

  test("deno gets its own flags, then workerExecArgv, then the limits", () => {
    const [program, verb, ...flags] = command({ resourceLimits }, ["--deny-net"]);
    expect([program, verb]).toEqual(["/bin/x", "run"]);
    expect(flags.slice(-3)).toEqual(["--deny-net", `--v8-flags=${v8.join(",")}`, "/entry.js"]);
  });

  test("bun gets its own flags, then workerExecArgv", () => {
    const [program, verb, ...flags] = command({ processRuntime: "bun" }, ["--smol"]);
    expect([program, verb]).toEqual(["/bin/x", "run"]);
    expect(flags.slice(-2)).toEqual(["--smol", "/entry.js"]);
  });
});

const importer = `
  import(process.argv[2]).then(({ default: f }) => console.log(f()), ({ message }) => console.log("error:", message));`;

const library = {
  "node_modules/esm/package.json": '{ "type": "module", "exports": "./index.js" }',
  "node_modules/esm/index.js": 'export const name = "esm";',
  "node_modules/common/package.json": "{}",
  "node_modules/common/index.js": 'exports.name = "common";',
  // This package's own worker entry lies in such a folder too.
  "node_modules/pool/package.json": '{ "type": "commonjs" }',
  "node_modules/pool/entry.js": importer,
};

describe.each(["deno", "bun"] as const)("%s runs a project of Node's as Node does", (runtime) => {
  const load = (root: string, module: string) =>
    run(runtime, root, "node_modules/pool/entry.js", {
      args: [pathToFileURL(join(root, module)).href],
    }).trim();

  test.each([
    ["without package.json", {}],
    [
      "with one",
      { "package.json": '{ "dependencies": { "esm": "*", "common": "^1.0.0", "gone": "workspace:^" } }' },
    ],
  ])("packages come from node_modules, %s", (_, files) => {
    const root = project({
      ...library,
      ...files,
      "task.ts": `
        import { name } from "esm";
        import * as common from "common";
        import { helper } from "./helper.ts";
        import { basename } from "path";
        export default (): string => [name, common.name, helper(2), basename("a/b")].join();`,
      "helper.ts": `
        enum Factor { Two = 2 }
        export function helper(value: number): number {
          using factor = { value: Factor.Two, [Symbol.dispose]() {} };
          return value * factor.value;
        }`,
    });
    expect(load(root, "task.ts")).toBe("esm,common,4,b");
  });

  test.each([["{}"], ['{ "type": "commonjs" }']])("a CommonJS module with package.json %s", (text) => {
    const root = project({
      ...library,
      "package.json": text,
      "task.js": 'exports.f = () => require("path").sep;',
    });
    writeFileSync(
      join(root, "entry.js"),
      'import("./task.js").then(({ default: { f } }) => console.log(f()));',
    );
    expect(run(runtime, root, "entry.js")).toBe("/\n");
  });

  test("a missing package is an error: nothing is installed, and nothing is written into the project", () => {
    const root = project({
      ...library,
      "package.json": '{ "dependencies": { "ms": "2.1.3", "esm": "*" } }',
      "tsconfig.json": '{ "compilerOptions": { "module": "commonjs", "unknownOption": true } }',
      "deno.json": '{ "nodeModulesDir": "auto", "unknown": 1 }',
      "task.mjs": 'import { name } from "esm"; export default () => name;',
      "missing.mjs": 'import ms from "ms"; export default () => ms(1000);',
    });
    const before = readdirSync(root, { recursive: true }).sort();
    expect(load(root, "missing.mjs")).toMatch(/^error: .*ms/);
    expect(load(root, "task.mjs")).toBe("esm");
    expect(readdirSync(root, { recursive: true }).sort()).toEqual(before);
  });

  test("no .env file is read", () => {
    const root = project({
      ".env": "FROM_FILE=1",
      ".env.local": "FROM_FILE=2",
      "entry.js": "console.log(process.env.FROM_FILE)",
    });
    expect(run(runtime, root, "entry.js")).toBe("undefined\n");
  });
});

describe("limits of memory", () => {
  const root = () =>
    project({
      "limits.js": `
        let depth = 0;
        const f = (x) => (depth++, f(x + 1) + 1);
        try { f(0); } catch {}
        console.log(JSON.stringify([require("v8").getHeapStatistics().heap_size_limit / 2 ** 20, depth]));`,
    });
  const measure = (runtime: "node" | "deno" | "bun", resourceLimits: object = {}) =>
    JSON.parse(run(runtime, root(), "limits.js", { resourceLimits, execArgv: [] })) as [number, number];

  test.each(["node", "deno"] as const)(
    "%s: old and young generation are the heap's limit together",
    (runtime) => {
      expect(measure(runtime, { maxOldGenerationSizeMb: 64, maxYoungGenerationSizeMb: 3 })[0]).toBe(67);
      // V8 rounds a third of the young generation to a power of two.
      expect(measure(runtime, { maxOldGenerationSizeMb: 63.5, maxYoungGenerationSizeMb: 10 })[0]).toBe(76);
    },
  );

  test.each(runtimes)("%s: a stack larger than the system's usual limit", (runtime) => {
    const [, usual] = measure(runtime, { stackSizeMb: 1 });
    const [, large] = measure(runtime, { stackSizeMb: 32 });
    expect(large / usual).toBeGreaterThan(16);
  });
});
