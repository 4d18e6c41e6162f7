/** A policy as flags of Deno's command line. */
import { InvalidOptionError } from "../base/errors";
import { describe } from "../base/validate";
import { type Grant, isNothing, type Policy } from "./policy";

/** Whether Deno's flags can express a path. Their lists are separated by commas. */
export function canTellDeno(path: string): boolean {
  return !path.includes(",");
}

/** Deno's flags for a policy. Files in `needs` can be read in addition, and libraries in `libraries` can be loaded. */
export function denoPermissions(
  policy: Policy,
  needs: readonly string[],
  libraries: readonly string[],
): string[] {
  return [
    // What is not granted is denied, because nobody can answer a prompt.
    "--no-prompt",
    // The environment holds only what the policy allows, so Deno may read all of it. System information, for which a
    // policy has no field, is no secret.
    "--allow-env",
    "--allow-sys",
    ...allow("--allow-read", policy.read === true ? true : [...policy.read, ...needs]),
    ...deny("--deny-read", policy.denyRead),
    ...allow("--allow-write", policy.write),
    ...deny("--deny-write", policy.denyWrite),
    ...allow("--allow-net", policy.net),
    ...deny("--deny-net", policy.denyNet),
    ...allow("--allow-run", policy.run),
    ...deny("--deny-run", policy.denyRun),
    ...allow("--allow-ffi", libraries),
    // Without this flag Deno would allow imports from its own default hosts.
    ...(isNothing(policy.allowImport) ? ["--no-remote"] : allow("--allow-import", policy.allowImport)),
  ];
}

function allow(flag: string, grant: Grant): string[] {
  return grant === true ? [flag] : deny(flag, grant);
}

/** An empty list gives no flag, because a flag with an empty list would stand for everything. */
function deny(flag: string, list: readonly string[]): string[] {
  const torn = list.find((entry) => !canTellDeno(entry));
  if (torn !== undefined) {
    throw new InvalidOptionError(
      `createPool: permission: Deno can't be told ${describe(torn)}, its lists are separated by commas`,
    );
  }
  return list.length === 0 ? [] : [`${flag}=${list.join(",")}`];
}
