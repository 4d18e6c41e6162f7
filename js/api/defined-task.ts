/** What `task` and `importTask` return, and the options that they share. */

import { createTaskPool } from "../pool/create-pool";
import type { PoolOptions } from "../pool/options";
import type { TaskPool } from "../pool/types";
import type { Definition, Task } from "../task/definition";
import { carry } from "../task/definition";
import type { Timeout } from "../task/time-limit";

/** A task that can have a pool to itself. */
export interface DefinedTask<Argument = unknown, Result = unknown, Abortable extends boolean = boolean>
  extends Task<Argument, Result, Abortable> {
  /**
   * Creates a pool of this task alone: `pool.call(argument)`. It need not be exported, but it has to be defined at the top level of its
   * module, outside `if (isMain)`: a worker finds it by the order in which the module calls `task`.
   *
   * @throws InvalidOptionError, TaskNotFoundError if the task can't be found for sure, UnsupportedPlatformError.
   */
  createPool(options?: PoolOptions): TaskPool<Task<Argument, Result, Abortable>>;
}

/** What `task` and `importTask` take besides. */
export interface TaskOptions<Result> {
  /** How long the task may take, from its start. Default: as long as it likes. */
  timeout?: Timeout<Awaited<Result>> | undefined;
  /**
   * Whether the task is to be told when nobody waits for its call any more: its second argument is then a `TaskToolkit`, and
   * the promise of a call has `reject(reason)`. Default `false`.
   */
  abortSignal?: boolean | undefined;
}

/** A task of which nothing may come: its result is `undefined` when its time is over. */
export interface Maybe {
  timeout: { readonly time: number; readonly maybe: true };
}

export interface Abortable {
  abortSignal: true;
}

export interface NotAbortable {
  abortSignal?: false | undefined;
}

/** @internal What `task` and `importTask` return for a definition. */
export function definedTask(definition: Definition): Task {
  const task: Task = carry(definition, {
    createPool: (options?: PoolOptions) => createTaskPool(task, options),
  });
  return task;
}
