/** Packages of a workspace: they lie in a folder above the one that the workers may read. */
import { mkdirSync, mkdtempSync, readdirSync, realpathSync, rmSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { createPool, importTask, type PoolOptions } from "knitting-native";
import { afterAll, beforeAll, expect, test } from "vitest";
import { write } from "../support/installed";
import { kindNamed, kindsInGate, on } from "../support/kinds";

const home = process.cwd();
let workspace: string;

const inside = (path: string) => join(workspace, path);

beforeAll(() => {
  // Not below /tmp, because sandboxes often hide it.
  workspace = realpathSync(mkdtempSync("/var/tmp/knitting-workspace-"));
  const only = (name: string) =>
    JSON.stringify({ name, version: "1.0.0", exports: { ".": "./lib/a.js", "./b": "./lib/b.js" } });
  write(workspace, {
    "package.json": '{ "private": true, "workspaces": ["packages/*"] }',
    "secret.txt": "of the workspace",
    // Deno resolves the dependencies that a project declares.
    "packages/app/package.json":
      '{ "name": "app", "type": "module", "dependencies": { "only": "*", "@scope/only": "*", "plain": "*", "sibling": "*" } }',
    "packages/app/tasks.mjs": `
      import { readdirSync, readFileSync } from "node:fs";
      export const load = async (name) => {
        const module = await import(name);
        return module.default;
      };
      export const read = (path) => readFileSync(path, "utf8");
      export const list = (path) => readdirSync(path).sort();`,
    "packages/sibling/package.json": '{ "name": "sibling", "version": "1.0.0", "exports": "./index.js" }',
    "packages/sibling/index.js": 'module.exports = "sibling, " + require("only");',
    "packages/other/notes.txt": "of another package",
    "node_modules/only/package.json": only("only"),
    "node_modules/only/lib/a.js": 'module.exports = "only";',
    "node_modules/only/lib/b.js": 'module.exports = "only/b";',
    "node_modules/@scope/only/package.json": only("@scope/only"),
    "node_modules/@scope/only/lib/a.js": 'module.exports = "@scope/only, " + require("only/b");',
    "node_modules/@scope/only/lib/b.js": 'module.exports = "@scope/only/b";',
    "node_modules/plain/package.json": '{ "name": "plain", "version": "1.0.0", "main": "index.js" }',
    "node_modules/plain/index.js": 'module.exports = "plain, " + require("@scope/only/b");',
  });
  symlinkSync("../packages/sibling", inside("node_modules/sibling"));
  mkdirSync(inside("packages/app/data"));
  // A thread has no working directory of its own.
  process.chdir(inside("packages/app"));
});
afterAll(() => {
  process.chdir(home);
  rmSync(workspace, { recursive: true, force: true });
});

function open(options: PoolOptions) {
  const href = pathToFileURL(inside("packages/app/tasks.mjs")).href;
  const take = <R>(name: string) => importTask<string, R>({ href, name });
  return createPool(options)({
    load: take<string>("load"),
    read: take<string>("read"),
    list: take<string[]>("list"),
  });
}

// A container has files of its own.
on(
  kindsInGate.filter(({ name }) => !name.includes("container")),
  ({ worker }) => {
    test("packages that have nothing but exports are found, by tasks and by other packages", async () => {
      await using pool = open({ worker });
      for (const [name, exported] of [
        ["only", "only"],
        ["only/b", "only/b"],
        ["@scope/only", "@scope/only, only/b"],
        ["plain", "plain, @scope/only/b"],
        ["sibling", "sibling, only"],
      ]) {
        expect(await pool.call.load(name), name).toBe(exported);
      }
    });
  },
);

test("Bun lists the folder that holds the packages, and finds there what it may read and nothing else", async () => {
  const { worker } = kindNamed("process on bun");
  await using pool = open({
    worker,
    permission: { read: [inside("packages/app")], write: [inside("packages/app/data")] },
  });
  expect(pool.permissions.needs).toContainEqual({ path: workspace, access: "list", for: "tasks" });
  expect(readdirSync(workspace).sort()).toEqual(["node_modules", "package.json", "packages", "secret.txt"]);
  expect(await pool.call.list(workspace)).toEqual(["node_modules", "packages"]);
  expect(await pool.call.list(inside("packages"))).toEqual(["app", "sibling"]);
  expect(await pool.call.list(inside("packages/app"))).toEqual(["data", "package.json", "tasks.mjs"]);
  for (const path of ["secret.txt", "package.json", "packages/other/notes.txt"]) {
    await expect(pool.call.read(inside(path)), path).rejects.toThrow(/ENOENT|EACCES/);
  }
  await expect(pool.call.list(join(workspace, "..")), "its parent").rejects.toThrow("EACCES");
});

test("where the folder that holds the packages may be read, it is as it is", async () => {
  const { worker } = kindNamed("process on bun");
  await using pool = open({ worker, permission: { read: [workspace] } });
  expect(pool.permissions.needs.filter(({ access }) => access === "list")).toEqual([]);
  expect(await pool.call.list(workspace)).toEqual(readdirSync(workspace).sort());
  expect(await pool.call.load("only")).toBe("only");
});

test("a worker may be in a folder of the workspace that it may not read", async () => {
  const { worker } = kindNamed("process on bun");
  await using pool = open({
    worker: { ...worker, cwd: inside("packages/other") },
    permission: { read: [inside("packages/app")], write: [] },
  });
  expect(await pool.call.load("only")).toBe("only");
  await expect(pool.call.read("notes.txt")).rejects.toThrow("EACCES");
});
