/** What runs the host: Node, and what looks like it. */
import {
  copyFileSync,
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
} from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
// @ts-expect-error the scripts are plain JavaScript
import { ensureRuntimes } from "../../scripts/runtimes.mjs";
import { run, write } from "../support/installed";
import { kinds } from "../support/kinds";

const runtimes: Record<string, string> = ensureRuntimes();
const root = join(__dirname, "..", "..");
const folder = mkdtempSync("/var/tmp/knitting-hosts-");
afterAll(() => rmSync(folder, { recursive: true }));

mkdirSync(join(folder, "node_modules"));
symlinkSync(root, join(folder, "node_modules", "knitting-native"));
write(folder, {
  // Deno resolves the dependencies that a project declares.
  "package.json": '{ "dependencies": { "knitting-native": "*" } }',
});

describe.each([
  ["Bun", "bun", ["run"]],
  ["Deno", "deno", ["run", "--allow-all"]],
])("in %s", (name, runtime, argv) => {
  test("createPool and a task's createPool say that the host is Node, and nothing else throws", async () => {
    write(folder, {
      "other.mjs": `
        import { createPool, isMain, task, UnsupportedPlatformError } from "knitting-native";
        export const double = (x) => x * 2;
        const treble = task({ f: (x) => x * 3 });
        console.log(isMain);
        for (const worker of [undefined, { runtime: "process", processRuntime: "bun" }]) {
          for (const create of [() => createPool({ worker })({ double }), () => treble.createPool({ worker })]) {
            try {
              console.log(create());
            } catch (error) {
              console.log(error instanceof UnsupportedPlatformError, error.code, error.message);
            }
          }
        }`,
    });
    const { status, stdout } = await run(runtimes[runtime], [...argv, "other.mjs"], { cwd: folder });
    const [isMain, ...refusals] = stdout.trim().split("\n");
    expect({ status, isMain }).toEqual({ status: 0, isMain: "true" });
    expect(refusals).toHaveLength(4);
    const sentence =
      `^true KNITTING_UNSUPPORTED_PLATFORM createPool: the host of a pool runs on Node, and this is ${name} ` +
      `[\\d.]+\\. Start this program with Node .*processRuntime: "${runtime}"`;
    for (const refusal of refusals) {
      expect(refusal).toMatch(new RegExp(sentence));
    }
  });
});

/** What a host has to say: the result of a call or an error, without what differs between runs. */
const POOL = `
  const print = ({ name, message }) => console.log(name + ": " + message);
  const options = JSON.parse(process.env.POOL ?? "{}");
  try {
    const pool = createPool(options)({ double: importTask({ href, name: "double" }) });
    pool.call.double(2).then(console.log, print).finally(() => pool.shutdown());
  } catch (error) {
    print(error);
  }`;

/** What the file of starts has. A worker has no variables of the host, but its working directory. */
const starts = () =>
  existsSync(join(folder, "starts")) ? readFileSync(join(folder, "starts"), "utf8").length : 0;

/** Runs a host whose pool has these options. */
async function host(program: string, argv: readonly string[], options: object) {
  rmSync(join(folder, "starts"), { force: true });
  const env = { POOL: JSON.stringify(options) };
  const { stdout, stderr } = await run(program, argv, { cwd: folder, env });
  return { outcome: stdout.trim(), stderr, starts: starts() };
}

beforeAll(() => {
  write(folder, {
    "tasks.mjs": "export const double = (x) => x * 2;",
    "sea.json": JSON.stringify({ main: "app.cjs", output: "app.blob", disableExperimentalSEAWarning: true }),
    "app.cjs": `
      const { createRequire } = require("node:module");
      const { createPool, importTask } = createRequire(process.cwd() + "/")("knitting-native");
      require("node:fs").appendFileSync("starts", ".");
      const href = process.cwd() + "/tasks.mjs";
      ${POOL}`,
    // In place of the programs that set these.
    "packed.cjs": `
      const { createPool, importTask } = require("knitting-native");
      const [where, key] = process.argv.slice(2);
      Object.defineProperty(where === "versions" ? process.versions : process, key, { value: "1.2.3" });
      const href = "./tasks.mjs";
      ${POOL}`,
    "preload.cjs": `
      const { createPool, importTask } = require("knitting-native");
      require("node:fs").appendFileSync("starts", ".");
      const options = { permission: "unsafe", workerExecArgv: ["--require", __filename] };
      createPool(options)({ double: importTask({ href: "./tasks.mjs", name: "double" }) });`,
    "preloading.cjs": `
      const { createPool, importTask } = require("knitting-native");
      const href = "./tasks.mjs";
      ${POOL}`,
  });
});

