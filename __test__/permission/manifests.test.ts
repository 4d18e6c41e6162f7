/**
 * Files that a runtime insists on reading beside the tasks' modules: a `package.json` in a folder that is too wide to be
 * granted, and what Deno and Bun read beside it. The package is installed in the home folder, as `npm install` does it
 * there.
 */
import {
  copyFileSync,
  cpSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readlinkSync,
  realpathSync,
  rmSync,
} from "node:fs";
import { join } from "node:path";
import type { WorkerOptions } from "knitting-native";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
// @ts-expect-error the scripts are plain JavaScript
import { ensureNodes } from "../../scripts/runtimes.mjs";
import { missing } from "../support/containers";
import { run, write } from "../support/installed";
import { kinds } from "../support/kinds";

const root = join(__dirname, "..", "..");
const bare = kinds.filter(({ isWrapped }) => !isWrapped);
const nodes = Object.entries(ensureNodes() as Record<string, string>);
const workers: { name: string; worker: WorkerOptions }[] = [
  ...bare,
  ...nodes.map(([version, processRuntimePath]) => ({
    name: `process on node ${version}`,
    worker: { runtime: "process" as const, processRuntime: "node" as const, processRuntimePath },
  })),
];

let folder: string;
let home: string;
let at: (path: string) => string;
beforeAll(() => {
  folder = realpathSync(mkdtempSync("/var/tmp/knitting-manifests-"));
  home = join(folder, "home");
  at = (path) => join(home, path);
  // The module has a bare import, and .js says nothing of its kind: for both a runtime needs the package.json.
  const esm = 'import { polite } from "polite";\nexport const f = () => polite;\n';
  write(home, {
    "package.json": '{ "type": "module", "dependencies": { "polite": "1.0.0" }, "workspaces": ["project"] }',
    ".npmrc": "//registry/:_authToken=secret",
    "tools/tasks.js": esm,
    "tasks.js": esm,
    "tools/reads.js":
      'import { readFileSync } from "node:fs";\nexport const f = () => readFileSync(new URL("../.npmrc", import.meta.url), "utf8");\n',
    "project/package.json": '{ "type": "module" }',
    "project/tasks.js": esm,
    "other/data.txt": "1",
    "node_modules/polite/package.json":
      '{ "name": "polite", "version": "1.0.0", "main": "index.js", "type": "module" }',
    "node_modules/polite/index.js": 'export const polite = "please";\n',
  });
  const own = at("node_modules/knitting-native");
  mkdirSync(own);
  for (const part of ["dist", "npm", "package.json"]) {
    cpSync(join(root, part), join(own, part), { recursive: true, dereference: true });
  }
  copyFileSync(join(root, "__test__", "fixtures", "hosts", "one-task.mjs"), at("host.mjs"));
});
afterAll(() => rmSync(folder, { recursive: true }));

interface Found {
  readonly result?: string;
  readonly needs?: readonly string[];
  readonly code?: string;
  readonly message?: string;
}

/** What comes of the task in `file` in a host whose home folder is `home`. */
async function outcomeOf(
  of: { worker: object; permission: object | string | null; cwd: string; file: string; home: string },
  wrapper: readonly string[] = [],
): Promise<Found> {
  const { home: HOME, ...rest } = of;
  const [program, ...argv] = [...wrapper, process.execPath, join(home, "host.mjs"), JSON.stringify(rest)];
  // A thread warns of what its flags can't keep.
  const outcome = await run(program, argv, { cwd: home, env: { HOME, NODE_NO_WARNINGS: "1" } });
  expect(outcome).toMatchObject({ status: 0, stderr: "" });
  return JSON.parse(outcome.stdout);
}

describe.each(workers)("$name", ({ name, worker }) => {
  const isBun = name.includes("bun");

  test.each([
    ["in a folder below home", "tools/tasks.js", () => ({ read: ["."] })],
    ["in a folder below home, under the strict profile", "tools/tasks.js", () => "strict"],
    ["in a package below home", "project/tasks.js", () => ({ read: ["."] })],
  ])("a module %s is imported", async (_, file, permission) => {
    const found = await outcomeOf({
      worker,
      permission: permission(),
      cwd: at("other"),
      file: at(file),
      home,
    });
    expect(found.result, found.message).toBe("please");
    // The file alone: the home folder stays closed.
    expect(found.needs).not.toContain(home);
  });

  test("and so it is where home is the project, and only a part of it is granted", async () => {
    const permission = { read: ["./other"] };
    const found = await outcomeOf({ worker, permission, cwd: home, file: at("tasks.js"), home });
    if (isBun) {
      // Bun lists the folder of a module.
      expect(found.code).toBe("KNITTING_INVALID_OPTION");
      expect(found.message).toContain(`add "${home}" to "permission.read"`);
    } else {
      expect(found.result, found.message).toBe("please");
      expect(found.needs).toContain(at("package.json"));
    }
    const granted = { read: ["./other", "."] };
    const better = await outcomeOf({ worker, permission: granted, cwd: home, file: at("tasks.js"), home });
    expect(better.result, better.message).toBe("please");
  });

  test("the .npmrc beside it keeps no worker from booting, and is denied", async () => {
    for (const permission of [null, "strict"]) {
      const of = { worker, permission, cwd: home, file: at("tools/tasks.js"), home: folder };
      const found = await outcomeOf(of);
      expect(found.result, found.message).toBe("please");
      const secret = await outcomeOf({ ...of, file: at("tools/reads.js") });
      // Flags of threads can't deny it.
      const text = name === "thread" ? "//registry/:_authToken=secret" : undefined;
      expect(secret.result, secret.message).toBe(text);
    }
  });

  test("if it is denied, createPool says so or the module is imported without it", async () => {
    const permission = { denyRead: [at("package.json")], onUnsupported: "warn" };
    const found = await outcomeOf({ worker, permission, cwd: at("tools"), file: at("tools/tasks.js"), home });
    if (isBun || name === "thread") {
      expect(found.result, found.message).toBe("please");
    } else {
      expect(found.code).toBe("KNITTING_INVALID_OPTION");
      expect(found.message).toContain(`its runtime reads ${at("package.json")}`);
    }
  });

  test.skipIf(missing("bwrap") !== undefined)("a package.json in the root is no obstacle", async () => {
    const names = readdirSync("/").filter((name) => name !== "package.json");
    const disk = names.flatMap((name) =>
      lstatSync(`/${name}`).isSymbolicLink()
        ? ["--symlink", readlinkSync(`/${name}`), `/${name}`]
        : ["--dev-bind", `/${name}`, `/${name}`],
    );
    const wrapper = ["bwrap", "--tmpfs", "/", ...disk];
    wrapper.push("--ro-bind", at("package.json"), "/package.json", "--ro-bind", at("tools"), "/tools");
    wrapper.push("--ro-bind", at("node_modules"), "/node_modules", "--");
    const of = { worker, permission: { read: ["."] }, cwd: at("other"), file: "/tools/tasks.js", home };
    const found = await outcomeOf(of, wrapper);
    expect(found.result, found.message).toBe("please");
    expect(found.needs).toContain("/package.json");
    expect(found.needs).not.toContain("/");
  });
});
