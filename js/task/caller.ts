/**
 * Finds the module that called this package. It uses the file names of the stack, never line numbers or source maps.
 */
import { existsSync } from "node:fs";
import { fileURLToPath, pathToFileURL } from "node:url";
import { InvalidOptionError } from "../base/errors";
import { describe } from "../base/validate";
import { codeFolder } from "../native/package";

const ours = new Set([`${codeFolder}/`, `${pathToFileURL(codeFolder).href}/`]);

/** The URLs that `setModuleUrl` has declared, by file. */
const declared = new Map<string | undefined, string>();

/** A function on the stack. */
// biome-ignore lint/suspicious/noExplicitAny: any function
type OnStack = (...parameters: any[]) => unknown;

/**
 * URL of the nearest module on the stack that is not part of this package; `undefined` for code without a file. A caller
 * that is more than five functions below the public one names a function that is nearer to it: where `Error` is frozen,
 * only ten frames can be seen.
 */
export function callerFile(above: OnStack = callerFile): string | undefined {
  const file = fileOnStack(above);
  return declared.get(file) ?? file;
}

/** Whether a module may be bundled: its exports may be missing, or have other names than in the source. */
export function mayBeBundled(href: string): boolean {
  return [...declared.values()].includes(href);
}

/**
 * Declares that the calling module may be bundled, and where it is. Call it before the module defines tasks. A bundler
 * may drop or rename exports, so workers then find the module's tasks by the order in which it calls `task`, not by the
 * names of their exports. The tasks must be defined at the module's top level.
 *
 * `url` is `import.meta.url`. If it is left out or `undefined`, as in esbuild's CommonJS output, the running file is
 * used.
 *
 * @throws InvalidOptionError if there is no file at `url`, which is then probably the URL of a source file
 * @example
 * setModuleUrl(import.meta.url);
 *
 * export const double = task({ f: (x: number) => x * 2 });
 */
export function setModuleUrl(url?: string | URL): void {
  const file = fileOnStack(setModuleUrl);
  const href = url === undefined ? file : canonical(String(url));
  const running = file === undefined ? "the calling code has no file" : `the file that runs is ${file}`;
  if (href === undefined) {
    throw new InvalidOptionError(
      `setModuleUrl: "url" is ${describe(url)} and ${running}, it must be import.meta.url`,
    );
  }
  if (href.startsWith("file:") && !existsSync(fileURLToPath(href))) {
    throw new InvalidOptionError(
      `setModuleUrl: "url" is ${describe(String(url))}, and there is no such file; ${running}. A ` +
        "bundler may have put the URL of a source there: without an argument it is the file that runs",
    );
  }
  declared.set(file, href);
}

/**
 * A module's URL in canonical form, since runtimes escape different characters. `undefined` if a worker can't import
 * it.
 */
export function canonical(file: string): string | undefined {
  if (file.startsWith("/")) {
    return pathToFileURL(file).href;
  }
  if (!file.startsWith("file:")) {
    return file.startsWith("data:") ? file : undefined;
  }
  try {
    return pathToFileURL(fileURLToPath(file)).href + new URL(file).search;
  } catch {
    return undefined;
  }
}

function fileOnStack(above: OnStack): string | undefined {
  const file = filesOnStack(above).find((each) => !each.startsWith("node:") && !isOurs(each));
  return file === undefined ? undefined : canonical(file);
}

/** Enough frames for a call through a few functions of this package. A limit that the caller has set is not used. */
const FRAMES = 20;

/** The files of the functions on the stack, the innermost first. */
function filesOnStack(above: OnStack): string[] {
  const { prepareStackTrace, stackTraceLimit } = Error;
  let files: string[] | undefined;
  // Test runners install a function here that returns source-mapped positions. The raw frames are needed.
  const prepare = (_error: Error, frames: NodeJS.CallSite[]) => {
    files = frames.flatMap((frame) => {
      const file = frame.getFileName() ?? frame.getScriptNameOrSourceURL();
      // A native frame is a function of the language, such as Array.prototype.map. In Bun its file is "[unknown]".
      return typeof file === "string" && !frame.isNative() ? [file] : [];
    });
  };
  // Unlike assignments, these don't throw where `Error` is frozen.
  if (Reflect.set(Error, "prepareStackTrace", prepare)) {
    try {
      Reflect.set(Error, "stackTraceLimit", FRAMES);
      void new Error().stack;
    } finally {
      Reflect.set(Error, "prepareStackTrace", prepareStackTrace);
      Reflect.set(Error, "stackTraceLimit", stackTraceLimit);
    }
  }
  return files ?? filesOfCallSites() ?? filesInText(above);
}

/** The same by a function of the runtime: Node has one from 22.9 on. */
function filesOfCallSites(): string[] | undefined {
  const { getCallSites } = require("node:util") as {
    getCallSites?: (frames: number) => { scriptName: string }[];
  };
  try {
    return getCallSites?.(FRAMES).map(({ scriptName }) => scriptName);
  } catch {
    // Those of Deno and Bun assign to `Error` as well.
    return undefined;
  }
}

/** The same from the text of the stack. */
function filesInText(above: OnStack): string[] {
  const holder = { stack: "" };
  Error.captureStackTrace(holder, above);
  return Array.from(
    holder.stack.matchAll(/^ +at (?:.*\()?((?:file:|node:|data:|\/).*?)(?::\d+){1,2}\)?$/gm),
    ([, file]) => file,
  );
}

function isOurs(file: string): boolean {
  for (const folder of ours) {
    if (file.startsWith(folder)) {
      return true;
    }
  }
  return false;
}
