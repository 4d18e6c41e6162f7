/** Finds the executable of a worker process. */
import { accessSync, constants, statSync } from "node:fs";
import { delimiter, resolve } from "node:path";
import { InvalidOptionError } from "../base/errors";
import { describe } from "../base/validate";
import { describePacked } from "./host-program";
import type { ProcessRuntime, ResolvedWorker } from "./options";

const RUNTIMES: readonly ProcessRuntime[] = ["node", "deno", "bun"];

/**
 * The executable of a pool's workers: an absolute path, or unchanged if it lies in a container and not in this system.
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

/**
 * Whether the worker has a file system of its own, as in a container. A sandbox in this file system can inherit
 * descriptor 0.
 */
export function isElsewhere({ prefix, sharedMemory }: ResolvedWorker): boolean {
  return prefix !== undefined && sharedMemory.mode === "named";
}

/** The default executable of a runtime. This process's own is one if it runs the script that it is given. */
function locate(runtime: ProcessRuntime): string | undefined {
  if (runtime === "node") {
    return describePacked() === undefined ? process.execPath : undefined;
  }
  return find(runtime);
}

/** The executable at a path, or of a name on PATH; undefined if there is none. */
function find(command: string): string | undefined {
  if (command.includes("/")) {
    return isExecutable(command) ? resolve(command) : undefined;
  }
  // The same rules as the system's: without PATH nothing is searched, and an empty entry is the working directory.
  const folders = process.env.PATH?.split(delimiter) ?? [];
  return folders.map((folder) => resolve(folder, command)).find(isExecutable);
}

/** Whether there is a file at a path that this user can execute. */
export function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

function missing(runtime: ProcessRuntime): InvalidOptionError {
  if (runtime === "node") {
    const other = find("node");
    return new InvalidOptionError(
      `createPool: worker.processRuntime is "node", and this program is ${describePacked()}: its executable ` +
        `${process.execPath} would start the program itself, not a worker. Say by worker.processRuntimePath where ` +
        `a Node is${other === undefined ? "" : `, such as ${other}`}`,
    );
  }
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
