/** A policy in the words of Deno's command line. */
import { InvalidOptionError } from "../base/errors";
import { describe } from "../base/validate";
import { type Grant, isNothing, type Policy } from "./policy";

/** Whether it can be told a path: its lists are separated by commas. */
export function canTellDeno(path: string): boolean {
  return !path.includes(",");
}

/** Its flags. `needs` can be read besides, and the libraries in `libraries` be loaded. */
export function denoPermissions(
  policy: Policy,
  needs: readonly string[],
  libraries: readonly string[],
): string[] {
  return [
    // What is not granted is denied: there is nobody to ask.
    "--no-prompt",
    // The environment has what the policy allows, and what a policy has no word for is no secret.
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
    // Without a word it would import from hosts of its own choice.
    ...(isNothing(policy.allowImport) ? ["--no-remote"] : allow("--allow-import", policy.allowImport)),
  ];
}

function allow(flag: string, grant: Grant): string[] {
  return grant === true ? [flag] : deny(flag, grant);
}

/** An empty list would stand for everything. */
function deny(flag: string, list: readonly string[]): string[] {
  const torn = list.find((entry) => !canTellDeno(entry));
  if (torn !== undefined) {
    throw new InvalidOptionError(
      `createPool: permission: Deno can't be told ${describe(torn)}, its lists are separated by commas`,
    );
  }
  return list.length === 0 ? [] : [`${flag}=${list.join(",")}`];
}
