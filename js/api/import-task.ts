/** Naming a task by its module. */
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

/** What `importTask` takes. */
export interface ImportDefinition<Result> extends TaskOptions<Result> {
  /** The module: relative to the calling one, an absolute path, or a `file:` or `data:` URL; with workers on Deno also an `https:` URL. */
  href: string | URL;
  /** The export, `"default"` where nothing is said. */
  name?: string | undefined;
}

/**
 * Names a task without importing it: the host never evaluates the module, only workers do.
 *
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
