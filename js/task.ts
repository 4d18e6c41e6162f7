/** Defining tasks. */
import { callerFile } from "./caller";
import { carry, type Definition, enter, type Origin, type Task, type TaskFunction } from "./definition";
import { InvalidOptionError } from "./errors";
import type { TaskToolkit } from "./lane/toolkit";
import { moduleHref } from "./module-href";
import type { PoolOptions } from "./options";
import { createTaskPool, type TaskPool } from "./pool/pool";
import { type Timeout, timeLimitOf } from "./time-limit";
import { describe, flag, record, refuseUnknown } from "./validate";

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

/** What `task` takes. */
export interface TaskDefinition<Argument, Result> extends TaskOptions<Result> {
  /** The function. It runs in a worker and sees that worker's module, not the host's. */
  f: (argument: Argument, toolkit: TaskToolkit) => Result;
}

/** What `importTask` takes. */
export interface ImportDefinition<Result> extends TaskOptions<Result> {
  /** The module: relative to the calling one, an absolute path, or a `file:` or `data:` URL; with workers on Deno also an `https:` URL. */
  href: string | URL;
  /** The export, `"default"` where nothing is said. */
  name?: string | undefined;
}

/** A task of which nothing may come: its result is `undefined` when its time is over. */
interface Maybe {
  timeout: { readonly time: number; readonly maybe: true };
}

interface Abortable {
  abortSignal: true;
}

interface NotAbortable {
  abortSignal?: false | undefined;
}

/**
 * Defines a task by its function. Export the result under the name it has in the pool: a worker imports this module and
 * takes the export of that name.
 *
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
  record("task", "definition", definition, "an object: { f }");
  refuseUnknown("task", definition, ["f", ...LIMITS]);
  const { f } = definition;
  if (typeof f !== "function") {
    throw new InvalidOptionError(`task: "f" is ${describe(f)}, it must be a function`);
  }
  const limits = limitsOf("task", definition);
  return defineTask(enter(callerFile(), f), limits);
}

const LIMITS = ["timeout", "abortSignal"];

type Limits = Pick<Definition, "limit" | "abortable">;

function limitsOf(caller: string, definition: { timeout?: unknown; abortSignal?: unknown }): Limits {
  const { timeout, abortSignal = false } = definition;
  return {
    limit: timeLimitOf(caller, "timeout", timeout),
    abortable: flag(caller, "abortSignal", abortSignal),
  };
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
  record("importTask", "definition", definition, "an object: { href, name }");
  refuseUnknown("importTask", definition, ["href", "name", ...LIMITS]);
  const { name = "default" } = definition;
  const href = moduleHref("importTask", "href", definition.href, callerFile());
  if (typeof name !== "string" || name === "") {
    throw new InvalidOptionError(`importTask: "name" is ${describe(name)}, it must be the name of an export`);
  }
  return defineTask({ kind: "imported", href, name }, limitsOf("importTask", definition));
}

function defineTask(origin: Origin, limits: Limits): Task {
  const task: Task = carry(
    { origin, ...limits },
    { createPool: (options?: PoolOptions) => createTaskPool(task, options) },
  );
  return task;
}
