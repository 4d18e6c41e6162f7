/** The modules that a user names: their URLs, and the runtimes that can import them. */
import { pathToFileURL } from "node:url";
import { InvalidOptionError, TaskNotFoundError } from "../base/errors";
import { describe } from "../base/validate";

/**
 * The URL of a module that is given as a path relative to the file `from`, as an absolute path, or as a URL. Throws
 * `InvalidOptionError`, or `TaskNotFoundError` if the path is relative and there is no file that it could be relative
 * to.
 */
export function moduleHref(caller: string, option: string, value: unknown, from: string | undefined): string {
  const href = value instanceof URL ? value.href : value;
  if (typeof href !== "string" || href === "") {
    throw new InvalidOptionError(
      `${caller}: "${option}" is ${describe(href)}, it must be a path or a URL such as "./tasks.js"`,
    );
  }
  if (href.startsWith("/")) {
    return pathToFileURL(href).href;
  }
  if (/^[a-z][a-z0-9+.-]+:/i.test(href)) {
    if (!/^(file|data|https):/i.test(href) || (isRemote(href) && !URL.canParse(href))) {
      throw new InvalidOptionError(
        `${caller}: "${option}" is ${describe(href)}, it must be a path, or a file:, data: or https: URL`,
      );
    }
    return href;
  }
  if (from === undefined) {
    throw new TaskNotFoundError(
      `${caller}: "${option}" is ${describe(href)}, which is relative, and the calling code has no ` +
        "file to start from. Give an absolute path or URL",
    );
  }
  if (!URL.canParse(href, from)) {
    throw new InvalidOptionError(
      `${caller}: "${option}" is ${describe(href)}, it leads nowhere from ${describe(from)}`,
    );
  }
  return new URL(href, from).href;
}

/**
 * Throws `InvalidOptionError` if the workers' runtime can't import the module. `what` names the module in the message.
 */
export function assertImportable(what: string, href: string, runtime: string): void {
  if (isRemote(href) && runtime !== "deno") {
    const workers =
      runtime === "thread" ? "the workers are threads of Node" : `worker.processRuntime is "${runtime}"`;
    throw new InvalidOptionError(
      `createPool: ${what} is at ${href}, and ${workers}. Deno alone imports from https: say worker: { ` +
        'runtime: "process", processRuntime: "deno" }, or name a file',
    );
  }
}

function isRemote(href: string): boolean {
  return /^https:/i.test(href);
}
