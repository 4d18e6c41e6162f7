/** What `task` and `importTask` return, and the options that both take. */

import { createTaskPool } from "../pool/create-pool";
import type { PoolOptions } from "../pool/options";
import type { TaskPool } from "../pool/types";
import type { Definition, Task } from "../task/definition";
import { carry } from "../task/definition";
import type { Timeout } from "../task/time-limit";

/** A task that can have its own pool. */
export interface DefinedTask<Argument = unknown, Result = unknown, Abortable extends boolean = boolean>
  extends Task<Argument, Result, Abortable> {
  /**
   * Creates a pool that runs only this task: `pool.call(argument)`. The task need not be exported. It must be defined
   * at the top level of its module, outside `if (isMain)`, because a worker finds it by the order in which the module
   * calls `task`.
   *
   * @throws InvalidOptionError
   * @throws TaskNotFoundError if it is certain that the task can't be found
   * @throws PermissionUnsupportedError if a rule of `permission` can't be enforced
   * @throws UnsupportedPlatformError
   */
  createPool(options?: PoolOptions): TaskPool<Task<Argument, Result, Abortable>>;
}

/** The options that `task` and `importTask` have in common. */
export interface TaskOptions<Result> {
  /** Time limit of the task, from its start. Default: no limit. */
  timeout?: Timeout<Awaited<Result>> | undefined;
  /**
   * Whether the task can learn that nobody waits for its call any more. If `true`, the task gets a `TaskToolkit` as
   * its second argument, and the promise of each call has the method `reject(reason)`. Default `false`.
   *
   * With `{ hasAborted: true }` an aborted call keeps a partial result: the task is asked to stop, and the call resolves
   * with what it then returns, or rejects with what it throws. A call that was not begun rejects with the reason at once.
   * A task that doesn't look, and never settles, keeps its call waiting: `kill` and `worker.hardTimeoutMs` end it.
   */
  abortSignal?: boolean | { readonly hasAborted: true } | undefined;
}

/** A task whose time limit has `maybe: true`: a call resolves with `undefined` when the time is over. */
export interface Maybe {
  timeout: { readonly time: number; readonly maybe: true };
}

export interface Abortable {
  abortSignal: true | { readonly hasAborted: true };
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
