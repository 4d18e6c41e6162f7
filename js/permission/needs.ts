/**
 * The files that a worker has to read to start at all, whatever its policy grants: this package, the runtime, the
 * tasks' modules and what these can import. They are derived, and `pool.permissions` shows them.
 */
import { existsSync, readlinkSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { InvalidOptionError } from "../base/errors";
import { describe } from "../base/validate";
import { native } from "../native/addon";
import { workerParts } from "../native/package";
import type { ProcessRuntime } from "../runtime/options";
import type { Program } from "../task/program";
import { home, isWithin, real, unique } from "./paths";
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
  return unique(workerParts.flatMap((path) => [path, real(path) ?? path]));
}

/** The folders that the tasks' modules need. */
export interface TaskFolders {
  /** The folders of the modules' packages. A module that belongs to no package needs its own folder. */
  readonly roots: readonly string[];
  /** The folders from which the modules import: package folders, and the targets of links in them. */
  readonly packages: readonly string[];
  /**
   * The files `package.json` above these folders that say how to read modules in them, as in a home folder. Node and
   * Deno import no module if they can't read the nearest one.
   */
  readonly manifests: readonly string[];
  /** Files in all of these folders that a project keeps private and that the user has not granted by name. */
  readonly denied: readonly string[];
}

/** A module that the workers import at boot. */
export interface NamedModule {
  /** Description of the module, for messages. */
  readonly what: string;
  readonly href: string;
}

/** The modules of the tasks, of `worker.bootstrap` and of `worker.teardown`, each once. */
export function modulesOf({ tasks, bootstrap, teardown }: Program): NamedModule[] {
  const own = Object.entries({ bootstrap, teardown }).flatMap(([option, source]) =>
    source === undefined ? [] : [{ what: `"worker.${option}"`, href: source.href }],
  );
  const ofTasks = tasks.map(({ task, href }) => ({ what: `task "${task}"`, href }));
  const modules = new Map<string, NamedModule>();
  for (const module of [...own, ...ofTasks]) {
    if (!modules.has(module.href)) {
      modules.set(module.href, module);
    }
  }
  return [...modules.values()];
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
  const linked = packages.filter((path) => basename(path) !== PACKAGES);
  const manifests = unique([...places, ...linked.map(manifestIn)].flatMap(nearestManifest)).filter(
    (path) => isNew(path) && !packages.some((folder) => isWithin(path, folder)),
  );
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
    manifests: manifests.flatMap(existing).filter(readable),
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
 * Throws `InvalidOptionError` if the kernel keeps a runtime from what it reads to import a module, beside the module
 * itself: Node and Deno the nearest `package.json`, Bun the module's folder.
 */
export function refuseNotImportable(
  modules: readonly NamedModule[],
  { read, denyRead }: Policy,
  { roots, packages }: TaskFolders,
  runtime: ProcessRuntime,
): void {
  const readable = read === true ? ["/"] : [...read, ...roots, ...packages];
  for (const { what, href } of modules.filter(({ href }) => href.startsWith("file:"))) {
    const file = resolve(fileURLToPath(href));
    const folder = dirname(real(file) ?? file);
    if (runtime === "bun" && !readable.some((tree) => isWithin(folder, tree))) {
      throw new InvalidOptionError(
        `createPool: the module of ${what} is ${file}, and Bun imports a module only if it can list its folder, ` +
          `which holds much else and is not granted. Move the module into a folder of its own, or add ` +
          `${describe(folder)} to "permission.read"`,
      );
    }
    for (const manifest of runtime === "bun" ? [] : nearestManifest(file).flatMap(existing)) {
      const denial = denyRead.find((denied) => isWithin(manifest, denied));
      if (denial !== undefined) {
        throw new InvalidOptionError(
          `createPool: the module of ${what} is ${file}, and "permission.denyRead" denies ${denial}: a worker could ` +
            `not import the module, since its runtime reads ${manifest} before. Take that out of the denial`,
        );
      }
    }
  }
}

/**
 * The folder of the package that a file belongs to. For a file outside of any package, its own folder; if that folder
 * holds much else, the file itself.
 */
function packageRoot(file: string): string {
  const [manifest] = nearestManifest(file);
  const found = manifest === undefined ? undefined : dirname(manifest);
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

/** The nearest `package.json` of a file, which says how the file is read if it is a module. Empty if there is none. */
function nearestManifest(file: string): string[] {
  const found = ancestors(file)
    .map(manifestIn)
    .find((path) => existsSync(path));
  return found === undefined ? [] : [found];
}

function manifestIn(folder: string): string {
  return join(folder, "package.json");
}

/** Whether a folder holds much more than a package. */
function isTooWide(folder: string): boolean {
  return ["/", ...existing(home())].includes(folder);
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
        folders.push(...packageFolders(manifestIn(target)).filter((found) => !folders.includes(found)));
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
function linksIn(folder: string): string[] {
  return native()
    .packageLinks(folder)
    .flatMap((path) =>
      isWithin(resolve(dirname(path), readlinkSync(path)), folder) ? [] : (real(path) ?? []),
    );
}
