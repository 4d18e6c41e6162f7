/** The paths of a policy: as they are written, and with symbolic links resolved. */
import { realpathSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { queueMicrotask } from "../base/clock";
import { homeFolder } from "../base/home";
import { native } from "../native/addon";

/** The absolute path for what a user has written. `~/` is the home folder, and a relative path starts at `cwd`. */
export function absolute(path: string, cwd: string): string {
  const inHome = path === "~" || path.startsWith("~/");
  return inHome ? resolve(home(), `.${path.slice(1)}`) : resolve(cwd, path);
}

/** The links in this folder differ for each process. */
const PROCESSES = "/proc";

/** What was seen of paths, each with its target, and of the home folder. It is forgotten at the end of the turn. */
export class Looks {
  readonly targets = new Map<string, string | undefined>();
  home: string | undefined;
  #isKept = false;

  /** Keeps what is seen from now on until this turn ends. */
  keep(): void {
    if (!this.#isKept) {
      this.#isKept = true;
      queueMicrotask(() => {
        this.#isKept = false;
        this.targets.clear();
        this.home = undefined;
      });
    }
  }
}

/** What is known while `lookingOnce` runs. */
let known: Looks | undefined;

/**
 * Runs `decide` with one look at each path, those of `looks` included. A policy asks for the same paths many times, and
 * each look is a system call for every folder on the way.
 */
export function lookingOnce<T>(looks: Looks, decide: () => T): T {
  known = looks;
  looks.keep();
  try {
    return decide();
  } finally {
    known = undefined;
  }
}

/** The home folder. Without `HOME` a look at it reads /etc/passwd. */
export function home(): string {
  if (known === undefined) {
    return homeFolder();
  }
  known.home ??= homeFolder();
  return known.home;
}

/** A path with its symbolic links resolved; undefined if it doesn't exist. */
export function real(path: string): string | undefined {
  const targets = known?.targets;
  if (targets?.has(path)) {
    return targets.get(path);
  }
  const target = targetOf(path);
  targets?.set(path, target);
  return target;
}

function targetOf(path: string): string | undefined {
  try {
    const target = known === undefined ? realpathSync.native(path) : besideKnown(path);
    return target !== undefined && isWithin(path, PROCESSES) ? path : target;
  } catch {
    return undefined;
  }
}

/** The same as `realpath`, which looks at each folder on the way, with one look at the path itself. */
function besideKnown(path: string): string | undefined {
  const name = basename(path);
  const folder = name === "" ? path : real(dirname(path));
  if (folder === undefined || name === "") {
    return folder;
  }
  switch (native().isLink(path)) {
    case true:
      return realpathSync.native(path);
    case false:
      return join(folder, name);
    default:
      return undefined;
  }
}

/** The same for a path that may not exist yet: the links of its nearest existing folder are resolved. */
export function realOrFuture(path: string): string {
  const parent = dirname(path);
  return real(path) ?? (parent === path ? path : join(realOrFuture(parent), basename(path)));
}

/**
 * Whether `path` is `folder` or inside of it. Both are absolute and normalized, as all paths of a policy are.
 * `node:path` would parse each path again, and a policy compares some hundreds of pairs.
 */
export function isWithin(path: string, folder: string): boolean {
  return path === folder || folder === "/" || (path.startsWith(folder) && path[folder.length] === "/");
}

/**
 * Folders with everything that is in them. A look costs one step for each folder on the way to a path, however many
 * folders there are: a policy may have thousands, and asks about thousands.
 */
export class Trees {
  readonly #roots: ReadonlySet<string>;

  constructor(roots: Iterable<string>) {
    this.#roots = new Set(roots);
  }

  /** Whether `path` is one of the folders or inside of one. */
  cover(path: string): boolean {
    return this.#roots.has(path) || this.coverFolderOf(path);
  }

  /** Whether `path` is inside of one of the folders, and not only one of them itself. */
  coverFolderOf(path: string): boolean {
    for (let end = path.lastIndexOf("/"); end > 0; end = path.lastIndexOf("/", end - 1)) {
      if (this.#roots.has(path.slice(0, end))) {
        return true;
      }
    }
    return path !== "/" && this.#roots.has("/");
  }
}

/** The paths that are not inside of another one, without duplicates. */
export function outermost(paths: readonly string[]): string[] {
  const trees = new Trees(paths);
  return unique(paths).filter((path) => !trees.coverFolderOf(path));
}

/** The values without duplicates, in order. */
export function unique<T>(values: Iterable<T>): T[] {
  return [...new Set(values)];
}
