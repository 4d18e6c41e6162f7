/**
 * The runtime of a process worker: where its executable is, and its command line. `runtime ++ flags ++ worker entry`, to which
 * a prefix and the launcher are put in front elsewhere.
 */
import { accessSync, constants, realpathSync, statSync } from "node:fs";
import { delimiter, isAbsolute, resolve } from "node:path";
import { InvalidOptionError } from "../base/errors";
import { describe } from "../base/validate";
import { DENO_UNSAFE } from "../permission/deno-flags";
import { inheritedExecArgv } from "./exec-argv";
import type { ProcessRuntime, ResolvedWorker } from "./resolve-options";
import { v8Flags } from "./resource-limits";

const RUNTIMES: readonly ProcessRuntime[] = ["node", "deno", "bun"];

const DENO = [
  // Nothing but what the tasks write: no progress of downloads, no warnings about a project's configuration.
  "--quiet",
  // A project is the user's: no deno.lock in it, and nothing is installed into its node_modules, which are read as they are.
  "--no-lock",
  "--node-modules-dir=manual",
  // A .js file whose package.json names no type is what its text says, as in Node.
  "--unstable-detect-cjs",
];

const BUN = [
  "run",
  // A package that is missing is an error, and not fetched from the registry.
  "--no-install",
  // The workers' environment is what the options say, not what lies in the working directory.
  "--no-env-file",
];

/**
 * The executable of a pool's workers: an absolute path, or as it was given where a container has it and not this system.
 * Throws `InvalidOptionError` if it is missing.
 */
export function findRuntime(worker: ResolvedWorker): string {
  const runtime = worker.runtime as ProcessRuntime;
  const { runtimePath } = worker;
  if (isElsewhere(worker)) {
    return runtimePath ?? runtime;
  }
  const found = runtimePath === undefined ? locate(runtime) : find(runtimePath);
  if (found === undefined) {
    throw runtimePath === undefined ? missing(runtime) : unusable(runtimePath);
  }
  return found;
}

/** The worker's command line, without a prefix. `permissions` are the runtime's flags for what it may do; undefined: anything. */
export function runtimeCommand(
  worker: ResolvedWorker,
  executable: string,
  entry: string,
  permissions?: readonly string[],
): string[] {
  return [executable, ...flags(worker, executable, permissions), entry];
}

/** The options' limits and permissions come after the user's own flags, so that they hold. */
function flags(
  { runtime, execArgv, resourceLimits }: ResolvedWorker,
  executable: string,
  permissions: readonly string[] | undefined,
): string[] {
  const ofV8 = v8Flags(resourceLimits);
  switch (runtime as ProcessRuntime) {
    case "node":
      return [...(execArgv ?? inherited(executable)), ...ofV8, ...(permissions ?? [])];
    case "deno":
      // It collects what several of these name.
      return [
        "run",
        ...(permissions ?? DENO_UNSAFE),
        ...DENO,
        ...(execArgv ?? []),
        ...(ofV8.length === 0 ? [] : [`--v8-flags=${ofV8.join(",")}`]),
      ];
    case "bun":
      return [...BUN, ...(permissions ?? []), ...(execArgv ?? [])];
  }
}

/** The host's own flags are sure to exist in the executable that it runs itself. */
function inherited(executable: string): string[] {
  return isHost(executable) ? inheritedExecArgv(process.execArgv) : [];
}

function isHost(executable: string): boolean {
  try {
    return isAbsolute(executable) && realpathSync(executable) === realpathSync(process.execPath);
  } catch {
    return false;
  }
}

/** Whether the worker has a file system of its own, as in a container. A sandbox in this one can inherit descriptor 0. */
export function isElsewhere({ prefix, sharedMemory }: ResolvedWorker): boolean {
  return prefix !== undefined && sharedMemory.mode === "named";
}

/** Where a runtime is when nothing is said. */
function locate(runtime: ProcessRuntime): string | undefined {
  return runtime === "node" ? process.execPath : find(runtime);
}

/** A path as it stands, a name on PATH: the executable there, if there is one. */
function find(command: string): string | undefined {
  if (command.includes("/")) {
    return isExecutable(command) ? resolve(command) : undefined;
  }
  // As for the system: without PATH there is nothing to search, and an empty entry is the working directory.
  const folders = process.env.PATH?.split(delimiter) ?? [];
  return folders.map((folder) => resolve(folder, command)).find(isExecutable);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

function missing(runtime: ProcessRuntime): InvalidOptionError {
  const byDefault = runtime === "deno" ? " (the default)" : "";
  const found = RUNTIMES.map((other) => [other, locate(other)]).filter(([, path]) => path !== undefined);
  const others = found.map(([other, path]) => `"${other}" (${path})`).join(", ");
  return new InvalidOptionError(
    `createPool: worker.processRuntime is "${runtime}"${byDefault}, and there is no executable "${runtime}" on PATH. ` +
      `Install it, or say where it is by worker.processRuntimePath. Found instead: ${others}`,
  );
}

function unusable(path: string): InvalidOptionError {
  const where = path.includes("/")
    ? "a file that can be executed"
    : "a path, or the name of a program on PATH";
  return new InvalidOptionError(
    `createPool: "worker.processRuntimePath" is ${describe(path)}, it must be ${where}`,
  );
}
