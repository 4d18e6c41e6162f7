/** What a runtime is told by its environment where the kernel keeps it from finding it out. */
import { homedir } from "node:os";
import { basename, delimiter, join, resolve } from "node:path";
import { workerEnvironment } from "../runtime/environment";
import type { ResolvedWorker } from "../runtime/resolve-options";
import { unique } from "./paths";
import { isNothing, type Policy } from "./policy";

/** The variables, but for those that the policy denies. `packages` are folders of packages, and others. */
export function runtimeVariables(
  policy: Policy,
  worker: ResolvedWorker,
  packages: readonly string[],
): Readonly<Record<string, string>> {
  const variables = Object.entries(variablesOf(policy, worker, packages));
  return Object.fromEntries(variables.filter(([name]) => !worker.env?.denied?.includes(name)));
}

function variablesOf(
  policy: Policy,
  worker: ResolvedWorker,
  packages: readonly string[],
): Record<string, string> {
  switch (worker.runtime) {
    case "deno":
      // It does not start where it has no cache to look for.
      return { DENO_DIR: denoFolder(policy, worker) };
    case "bun":
      // It finds a folder of packages by listing the one that is in, which may be a project's parent or the root.
      return {
        NODE_PATH: unique([...packages.filter(isOfPackages), ...given(worker, "NODE_PATH")]).join(delimiter),
      };
    default:
      return {};
  }
}

function isOfPackages(path: string): boolean {
  return basename(path) === "node_modules";
}

/** What a variable is without us, if it is set. */
function given(worker: ResolvedWorker, name: string): string[] {
  return workerEnvironment(worker).flatMap(([other, value]) => (other === name && value !== "" ? value : []));
}

/**
 * Where Deno caches modules from the web and what it has compiled. Where it is to write there, and the user has not said where,
 * it has one that no other program of the user believes in: native code in a worker could write there too.
 */
export function denoFolder({ allowImport }: Policy, worker: ResolvedWorker): string {
  const caches = process.env.XDG_CACHE_HOME || join(homedir(), ".cache");
  const said = worker.env?.set.DENO_DIR;
  if (said !== undefined || isNothing(allowImport)) {
    return resolve(worker.cwd ?? "", said || process.env.DENO_DIR || join(caches, "deno"));
  }
  return join(caches, "knitting-native", "deno");
}
