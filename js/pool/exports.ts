/** What a module exports, as far as its text tells without running it. */
import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import * as cjs from "cjs-module-lexer";
import * as esm from "es-module-lexer";
import { TaskNotFoundError } from "../errors";

/**
 * Throws `TaskNotFoundError` if the module at `href` provably doesn't exist or doesn't export `name`. What its text
 * doesn't settle (`export *`, exports made at run time, text that can't be read here) is left to the worker.
 */
export function assertExported(task: string, href: string, name: string): void {
  if (!href.startsWith("file:")) {
    return;
  }
  const path = fileURLToPath(href);
  if (!existsSync(path)) {
    throw new TaskNotFoundError(`task "${task}": its module ${path} does not exist`);
  }
  if (isTestFile(path)) {
    throw new TaskNotFoundError(
      `task "${task}": ${path} is a test file, which only its test runner can import. Put the task in a module of its own and name it by importTask`,
    );
  }
  const exported = exportsOf(path);
  if (exported !== undefined && !exported.includes(name)) {
    const names = exported.length === 0 ? "nothing" : exported.join(", ");
    throw new TaskNotFoundError(
      `task "${task}": ${path} has no export "${name}" (it exports ${names}). A task goes into the pool under the name by which its own module exports it; importTask names an export of any other`,
    );
  }
}

/** The names a module exports; undefined where its text doesn't settle it. */
function exportsOf(path: string): string[] | undefined {
  try {
    const text = readFileSync(path, "utf8");
    return moduleExports(text) ?? commonJsExports(text);
  } catch {
    return undefined;
  }
}

/** Of an ES module, JavaScript or TypeScript; undefined if it is none, or re-exports all of another. */
function moduleExports(text: string): string[] | undefined {
  const [, exports, , isModule] = esm.parse(text);
  if (!isModule) {
    return undefined;
  }
  const names: string[] = [];
  for (const entry of exports) {
    if (entry.type === "reexport-all") {
      return undefined;
    }
    if (!entry.typeOnly) {
      names.push(entry.name);
    }
  }
  return names;
}

/** Of a CommonJS module that assigns nothing but plain names. */
function commonJsExports(text: string): string[] | undefined {
  // `module.exports = ...`, computed names and the like are settled when the module runs.
  if (/\bmodule\s*\.\s*exports\b|\bexports\s*\[|\bimport\b|\bexport\b/.test(text)) {
    return undefined;
  }
  const { exports, reexports } = cjs.parse(text);
  return reexports.length === 0 && exports.length > 0 ? [...exports] : undefined;
}

/** Whether this is the file that a vitest worker is running. */
function isTestFile(path: string): boolean {
  const runner = (globalThis as { __vitest_worker__?: { filepath?: string } }).__vitest_worker__;
  return runner?.filepath === path;
}
