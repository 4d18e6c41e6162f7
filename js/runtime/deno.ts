/** Deno as it runs workers: its flags and its cache. */
import { homedir } from "node:os";
import { join, resolve } from "node:path";
import { environmentOf } from "./environment";
import type { ResolvedWorker } from "./options";
import { v8Flags } from "./resource-limits";

/** What it gets where nothing is restricted. */
const ANYTHING = ["--allow-all"];

const FLAGS = [
  // Nothing but what the tasks write: no progress of downloads, no warnings about a project's configuration.
  "--quiet",
  // A project is the user's: no deno.lock in it, and nothing is installed into its node_modules, which are read as they are.
  "--no-lock",
  "--node-modules-dir=manual",
  // A .js file whose package.json names no type is what its text says, as in Node.
  "--unstable-detect-cjs",
];

/** Its command line behind the executable, up to the script. It collects what several `--v8-flags` name. */
export function denoFlags(
  { execArgv = [], resourceLimits }: ResolvedWorker,
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
 * Where it caches modules from the web and what it has compiled. Where it writes there, and the user has not said where, it
 * has a folder that no other program of the user believes in: native code in a worker could write there too.
 */
export function denoCacheFolder(worker: ResolvedWorker, isFetching: boolean): string {
  const caches = process.env.XDG_CACHE_HOME || join(homedir(), ".cache");
  const variable = environmentOf(worker).get("DENO_DIR");
  const said = variable?.source === "set" || variable?.source === "files" ? variable.value : undefined;
  if (said !== undefined || !isFetching) {
    return resolve(worker.cwd ?? "", said || process.env.DENO_DIR || join(caches, "deno"));
  }
  return join(caches, "knitting-native", "deno");
}
