/**
 * What a worker has to read to become one, whatever its policy says: this package, the runtime, the tasks' modules and what
 * they can import. Derived, and shown by `pool.permissions`.
 */
import { existsSync, readdirSync, realpathSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { InvalidOptionError } from "../errors";
import { packageFolder } from "../platform";
import type { Program } from "../worker/program";
import { isWithin, real, unique } from "./paths";
import type { Policy } from "./policy";
import { packagesOf, sensitiveInProject } from "./profile";

/** A file or folder that a worker needs, with all that is in it. */
export interface PermissionNeed {
  readonly path: string;
  /** `"execute"` is reading too; `"write"` is for devices such as `/dev/null`, and for Deno's cache. */
  readonly access: "read" | "execute" | "write";
  /** Who needs it. */
  readonly for: "runtime" | "knitting-native" | "tasks" | "run";
}

const OWN_PACKAGES = ["detect-libc", "es-module-lexer"];

/** What of this package a worker reads, and where the packages are that this imports: Bun lists those folders. */
export function ownFolders(): string[] {
  const parts = ["dist", "npm", "package.json"].map((name) => join(packageFolder, name));
  const packages = OWN_PACKAGES.map((name) => dirname(packageRoot(require.resolve(name))));
  return unique([...parts, ...packages].flatMap((path) => [path, realpathSync(path)]));
}

/** What the tasks' modules need. */
export interface TaskFolders {
  /** Their packages' folders. A module without a package has its own. */
  readonly roots: readonly string[];
  /** Where what they import is: folders of packages, and what those link to. */
  readonly packages: readonly string[];
  /** In their packages' folders what a project keeps to itself. */
  readonly denied: readonly string[];
}

/** A module that the workers import first. */
export interface NamedModule {
  /** What it is, for messages. */
  readonly what: string;
  readonly href: string;
}

/** Those of the tasks and of `worker.bootstrap`. */
export function modulesOf({ tasks, bootstrap }: Program): NamedModule[] {
  const modules = tasks.map(({ task, href }) => ({ what: `task "${task}"`, href }));
  return bootstrap === undefined
    ? modules
    : [{ what: '"worker.bootstrap"', href: bootstrap.href }, ...modules];
}

/** Throws `InvalidOptionError` if a module is where the policy lets nobody read or import. */
export function taskFolders(modules: readonly NamedModule[], policy: Policy): TaskFolders {
  for (const module of modules) {
    refuseUnreachable(module, policy);
  }
  const files = modules.filter(({ href }) => href.startsWith("file:"));
  const paths = unique(files.map(({ href }) => fileURLToPath(href)));
  const places = unique(paths.flatMap((path) => [path, real(path) ?? path]));
  const roots = unique(places.map(packageRoot));
  const readable = (path: string): boolean => !policy.denyRead.some((denied) => isWithin(path, denied));
  const folders = unique(places.flatMap((path) => ancestors(path).map(packagesOf))).filter(existsSync);
  const packages = unique(
    folders.flatMap((folder) => [folder, real(folder) ?? folder, ...linkedFrom(folder)]),
  );
  const isNew = (path: string): boolean => !roots.some((root) => isWithin(path, root));
  return {
    roots: roots.filter(readable),
    packages: packages.filter((path) => readable(path) && isNew(path)),
    denied: roots.flatMap(sensitiveInProject).filter((path) => real(path) === path),
  };
}

function refuseUnreachable({ what, href }: NamedModule, { denyRead, allowImport }: Policy): void {
  const { protocol, hostname, host } = new URL(href);
  if (protocol === "https:" && allowImport !== true) {
    const names = [hostname, host, `${hostname}:443`];
    if (!names.some((name) => allowImport.includes(name))) {
      throw new InvalidOptionError(
        `createPool: the module of ${what} is ${href}, and "permission.allowImport" does not allow ${hostname}`,
      );
    }
  }
  if (protocol === "file:") {
    const path = real(fileURLToPath(href)) ?? fileURLToPath(href);
    const denial = denyRead.find((denied) => isWithin(path, denied));
    if (denial !== undefined) {
      throw new InvalidOptionError(
        `createPool: the module of ${what} is ${path}, and "permission.denyRead" denies ${denial}: a worker could not import it`,
      );
    }
  }
}

/** The folder of the package that a file belongs to; of a file without one its own. */
function packageRoot(file: string): string {
  const tooWide = ["/", homedir()];
  const found = ancestors(file).find((folder) => existsSync(join(folder, "package.json")));
  return found === undefined || tooWide.includes(found) ? dirname(file) : found;
}

/** The folders that a file is in, the nearest first. */
function ancestors(file: string): string[] {
  const folder = dirname(file);
  return folder === file ? [] : [folder, ...ancestors(folder)];
}

/** Packages that lie elsewhere, such as those of a workspace. */
function linkedFrom(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory() && entry.name.startsWith("@")) {
      return linkedFrom(path);
    }
    const target = entry.isSymbolicLink() ? real(path) : undefined;
    return target === undefined || isWithin(target, realpathSync(folder)) ? [] : [target];
  });
}
