/** Finds out what a module exports, as far as its text shows that without running it. */
import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import * as esm from "es-module-lexer";
import { InvalidOptionError, TaskNotFoundError } from "../base/errors";

/** The advice that follows the name which a task's module doesn't export. */
export const TASK_ADVICE =
  ". A task goes into the pool under the name by which its own module exports it; importTask names an " +
  "export of any other. If a bundler has made that file: setModuleUrl(import.meta.url), called first " +
  "in the module that defines tasks by task(), lets them be found without their names";

/** Modules that were looked at. The tasks of a pool often have one module, which is read once. */
export class Modules {
  /** By their URLs. A module that does not exist is not kept. */
  readonly #seen = new Map<string, SeenModule>();

  /**
   * Throws `TaskNotFoundError` if the module at `href`, described by `what`, certainly doesn't exist or doesn't export
   * `name`, and `InvalidOptionError` if `href` is not the URL of a file. Whatever the text doesn't decide (`export *`,
   * exports made at run time, text that can't be read here) is left to the worker.
   */
  assertExported(what: string, href: string, name: string, advice = ""): void {
    const module = this.#look(what, href);
    if (module === undefined || module.seemsToDeclare(name)) {
      return;
    }
    const { path, exported } = module;
    if (exported !== null && !exported.includes(name)) {
      const names = exported.length === 0 ? "nothing" : exported.join(", ");
      throw new TaskNotFoundError(`${what}: ${path} has no export "${name}" (it exports ${names})${advice}`);
    }
  }

  /** The same check for the module alone. */
  assertExists(what: string, href: string): void {
    this.#look(what, href);
  }

  /** The module, if it is a file. */
  #look(what: string, href: string): SeenModule | undefined {
    if (!href.startsWith("file:")) {
      return undefined;
    }
    const seen = this.#seen.get(href);
    if (seen !== undefined) {
      return seen;
    }
    const path = pathOf(what, href);
    if (!existsSync(path)) {
      throw new TaskNotFoundError(`${what}: its module ${path} does not exist`);
    }
    if (isTestFile(path)) {
      throw new TaskNotFoundError(
        `${what}: ${path} is a test file, which only its test runner can import. Put it in a module of ` +
          "its own, and name a task by importTask",
      );
    }
    const module = new SeenModule(path);
    this.#seen.set(href, module);
    return module;
  }
}

/** A module that exists, and what its text shows. */
class SeenModule {
  readonly path: string;
  /** `null`: it can't be read. */
  #text: string | null | undefined;
  #declared: ReadonlySet<string> | undefined;
  /** `null`: the text doesn't decide it. */
  #exported: readonly string[] | null | undefined;

  constructor(path: string) {
    this.path = path;
  }

  get #read(): string | null {
    if (this.#text === undefined) {
      this.#text = textOf(this.path);
    }
    return this.#text;
  }

  /**
   * Whether the text contains `export function name`, `export { name }` or the like, even in a comment. Then the name is
   * taken to be exported, and the lexer, which takes milliseconds to start, is not used.
   */
  seemsToDeclare(name: string): boolean {
    this.#declared ??= declaredIn(this.#read ?? "");
    return this.#declared.has(name);
  }

  /** The names that the module exports; `null` if its text doesn't decide that. */
  get exported(): readonly string[] | null {
    if (this.#exported === undefined) {
      const text = this.#read;
      this.#exported = (text === null ? undefined : exportsOf(text)) ?? null;
    }
    return this.#exported;
  }
}

function pathOf(what: string, href: string): string {
  try {
    return fileURLToPath(href);
  } catch (error) {
    throw new InvalidOptionError(
      `${what}: ${href} is not the URL of a file here: ${(error as Error).message}`,
    );
  }
}

function textOf(path: string): string | null {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return null;
  }
}

/** The names after `export function` or the like, and those in the braces of `export { name, other as name }`. */
function declaredIn(text: string): Set<string> {
  const names = new Set<string>();
  for (const [, name, list = ""] of text.matchAll(
    /^export\s*(?:\s(?:async\s+)?(?:function\s*\*?|const|let|class)\s*([\w$]+)|\{([\w$\s,]*)\})/gm,
  )) {
    if (name !== undefined) {
      names.add(name);
    }
    for (const entry of list.split(",").filter((entry) => entry.trim() !== "")) {
      const words = entry.trim().split(/\s+/);
      // Such as `name`, `other as name` and, in TypeScript, `type name`.
      if (words.length === 1 || (words.length === 3 && words[1] === "as")) {
        names.add(words[words.length - 1]);
      }
    }
  }
  return names;
}

/** The names that a module exports; undefined if its text doesn't decide that. */
function exportsOf(text: string): string[] | undefined {
  try {
    return moduleExports(text) ?? commonJsExports(text);
  } catch {
    return undefined;
  }
}

/**
 * The exports of an ES module in JavaScript or TypeScript; undefined if it is not one, or re-exports everything of
 * another.
 */
function moduleExports(text: string): string[] | undefined {
  const [, exports, , isModule] = esm.parse(text);
  if (!isModule) {
    return undefined;
  }
  const names: string[] = [];
  for (const entry of exports) {
    // The lexer leaves escapes such as `\u0061dd` as they are written.
    if (entry.type === "reexport-all" || entry.name.includes("\\")) {
      return undefined;
    }
    if (!entry.typeOnly) {
      names.push(entry.name);
    }
  }
  return names;
}

/** The mark of a transpiled module. */
const ES_MODULE_MARK = /\bObject\s*\.\s*defineProperty\s*\(\s*exports\s*,\s*["']__esModule["']/g;
/** Matches text that can reach its exports in another way than through `exports.name`, or that is not CommonJS. */
const UNSETTLED = /\b(?:module|this|arguments|import|export)\b|\bexports\b(?!\s*\.\s*[\w$]+(?![\w$\\]))/;

/**
 * The exports of a CommonJS module whose text uses `exports` only as `exports.name`: it can have no other names. In any
 * other module all kinds of exports may have been added by the time the module has run.
 */
function commonJsExports(text: string): string[] | undefined {
  const rest = text.replace(ES_MODULE_MARK, "");
  if (UNSETTLED.test(rest)) {
    return undefined;
  }
  const names = new Set(
    Array.from(rest.matchAll(/\bexports\s*\.\s*([\p{ID_Continue}$]+)/gu), ([, name]) => name),
  );
  return names.size > 0 ? [...names] : undefined;
}

/** Whether this is the file that a vitest worker is running. */
function isTestFile(path: string): boolean {
  const runner = (globalThis as { __vitest_worker__?: { filepath?: string } }).__vitest_worker__;
  return runner?.filepath === path;
}
