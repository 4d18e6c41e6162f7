/**
 * What a worker has to read to become one, whatever its policy says: this package, the runtime, the tasks' modules and what
 * they can import. Derived, and shown by `pool.permissions`.
 */
import { type Dirent, existsSync, readdirSync, readlinkSync, realpathSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { InvalidOptionError } from "../base/errors";
import { workerParts } from "../native/package";
import type { Program } from "../task/program";
import { isWithin, real, unique } from "./paths";
import type { Grant, Policy } from "./policy";
import { packagesOf, sensitiveInProject } from "./profile";

/** A file or folder that a worker needs, with all that is in it. */
export interface PermissionNeed {
  readonly path: string;
  /** `"execute"` is reading too; `"write"` is for devices such as `/dev/null`, and for Deno's cache. */
  readonly access: "read" | "execute" | "write";
  /** Who needs it. */
  readonly for: "runtime" | "knitting-native" | "tasks" | "run";
}

/** What of this package a worker reads. */
export function ownFolders(): string[] {
  return unique(workerParts.flatMap((path) => [path, realpathSync(path)]));
}

/** What the tasks' modules need. */
export interface TaskFolders {
  /** Their packages' folders. A module without a package has its own. */
  readonly roots: readonly string[];
  /** Where what they import is: folders of packages, and what those link to. */
  readonly packages: readonly string[];
  /** In all of these what a project keeps to itself and the user has not named. */
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
      `createPool: "permission.write" names ${torn}, or what is in it, which is hidden in a package that the tasks can read. Name it in "permission.read" too`,
    );
  }
  return {
    roots: roots.filter(readable),
    packages: packages.filter((path) => readable(path) && isNew(path)),
    denied,
  };
}

/** Whether something in it is granted by name. */
function isNamed(path: string, granted: Grant): boolean {
  return granted !== true && granted.some((grant) => isWithin(grant, path));
}

/** A path and what it leads to; nothing where there is nothing. */
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
        `createPool: the module of ${what} is ${path}, and "permission.denyRead" denies ${denial}: a worker could not import it`,
      );
    }
  }
}

/** The folder of the package that a file belongs to; of a file without one its own, or itself where that has much else. */
function packageRoot(file: string): string {
  const found = ancestors(file).find((folder) => existsSync(join(folder, "package.json")));
  const folder = found === undefined || isTooWide(found) ? dirname(file) : found;
  return isTooWide(folder) ? file : folder;
}

/** Whether a folder has much else than a package. */
function isTooWide(folder: string): boolean {
  return ["/", ...existing(homedir())].includes(folder);
}

/** The folders that a file is in, the nearest first. */
function ancestors(file: string): string[] {
  const folder = dirname(file);
  return folder === file ? [] : [folder, ...ancestors(folder)];
}

/**
 * The folders of packages that files import from, and the packages that lie elsewhere and are linked from there, such as those
 * of a workspace, with the folders that these import from.
 */
function packagesFor(files: readonly string[]): string[] {
  const folders = unique(files.flatMap(packageFolders));
  const linked: string[] = [];
  // It grows as it is walked.
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

/** Where the packages may be that a file imports. */
function packageFolders(file: string): string[] {
  return ancestors(file).map(packagesOf).flatMap(existing);
}

/** What the packages lead to that are links to elsewhere. A package manager may have thousands of links within its folder. */
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

/** None where this user may not look, or it is no folder: then nothing is imported from there. */
function entriesOf(folder: string): Dirent[] {
  try {
    return readdirSync(folder, { withFileTypes: true });
  } catch {
    return [];
  }
}
