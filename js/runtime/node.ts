/** Node as the runtime of worker processes: its flags, and which of the host's own flags it gets. */
import { realpathSync } from "node:fs";
import { isAbsolute } from "node:path";
import { inheritedConditions, inheritedFlags } from "./exec-argv";
import type { ResolvedWorker } from "./options";
import { v8Flags } from "./resource-limits";

/**
 * Node's command line from behind the executable up to the script. Limits and permissions come last, so that they
 * override earlier flags.
 */
export function nodeFlags(
  { execArgv, resourceLimits }: ResolvedWorker,
  executable: string,
  permissions: readonly string[] = [],
): string[] {
  return [...(execArgv ?? inherited(executable)), ...v8Flags(resourceLimits), ...permissions];
}

/** Most flags certainly exist only in the executable that the host runs itself. */
function inherited(executable: string): string[] {
  return isHost(executable) ? inheritedFlags() : inheritedConditions();
}

function isHost(executable: string): boolean {
  try {
    return (
      executable === process.execPath ||
      (isAbsolute(executable) && realpathSync.native(executable) === realpathSync.native(process.execPath))
    );
  } catch {
    return false;
  }
}
