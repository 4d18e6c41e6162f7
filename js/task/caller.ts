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

/** URL of the nearest module on the stack that is not part of this package; `undefined` for code without a file. */
export function callerFile(): string | undefined {
  const file = fileOnStack();
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
  const file = fileOnStack();
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

function fileOnStack(): string | undefined {
  const { prepareStackTrace, stackTraceLimit } = Error;
  let frames: NodeJS.CallSite[] = [];
  try {
    // Enough frames for a call through a few functions of this package. A limit that the caller has set is not used.
    Error.stackTraceLimit = 20;
    // Test runners install a function here that returns source-mapped positions. The raw frames are needed.
    Error.prepareStackTrace = (_error, callSites) => {
      frames = callSites;
    };
    void new Error().stack;
  } finally {
    Object.assign(Error, { prepareStackTrace, stackTraceLimit });
  }
  for (const frame of frames) {
    const file = frame.getFileName() ?? frame.getScriptNameOrSourceURL();
    // A native frame is a function of the language, such as Array.prototype.map. In Bun its file is "[unknown]".
    if (typeof file === "string" && !frame.isNative() && !file.startsWith("node:") && !isOurs(file)) {
      return canonical(file);
    }
  }
  return undefined;
}

function isOurs(file: string): boolean {
  for (const folder of ours) {
    if (file.startsWith(folder)) {
      return true;
    }
  }
  return false;
}