const processes = kinds.filter(({ isProcess, isWrapped }) => isProcess && !isWrapped);
const onNode = { runtime: "process", processRuntime: "node" };

describe("in a single executable", () => {
  const app = join(folder, "app");
  const alias = join(folder, "app-by-another-name");
  const node = runtimes[24];

  beforeAll(async () => {
    const made = await run(node, ["--experimental-sea-config", "sea.json"], { cwd: folder });
    expect(made, made.stderr).toMatchObject({ status: 0 });
    copyFileSync(node, app);
    const fuse = "NODE_SEA_FUSE_fce680ab2cc467b6e072b8b5df1996b2";
    const postject = join(root, "node_modules/.bin/postject");
    const injected = await run(postject, [app, "NODE_SEA_BLOB", "app.blob", "--sentinel-fuse", fuse], {
      cwd: folder,
    });
    expect(injected, injected.stderr).toMatchObject({ status: 0 });
    linkSync(app, alias);
  });

  test("threads work", async () => {
    expect(await host(app, [], {})).toEqual({ outcome: "4", stderr: "", starts: 1 });
  });

  test.each(processes)("a $name works, on an executable of its own", async ({ worker }) => {
    const processRuntimePath = worker.processRuntime === "node" ? node : worker.processRuntimePath;
    const outcome = await host(app, [], { worker: { ...worker, processRuntimePath } });
    expect(outcome).toEqual({ outcome: "4", stderr: "", starts: 1 });
  });

  test("createPool asks for processRuntimePath, and does not start the program as its own worker", async () => {
    for (const permission of [undefined, "unsafe"]) {
      const { outcome, starts } = await host(app, [], { permission, worker: onNode });
      expect(outcome).toMatch(
        new RegExp(
          `^InvalidOptionError: createPool: worker\\.processRuntime is "node", and this program is a single executable ` +
            `application: its executable ${app} would start.*Say by worker\\.processRuntimePath where a Node is`,
        ),
      );
      expect(starts).toBe(1);
    }
  });

  test.each([
    ["its own path", app],
    ["another name of it", alias],
  ])("%s as processRuntimePath is one start and no more", async (_, processRuntimePath) => {
    for (const permission of [undefined, "unsafe"]) {
      const { outcome, starts } = await host(app, [], {
        permission,
        worker: { ...onNode, processRuntimePath },
      });
      // Under a policy another executable is asked for its version, before any worker.
      const isAsked = permission === undefined && processRuntimePath !== app;
      const sentence = isAsked
        ? `InvalidOptionError: createPool: "${alias}" is to run the workers, and does not tell Node's version`
        : "WorkerBootError: a worker could not be started: it exited with status 121";
      expect(outcome).toContain(sentence);
      expect(outcome).toContain(
        `knitting-native: ${processRuntimePath} was started as a worker of a pool, and what runs there creates a pool itself`,
      );
      expect(starts).toBe(2);
    }
  });
});

describe.each([
  ["Electron 1.2.3", "versions", "electron"],
  ["NW.js 1.2.3", "versions", "nw"],
  ["an executable made by pkg", "process", "pkg"],
])("in %s", (name, ...marks) => {
  const argv = ["packed.cjs", ...marks];

  test("createPool asks for processRuntimePath, with which processes work, as threads do", async () => {
    const { outcome } = await host(process.execPath, argv, { worker: onNode });
    expect(outcome).toContain(`worker.processRuntime is "node", and this program is ${name}: its executable`);
    const given = { ...onNode, processRuntimePath: process.execPath };
    expect(await host(process.execPath, argv, { worker: given })).toMatchObject({ outcome: "4", stderr: "" });
    expect(await host(process.execPath, argv, {})).toMatchObject({ outcome: "4", stderr: "" });
  });
});

test.each([
  ["threads", {}, 3, "createPool was called in a worker thread of a pool"],
  ["processes", onNode, 1, "was started as a worker of a pool, and what runs there creates a pool itself"],
])("a preload of %s that creates a pool ends there", async (_, worker, most, sentence) => {
  const options = { permission: "unsafe", workerExecArgv: ["--require", "./preload.cjs"], worker };
  const { outcome, starts } = await host(process.execPath, ["preloading.cjs"], options);
  expect(outcome).toMatch(/^WorkerBootError: /);
  expect(outcome).toContain(sentence);
  // As often as a boot is tried.
  expect(starts).toBe(most);
});
