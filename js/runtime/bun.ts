/** Bun as the runtime of workers: its flags, and where it looks for packages. */
import { basename, delimiter } from "node:path";
import { environmentOf } from "./environment";
import { inheritedConditions } from "./exec-argv";
import type { ResolvedWorker } from "./options";

const FLAGS = [
  // A missing package is an error; it is not fetched from the registry.
  "--no-install",
  // The workers' environment comes from the options, not from files in the working directory.
  "--no-env-file",
];

/** Bun's command line from behind the executable up to the script. */
export function bunFlags(
  { execArgv = inheritedConditions() }: ResolvedWorker,
  permissions: readonly string[] = [],
): string[] {
  return ["run", ...FLAGS, ...permissions, ...execArgv];
}

/** The arguments of the script, for the command line. Bun takes a first `--` for its own. */
export function bunArguments(argv: readonly string[]): readonly string[] {
  return argv[0] === "--" ? ["--", ...argv] : argv;
}

/**
 * The value of Bun's variable `NODE_PATH`, for workers which the kernel keeps from finding packages. Bun finds a folder
 * of packages by listing its parent folder, which may be the home folder or the root. `folders` are folders of packages,
 * and others.
 */
export function bunPackagePath(worker: ResolvedWorker, folders: readonly string[]): string {
  const own = environmentOf(worker).get("NODE_PATH")?.value ?? "";
  const packages = folders.filter((path) => basename(path) === "node_modules");
  return [...new Set([...packages, ...(own === "" ? [] : [own])])].join(delimiter);
}
