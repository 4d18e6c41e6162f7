/** What a runtime is told by its environment where the kernel keeps it from finding it out. */
import { homedir } from "node:os";
import { basename, delimiter, join } from "node:path";
import type { ResolvedWorker } from "../worker-options";
import { unique } from "./paths";

/** The variables, but for those that the policy denies. `packages` are folders of packages, and others. */
export function runtimeVariables(
  { runtime, env }: ResolvedWorker,
  packages: readonly string[],
): Readonly<Record<string, string>> {
  const variables = variablesOf(runtime, packages);
  const kept = Object.entries(variables).filter(
    ([name]) => !env?.denied?.includes(name) && env?.set[name] === undefined,
  );
  return Object.fromEntries(kept);
}

function variablesOf(
  runtime: ResolvedWorker["runtime"],
  packages: readonly string[],
): Record<string, string> {
  switch (runtime) {
    case "deno":
      // It does not start where it has no cache to look for.
      return { DENO_DIR: denoFolder() };
    case "bun":
      // It finds a folder of packages by listing the one that is in, which may be a project's parent or the root.
      return {
        NODE_PATH: unique(packages.filter((path) => basename(path) === "node_modules")).join(delimiter),
      };
    default:
      return {};
  }
}

/** Where Deno caches modules from the web. */
export function denoFolder(): string {
  const { DENO_DIR, XDG_CACHE_HOME } = process.env;
  return DENO_DIR || join(XDG_CACHE_HOME || join(homedir(), ".cache"), "deno");
}
