/** Bun as it runs workers: its flags, and where it looks for packages. */
import { basename, delimiter } from "node:path";
import { environmentOf } from "./environment";
import type { ResolvedWorker } from "./options";

const FLAGS = [
  // A package that is missing is an error, and not fetched from the registry.
  "--no-install",
  // The workers' environment is what the options say, not what lies in the working directory.
  "--no-env-file",
];

/** Its command line behind the executable, up to the script. */
export function bunFlags({ execArgv = [] }: ResolvedWorker, permissions: readonly string[] = []): string[] {
  return ["run", ...FLAGS, ...permissions, ...execArgv];
}

/**
 * Its variable `NODE_PATH` where the kernel keeps it from finding packages: it finds a folder of packages by listing the one
 * that this is in, which may be a project's parent or the root. `folders` are folders of packages, and others.
 */
export function bunPackagePath(worker: ResolvedWorker, folders: readonly string[]): string {
  const own = environmentOf(worker).get("NODE_PATH")?.value ?? "";
  const packages = folders.filter((path) => basename(path) === "node_modules");
  return [...new Set([...packages, ...(own === "" ? [] : [own])])].join(delimiter);
}
