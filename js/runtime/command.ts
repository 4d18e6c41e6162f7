/**
 * The command line of a worker process: `runtime ++ flags ++ worker entry ++ arguments`. A wrapper and the launcher may stand before
 * it.
 */
import { bunArguments, bunFlags } from "./bun";
import { denoFlags } from "./deno";
import { nodeFlags } from "./node";
import type { ProcessRuntime, ResolvedWorker } from "./options";

/**
 * `permissions` are the runtime's permission flags; undefined if nothing is restricted. They follow the user's own
 * flags.
 */
export function runtimeCommand(
  worker: ResolvedWorker,
  executable: string,
  entry: string,
  permissions?: readonly string[],
): string[] {
  const { runtime, argv } = worker;
  const ofEntry = runtime === "bun" ? bunArguments(argv) : argv;
  return [executable, ...flags(worker, executable, permissions), entry, ...ofEntry];
}

function flags(
  worker: ResolvedWorker,
  executable: string,
  permissions: readonly string[] | undefined,
): string[] {
  switch (worker.runtime as ProcessRuntime) {
    case "node":
      return nodeFlags(worker, executable, permissions);
    case "deno":
      return denoFlags(worker, permissions);
    case "bun":
      return bunFlags(worker, permissions);
  }
}
