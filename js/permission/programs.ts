/** The programs that workers may start, and the files that it takes to start them. */
import { delimiter, resolve } from "node:path";
import { InvalidOptionError } from "../base/errors";
import { describe } from "../base/validate";
import type { ProgramNeeds } from "../native/addon";
import { environmentOf } from "../runtime/environment";
import { isExecutable } from "../runtime/executable";
import type { ResolvedWorker } from "../runtime/options";
import { real, unique } from "./paths";
import type { Policy } from "./policy";
import { programNeeds } from "./program-needs";

/** Folders of programs in addition to those of `PATH`. */
const PROGRAM_FOLDERS = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];
/** Folders of the files that programs consist of. */
const PROGRAM_TREES = ["/usr", "/bin", "/sbin", "/lib", "/lib64", "/opt"];

/** The files that it takes to start the programs of `run`, and those programs among them that may not be started. */
export function programsOf(
  { run, denyRun }: Policy,
  worker: ResolvedWorker,
): ProgramNeeds & { denied: readonly string[] } {
  const folders = searched(worker);
  const denied = denyRun.flatMap((program) => findPrograms(program, [...folders, ...PROGRAM_FOLDERS]));
  if (run === true) {
    const execute = unique([...folders, ...PROGRAM_TREES].flatMap((folder) => real(folder) ?? []));
    return { read: [], execute, devices: [], names: [], denied };
  }
  const programs = run.map((program, index) => {
    const [path] = findPrograms(program, folders);
    if (path === undefined) {
      throw new InvalidOptionError(
        `createPool: "permission.run[${index}]" is ${describe(program)}, it must be a program on PATH ` +
          "or the path of one",
      );
    }
    return path;
  });
  const needs = programs.filter((path) => !denied.includes(path)).map((path) => programNeeds(path));
  return {
    read: needs.flatMap(({ read }) => read),
    execute: needs.flatMap(({ execute }) => execute),
    devices: needs.flatMap(({ devices }) => devices),
    names: needs.flatMap(({ names }) => names),
    denied: [],
  };
}

/** The folders in which the workers look for a program. */
function searched(worker: ResolvedWorker): string[] {
  const path = environmentOf(worker).get("PATH")?.value ?? process.env.PATH ?? "";
  return path.split(delimiter).map((folder) => resolve(worker.cwd, folder));
}

/** The files behind a program: each file of its name in these folders, or the one at its path. */
function findPrograms(program: string, folders: readonly string[]): string[] {
  const paths = program.includes("/") ? [program] : folders.map((folder) => resolve(folder, program));
  return unique(paths.filter(isExecutable).flatMap((path) => real(path) ?? []));
}
