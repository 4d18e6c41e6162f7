/** The workers' environment variables. */
import { BOOT_VARIABLES } from "../task/program";
import type { ResolvedWorker } from "./resolve-options";
import { jscVariables } from "./resource-limits";

/**
 * What it takes to start a process, found by starting each runtime without it. Not `HOME`: Deno and Bun look the home folder up
 * by the user's id, and do without a cache where there is none.
 */
const NEEDED = {
  // By it the launcher finds a prefix's command, and that its own.
  all: ["PATH", "LD_LIBRARY_PATH"],
  // Remote modules are in there: without it they would be fetched again.
  deno: ["DENO_DIR"],
};

/** The whole environment of a process worker, but for its boot variables. */
export function workerEnvironment(worker: ResolvedWorker): [string, string][] {
  const needed = worker.runtime === "deno" ? [...NEEDED.all, ...NEEDED.deno] : NEEDED.all;
  const { denied = [] } = worker.env ?? {};
  const variables = { ...pick(needed.filter((name) => !denied.includes(name))), ...chosen(worker) };
  for (const [name, value] of worker.runtime === "bun" ? jscVariables(worker.resourceLimits) : []) {
    variables[name] = value;
  }
  return Object.entries(variables);
}

/** The environment of a worker thread; undefined is a copy of the host's. */
export function threadEnvironment(worker: ResolvedWorker): Record<string, string> | undefined {
  return worker.env === undefined ? undefined : chosen(worker);
}

/** The names of what a worker has. */
export function variablesOf(worker: ResolvedWorker): string[] {
  return worker.runtime === "thread"
    ? Object.keys(threadEnvironment(worker) ?? process.env)
    : workerEnvironment(worker).map(([name]) => name);
}

/** What the option says. */
function chosen({ env }: ResolvedWorker): Record<string, string> {
  return env === undefined ? pick(Object.keys(process.env)) : { ...pick(env.inherit), ...env.set };
}

/** Those of the host's variables that are set. Never what an outer pool has started this process with. */
function pick(names: readonly string[]): Record<string, string> {
  const variables: Record<string, string> = {};
  for (const name of names) {
    const value = process.env[name];
    if (value !== undefined && !BOOT_VARIABLES.includes(name)) {
      variables[name] = value;
    }
  }
  return variables;
}
