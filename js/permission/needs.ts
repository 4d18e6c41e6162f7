/**
 * The files that a worker has to read to start at all, whatever its policy grants: this package, the runtime, the
 * tasks' modules and what these can import. They are derived, and `pool.permissions` shows them.
 */
import { type Dirent, existsSync, readdirSync, readlinkSync, realpathSync } from "node:fs";
import { homedir } from "node:os";
import { basename, dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { InvalidOptionError } from "../base/errors";
import { workerParts } from "../native/package";
import type { Program } from "../task/program";
import { isWithin, real, unique } from "./paths";
import type { Grant, Policy } from "./policy";
import { PACKAGES, packagesOf, sensitiveInProject } from "./profile";

/** A file or folder that a worker needs. A folder includes everything in it. */
export interface PermissionNeed {
  readonly path: string;
  /**
   * `"execute"` includes reading. `"write"` is for devices such as `/dev/null`, and for Deno's cache. `"list"`: the
   * folder can be listed, and shows what is granted in it.
   */
  readonly access: "read" | "list" | "execute" | "write";
  /** What needs it. */
  readonly for: "runtime" | "knitting-native" | "tasks" | "run";
}

/** The files of this package that a worker reads. */
export function ownFolders(): string[] {
  return unique(workerParts.flatMap((path) => [path, realpathSync(path)]));
}

/** The folders that the tasks' modules need. */
export interface TaskFolders {
  /** The folders of the modules' packages. A module that belongs to no package needs its own folder. */
  readonly roots: readonly string[];
  /** The folders from which the modules import: package folders, and the targets of links in them. */
  readonly packages: readonly string[];
  /** Files in all of these folders that a project keeps private and that the user has not granted by name. */
  readonly denied: readonly string[];
}

/** A module that the workers import at boot. */
export interface NamedModule {
  /** Description of the module, for messages. */
  readonly what: string;
  readonly href: string;
}

/** The modules of the tasks and of `worker.bootstrap`. */
export function modulesOf({ tasks, bootstrap }: Program): NamedModule[] {
  const modules = tasks.map(({ task, href }) => ({ what: `task "${task}"`, href }));
  return bootstrap === undefined
    ? modules
    : [{ what: '"worker.bootstrap"', href: bootstrap.href }, ...modules];
}

/** The folders that these modules need. Throws `InvalidOptionError` if the policy denies a module's file or URL. */
export function taskFolders(modules: readonly NamedModule[], policy: Policy): TaskFolders {
  for (const module of modules) {
    refuseUnreachable(module, policy);
  }
  const files = modules.filter(({ href }) => href.startsWith("file:"));
  const paths = unique(files.map(({ href }) => resolve(fileURLToPath(href))));
  const places = unique(paths.flatMap((path) => [path, real(path) ?? path]));
  const roots = unique(places.map(packageRoot));
  const readable = (path: string): boolean => !policy.denyRead.some((denied) => isWithin(path, denied));
  const packages = packagesFor(places);
  const isNew = (path: string): boolean => !roots.some((root) => isWithin(path, root));
  const sensitive = [...roots, ...packages].flatMap(sensitiveInProject).flatMap(existing);
  const denied = sensitive.filter((path) => !isNamed(path, policy.read));
  const torn = denied.find((path) => isNamed(path, policy.write));
  if (torn !== undefined) {
    throw new InvalidOptionError(
      `createPool: "permission.write" names ${torn}, or what is in it, which is hidden in a package ` +
        'that the tasks can read. Name it in "permission.read" too',
    );
  }
  return {
    roots: roots.filter(readable),
    packages: packages.filter((path) => readable(path) && isNew(path)),
    denied,
  };
}

/** Whether the policy grants, by name, something inside of `path`. */
function isNamed(path: string, granted: Grant): boolean {
  return granted !== true && granted.some((grant) => isWithin(grant, path));
}

/** A path and the target that it links to; empty if the path doesn't exist. */
function existing(path: string): string[] {
  const target = real(path);
  return target === undefined ? [] : unique([path, target]);
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
    const file = resolve(fileURLToPath(href));
    const path = real(file) ?? file;
    const denial = denyRead.find((denied) => isWithin(path, denied));
    if (denial !== undefined) {
      throw new InvalidOptionError(
        `createPool: the module of ${what} is ${path}, and "permission.denyRead" denies ${denial}: a ` +
          "worker could not import it",
      );
    }
  }
}

/**
 * The folder of the package that a file belongs to. For a file outside of any package, its own folder; if that folder
 * holds much else, the file itself.
 */
function packageRoot(file: string): string {
  const found = ancestors(file).find((folder) => existsSync(join(folder, "package.json")));
  const folder = found === undefined || isTooWide(found) ? dirname(file) : found;
  return isTooWide(folder) ? file : folder;
}

/**
 * The folders that hold folders of packages. Bun lists a folder to learn whether there are packages in it, and goes by
 * the `exports` of a package only if it has found the package so.
 */
export function foldersOfPackages({ packages }: TaskFolders): string[] {
  const folders = packages.filter((path) => basename(path) === PACKAGES).map((path) => dirname(path));
  return unique(folders).filter((folder) => !isTooWide(folder));
}

/** Whether a folder holds much more than a package. */
function isTooWide(folder: string): boolean {
  return ["/", ...existing(homedir())].includes(folder);
}

/** The folders that contain a file, innermost first. */
function ancestors(file: string): string[] {
  const folder = dirname(file);
  return folder === file ? [] : [folder, ...ancestors(folder)];
}

/**
 * The package folders that files import from. Packages that lie elsewhere and are linked from there, such as those of a
 * workspace, are included, with the folders from which they import.
 */
function packagesFor(files: readonly string[]): string[] {
  const folders = unique(files.flatMap(packageFolders));
  const linked: string[] = [];
  // The list grows during the loop.
  for (const folder of folders) {
    for (const target of linksIn(folder)) {
      if (!isTooWide(target) && ![...folders, ...linked].some((known) => isWithin(target, known))) {
        linked.push(target);
        folders.push(
          ...packageFolders(join(target, "package.json")).filter((found) => !folders.includes(found)),
        );
      }
    }
  }
  return [...folders, ...linked];
}

/** The folders that may hold the packages which a file imports. */
function packageFolders(file: string): string[] {
  return ancestors(file).map(packagesOf).flatMap(existing);
}

/**
 * The targets, outside of the folder, of links to packages. A package manager may have thousands of links within its
 * own folder.
 */
function linksIn(folder: string, whole = folder): string[] {
  return entriesOf(folder).flatMap((entry) => {
    if (entry.isSymbolicLink()) {
      const path = join(folder, entry.name);
      return isWithin(resolve(folder, readlinkSync(path)), whole) ? [] : (real(path) ?? []);
    }
    const isScope = entry.name.startsWith("@") && entry.isDirectory();
    return isScope ? linksIn(join(folder, entry.name), whole) : [];
  });
}

/**
 * The entries of a folder; empty if this user may not read it or it is no folder, because then nothing can be imported
 * from it.
 */
function entriesOf(folder: string): Dirent[] {
  try {
    return readdirSync(folder, { withFileTypes: true });
  } catch {
    return [];
  }
}
