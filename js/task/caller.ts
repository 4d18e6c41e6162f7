/** Which module called us. Read from the file names of the stack, never from lines or source maps. */
import { existsSync } from "node:fs";
import { fileURLToPath, pathToFileURL } from "node:url";
import { InvalidOptionError } from "../base/errors";
import { describe } from "../base/validate";
import { codeFolder } from "../native/package";

const ours = new Set([`${codeFolder}/`, `${pathToFileURL(codeFolder).href}/`]);

/** What `setModuleUrl` has said of a file. */
const declared = new Map<string | undefined, string>();

/** URL of the module nearest on the stack that is not part of this package; `undefined` for code without a file. */
export function callerFile(): string | undefined {
  const file = fileOnStack();
  return declared.get(file) ?? file;
}

/** Whether a module may be bundled: its exports may have other names than its source says, or none. */
export function mayBeBundled(href: string): boolean {
  return [...declared.values()].includes(href);
}

/**
 * Says that the module which calls it may be bundled, and where it is. To be called before the module defines tasks. Its tasks
 * are then found by the order in which it calls `task`, and not by the names of their exports, which a bundler may drop; so
 * they have to be defined at its top level.
 *
 * `url` is `import.meta.url`. Without it, or where it is `undefined` as in what esbuild makes for CommonJS, it is the file that runs.
 *
 * @throws InvalidOptionError if there is no file at `url`, which then is that of a source.
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
      `setModuleUrl: "url" is ${describe(String(url))}, and there is no such file; ${running}. A bundler may have put the URL of a source there: without an argument it is the file that runs`,
    );
  }
  declared.set(file, href);
}

/** A module's URL as it is compared: runtimes differ in what they escape. `undefined` if it is none that a worker could import. */
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
    // Far enough for a call through a few helpers of ours, and for none of the caller's.
    Error.stackTraceLimit = 20;
    // Test runners put source-mapped positions in here; the raw frames are wanted.
    Error.prepareStackTrace = (_error, callSites) => {
      frames = callSites;
    };
    void new Error().stack;
  } finally {
    Object.assign(Error, { prepareStackTrace, stackTraceLimit });
  }
  for (const frame of frames) {
    const file = frame.getFileName() ?? frame.getScriptNameOrSourceURL();
    // Native is what the language brings, such as Array.prototype.map: in Bun it has a file called "[unknown]".
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
