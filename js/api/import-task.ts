/** The public function `importTask`, which names a task by its module. */
import { defineImported } from "../task/define";
import type { Task } from "../task/definition";
import {
  type Abortable,
  type DefinedTask,
  definedTask,
  type Maybe,
  type NotAbortable,
  type TaskOptions,
} from "./defined-task";

/** The argument of `importTask`. */
export interface ImportDefinition<Result> extends TaskOptions<Result> {
  /**
   * The module: a path relative to the calling module, an absolute path, or a `file:` or `data:` URL. Workers on Deno
   * also take an `https:` URL.
   */
  href: string | URL;
  /** Name of the export. Default `"default"`. */
  name?: string | undefined;
}

/**
 * Defines a task by its module and export, without importing it: only workers evaluate the module, the host never does.
 *
 * @throws InvalidOptionError
 * @throws TaskNotFoundError if `href` is relative and the calling code has no file
 * @example
 * export const add = importTask<[number, number], number>({ href: "./worker-tasks.js", name: "add" });
 */
export function importTask<Argument = void, Result = unknown>(
  definition: ImportDefinition<Result> & Maybe & Abortable,
): DefinedTask<Argument, Awaited<Result> | undefined, true>;
export function importTask<Argument = void, Result = unknown>(
  definition: ImportDefinition<Result> & Maybe & NotAbortable,
): DefinedTask<Argument, Awaited<Result> | undefined, false>;
export function importTask<Argument = void, Result = unknown>(
  definition: ImportDefinition<Result> & Abortable,
): DefinedTask<Argument, Result, true>;
export function importTask<Argument = void, Result = unknown>(
  definition: ImportDefinition<Result> & NotAbortable,
): DefinedTask<Argument, Result, false>;
export function importTask(definition: ImportDefinition<unknown>): Task {
  return definedTask(defineImported(definition));
}
