/** Deno as the runtime of workers: its flags and its cache. */
import { join, resolve } from "node:path";
import { homeFolder } from "../base/home";
import { environmentOf } from "./environment";
import { inheritedConditions } from "./exec-argv";
import type { ResolvedWorker } from "./options";
import { v8Flags } from "./resource-limits";

/** The flags if nothing is restricted. */
const ANYTHING = ["--allow-all"];

const FLAGS = [
  // Only the tasks write output: no download progress, no warnings about a project's configuration.
  "--quiet",
  // The project belongs to the user, so the workers write no deno.lock and install nothing into node_modules.
  "--no-lock",
  "--node-modules-dir=manual",
  // A .js file whose package.json has no type is CommonJS or ESM as its text shows, as in Node.
  "--unstable-detect-cjs",
];

/** Deno's command line from behind the executable up to the script. Deno merges several `--v8-flags`. */
export function denoFlags(
  { execArgv = inheritedConditions(), resourceLimits }: ResolvedWorker,
  permissions: readonly string[] = ANYTHING,
): string[] {
  const ofV8 = v8Flags(resourceLimits);
  return [
    "run",
    ...permissions,
    ...FLAGS,
    ...execArgv,
    ...(ofV8.length === 0 ? [] : [`--v8-flags=${ofV8.join(",")}`]),
  ];
}

/**
 * The folder in which Deno caches modules from the web and compiled code. If the workers write there and the user has
 * set no folder, they get one that no other program of the user trusts, because native code in a worker could write
 * there too.
 */
export function denoCacheFolder(worker: ResolvedWorker, isFetching: boolean): string {
  const caches = process.env.XDG_CACHE_HOME || join(homeFolder(), ".cache");
  const variable = environmentOf(worker).get("DENO_DIR");
  const said = variable?.source === "set" || variable?.source === "files" ? variable.value : undefined;
  if (said !== undefined || !isFetching) {
    return resolve(worker.cwd, said || process.env.DENO_DIR || join(caches, "deno"));
  }
  return join(caches, "knitting-native", "deno");
}
