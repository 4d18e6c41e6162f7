/** The public function `task`, which defines a task by its function. */
import { defineLocal } from "../task/define";
import type { Task, TaskFunction } from "../task/definition";
import type { TaskToolkit } from "../task/toolkit";
import {
  type Abortable,
  type DefinedTask,
  definedTask,
  type Maybe,
  type NotAbortable,
  type TaskOptions,
} from "./defined-task";

/** The argument of `task`. */
export interface TaskDefinition<Argument, Result> extends TaskOptions<Result> {
  /**
   * The task's function. It runs in a worker and sees the module as that worker has evaluated it, not the host's
   * variables.
   */
  f: (argument: Argument, toolkit: TaskToolkit) => Result;
}

/**
 * Defines a task by its function. Export the result under the name that the task has in the pool: a worker imports this
 * module and takes the export of that name.
 *
 * @throws InvalidOptionError
 * @example
 * export const double = task({ f: (x: number) => x * 2 });
 */
export function task<Argument = void, Result = unknown>(
  definition: TaskDefinition<Argument, Result> & Maybe & Abortable,
): DefinedTask<Argument, Awaited<Result> | undefined, true>;
export function task<Argument = void, Result = unknown>(
  definition: TaskDefinition<Argument, Result> & Maybe & NotAbortable,
): DefinedTask<Argument, Awaited<Result> | undefined, false>;
export function task<Argument = void, Result = unknown>(
  definition: TaskDefinition<Argument, Result> & Abortable,
): DefinedTask<Argument, Result, true>;
export function task<Argument = void, Result = unknown>(
  definition: TaskDefinition<Argument, Result> & NotAbortable,
): DefinedTask<Argument, Result, false>;
export function task(definition: TaskOptions<unknown> & { f: TaskFunction }): Task {
  return definedTask(defineLocal(definition));
}
