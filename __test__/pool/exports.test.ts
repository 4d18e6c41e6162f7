/** What createPool finds out about a module before a worker has run it, and what the worker reports. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import {
  createPool,
  InvalidOptionError,
  importTask,
  TaskNotFoundError,
  WorkerBootError,
} from "knitting-native";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "knitting-exports-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

/** Writes a module with this text, and returns its URL. */
function written(file: string, text: string): string {
  const path = join(folder, file);
  writeFileSync(path, text);
  return pathToFileURL(path).href;
}

/** Calls the task of this name in a worker. */
async function run(href: string, name: string): Promise<unknown> {
  await using pool = createPool()({ [name]: importTask<void, unknown>({ href, name }) });
  return await pool.call[name]();
}

describe("a task is found however its module exports it", () => {
  test.each([
    ["exports.add = () => 1;"],
    ["Object.defineProperty(exports, '__esModule', { value: true }); exports.add = () => 1;"],
    ["exports.other = 1; Object.assign(exports, { add: () => 1 });"],
    ["exports.other = 1; const e = exports; e.add = () => 1;"],
    ["exports.other = 1; (function (e) { e.add = () => 1; })(exports);"],
    ["exports.other = 1; const helper = (e) => { e.add = () => 1; }; helper(exports);"],
    ["exports.other = 1; this.add = () => 1;"],
    ["exports.other = 1; arguments[0].add = () => 1;"],
    ["exports.other = 1; const m = module; m.exports.add = () => 1;"],
    ["exports.other = 1; Object.defineProperty(exports, 'add', { get: () => () => 1 });"],
    ["exports.other = 1; Object.defineProperties(exports, { add: { value: () => 1 } });"],
    ["exports.other = 1; exports['add'] = () => 1;"],
    ["exports.other = 1; exports.a\\u0064d = () => 1;"],
    ["exports.other = 1; exports.add ??= () => 1;"],
    ["exports.other = 1; [exports.add] = [() => 1];"],
  ])("CommonJS: %s", async (text) => {
    expect(await run(written("legal.cjs", text), "add")).toBe(1);
  });

  test.each([
    ["export const \\u0061dd = () => 1;"],
    ["const f = () => 1; export { f as 'a\\u0064d' };"],
    ["const f = () => 2, add = () => 1;\nexport {\n  f as other,\n  add,\n};"],
    ["const add = () => 2, f = () => 1;\nexport { add as other, f as add, };"],
    ["export const { add } = { add: () => 1 };"],
  ])("ES module: %s", async (text) => {
    expect(await run(written("legal.mjs", text), "add")).toBe(1);
  });
});

describe("a task that its module provably lacks is refused at once", () => {
  test.each([
    ["lacks.cjs", "exports.other = () => 1; exports.another = 2;", "it exports other, another"],
    [
      "marked.cjs",
      '"use strict"; Object.defineProperty(exports, "__esModule", { value: true }); exports.other = void 0;',
      "it exports other",
    ],
    ["lacks.mjs", "export const other = () => 1;", "it exports other"],
    ["renames.mjs", "const add = () => 1;\nexport { add as other };", "it exports other"],
  ])("%s", (file, text, message) => {
    const add = importTask({ href: written(file, text), name: "add" });
    expect(() => createPool()({ add })).toThrow(TaskNotFoundError);
    expect(() => createPool()({ add })).toThrow(message);
  });
});

test.each(["file://host/x.mjs", "file:///a%2Fb.mjs", "./100%.mjs", "file://[/x.mjs"])(
  "a URL that is no file's is refused with its task: %s",
  (href) => {
    const create = () => createPool()({ add: importTask({ href, name: "add" }) });
    expect(create).toThrow(InvalidOptionError);
    expect(create).toThrow(`task "add": ${href.startsWith("./") ? "file:///" : href}`);
  },
);

describe("a module that can't be imported fails the boot, and the message says why", () => {
  test("a package that is missing is not the module", async () => {
    const href = written("needy.mjs", "import 'no-such-package'; export const add = () => 1;");
    const failure = await run(href, "add").catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(WorkerBootError);
    expect(failure).toMatchObject({ message: expect.stringContaining("'no-such-package'") });
  });

  test.each([
    ["null", "failed in the worker: null"],
    ["undefined", "failed in the worker: undefined"],
    ["Object.create(null)", "failed in the worker: [Object: null prototype] {}"],
  ])("throw %s", async (thrown, message) => {
    const href = written("throws.mjs", `export const add = () => 1; throw ${thrown};`);
    const failure = await run(href, "add").catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(WorkerBootError);
    expect(failure).toMatchObject({ message: expect.stringContaining(message) });
  });
});

test("a pool inside a running task is refused", async () => {
  const href = written(
    "nested.mjs",
    `import knitting from ${JSON.stringify(pathToFileURL(join(__dirname, "../../dist/index.js")).href)};
     export const nest = () => void knitting.createPool()({ nest });`,
  );
  await expect(run(href, "nest")).rejects.toThrow(
    "in a worker of a pool, and workers have no pools of their own",
  );
});
