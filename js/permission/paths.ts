/** Paths of a policy: what they are called and what they are. */
import { realpathSync } from "node:fs";
import { homedir } from "node:os";
import { basename, dirname, join, resolve } from "node:path";

/** An absolute path of what a user has written: `~/` is the home folder, what is relative starts at `cwd`. */
export function absolute(path: string, cwd: string): string {
  const inHome = path === "~" || path.startsWith("~/");
  return inHome ? resolve(homedir(), `.${path.slice(1)}`) : resolve(cwd, path);
}

/** Whose links are others for each process. */
const PROCESSES = "/proc";

/** Where a path leads, symbolic links followed; undefined where it doesn't exist. */
export function real(path: string): string | undefined {
  try {
    const target = realpathSync.native(path);
    return isWithin(path, PROCESSES) ? path : target;
  } catch {
    return undefined;
  }
}

/** The same for what may not exist yet: then its nearest folder that does is followed. */
export function realOrFuture(path: string): string {
  const parent = dirname(path);
  return real(path) ?? (parent === path ? path : join(realOrFuture(parent), basename(path)));
}

/**
 * Whether `path` is `folder` or inside of it. Both are absolute and normalized, as all paths of a policy are: `node:path` would
 * take each apart anew, and a policy compares some hundreds of pairs.
 */
export function isWithin(path: string, folder: string): boolean {
  return path === folder || folder === "/" || (path.startsWith(folder) && path[folder.length] === "/");
}

/** Those that are not inside of another, each once. */
export function outermost(paths: readonly string[]): string[] {
  return unique(paths).filter((path) => !paths.some((other) => other !== path && isWithin(path, other)));
}

/** Each once, in order. */
export function unique<T>(values: Iterable<T>): T[] {
  return [...new Set(values)];
}
