/** A policy as flags of Deno's command line. */
import { accessSync, constants, existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { InvalidOptionError } from "../base/errors";
import { describe } from "../base/validate";
import type { ResolvedWorker } from "../runtime/options";
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

/** Whether this process, and with it a worker, may use names in a folder. */
function canEnter(folder: string): boolean {
  try {
    accessSync(folder, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** Files by which Deno takes a folder for a project. */
const PROJECT_FILES = ["package.json", "deno.json", "deno.jsonc"];

/**
 * The flag for a Deno that could not start with a project's configuration. Deno looks for a project in the folders
 * above its program, and does not start if it can read `package.json` or `deno.json` there, but not the `.npmrc` or the
 * members of a workspace that belong to it. Without the configuration it reads neither, and resolves packages all the
 * same: it then takes the working directory for the project, so it must be able to enter that. A configuration that the
 * user names in `execArgv` stays.
 */
export function configurationFlags(
  entry: string,
  { cwd, execArgv = [] }: ResolvedWorker,
  isReadable: (path: string) => boolean,
): string[] {
  const isPresent = (path: string): boolean => existsSync(path) && isReadable(path);
  const isInPart = (folder: string): boolean => {
    const npmrc = join(folder, ".npmrc");
    const isClosed = !isReadable(folder) || (existsSync(npmrc) && !isReadable(npmrc));
    return isClosed && PROJECT_FILES.some((name) => isPresent(join(folder, name)));
  };
  const isNamed = execArgv.some((flag) => /^(-c|--config|--no-config)/.test(flag));
  return !isNamed && canEnter(cwd) && foldersAbove(entry).some(isInPart) ? ["--no-config"] : [];
}

function foldersAbove(path: string): string[] {
  const folder = dirname(path);
  return folder === path ? [] : [folder, ...foldersAbove(folder)];
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
