/** What a runtime is told by its environment where the kernel keeps it from finding it out. */
import { homedir } from "node:os";
import { basename, delimiter, join } from "node:path";
import type { ResolvedWorker } from "../worker-options";
import { unique } from "./paths";
import { isNothing, type Policy } from "./policy";

/** The variables, but for those that the policy denies. `packages` are folders of packages, and others. */
export function runtimeVariables(
  policy: Policy,
  { runtime, env }: ResolvedWorker,
  packages: readonly string[],
): Readonly<Record<string, string>> {
  const variables = variablesOf(policy, runtime, packages);
  const kept = Object.entries(variables).filter(
    ([name]) => !env?.denied?.includes(name) && env?.set[name] === undefined,
  );
  return Object.fromEntries(kept);
}

function variablesOf(
  policy: Policy,
  runtime: ResolvedWorker["runtime"],
  packages: readonly string[],
): Record<string, string> {
  switch (runtime) {
    case "deno":
      // It does not start where it has no cache to look for.
      return { DENO_DIR: denoFolder(policy) };
    case "bun":
      // It finds a folder of packages by listing the one that is in, which may be a project's parent or the root.
      return {
        NODE_PATH: unique(packages.filter((path) => basename(path) === "node_modules")).join(delimiter),
      };
    default:
      return {};
  }
}

/**
 * Where Deno caches modules from the web and what it has compiled. Where it is to write there it has one that no other program
 * of the user believes in: native code in a worker could write there too.
 */
export function denoFolder({ allowImport }: Policy): string {
  const { DENO_DIR, XDG_CACHE_HOME } = process.env;
  const caches = XDG_CACHE_HOME || join(homedir(), ".cache");
  return isNothing(allowImport) ? DENO_DIR || join(caches, "deno") : join(caches, "knitting-native", "deno");
}
