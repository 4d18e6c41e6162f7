/**
 * What `task` and `importTask` return, and how a worker finds it.
 *
 * A worker imports the task's module and takes an export by its name. If no name is known, it takes what the module's
 * first, second, ... call of `task` has defined. If a module calls `task` at its top level, it defines the same tasks
 * in the same order wherever it is evaluated. A module that defines fewer tasks in the worker than in the host is
 * refused, since the worker could only guess which task is meant.
 */

import type { TimeLimit } from "./time-limit";
import type { TaskToolkit } from "./toolkit";

/** A function that runs in a worker. It takes one argument and returns one value; either may be missing. */
// biome-ignore lint/suspicious/noExplicitAny: each task brings its own argument type
export type TaskFunction = (argument: any, toolkit: TaskToolkit) => unknown;

const DEFINITION = Symbol.for("knitting-native.task");

/**
 * Carries a task's signature from `task` and `importTask` to `pool.call`. Only types have this member, values don't.
 */
declare const SIGNATURE: unique symbol;

/** Carries whether the task learns of aborts. Only types have this member, values don't. */
declare const ABORTABLE: unique symbol;

/** A task that `task` or `importTask` has defined. Export it and add it to a pool's tasks. */
export interface Task<Argument = unknown, Result = unknown, Abortable extends boolean = boolean> {
  /** @internal */
  readonly [DEFINITION]: Definition;
  readonly [SIGNATURE]: (argument: Argument) => Result;
  readonly [ABORTABLE]: Abortable;
}

/** @internal */
export interface Definition {
  readonly origin: Origin;
  readonly limit: TimeLimit | undefined;
  readonly abortable: AbortForm;
}

/** Whether a task learns of aborts. `"partial"`: an aborted call of it settles with what the task then returns. */
export type AbortForm = boolean | "partial";

/** @internal Origin of a definition: a module that was named explicitly, or the place that called `task`. */
export type Origin =
  | { readonly kind: "imported"; readonly href: string; readonly name: string }
  | {
      readonly kind: "local";
      readonly f: TaskFunction;
      /** URL of the module; `undefined` if the code has no file. */
      readonly href: string | undefined;
      /** How many tasks the module had defined before this one. */
      readonly nth: number;
    };

/** @internal Turns a value into a task. */
export function carry<T extends object>(definition: Definition, methods: T): T & Task {
  return Object.assign(Object.create(null), { [DEFINITION]: definition }, methods);
}

/** @internal The definition of a task; `undefined` if the value is not a task. */
export function definitionOf(value: unknown): Definition | undefined {
  return typeof value === "object" && value !== null ? (value as Task)[DEFINITION] : undefined;
}

/** How many tasks each module has defined so far. */
const counts = new Map<string, number>();

/** The tasks of each module, in a worker that is booting. All copies of this package in one worker share it. */
const REGISTRY = Symbol.for("knitting-native.registry");
const shared = globalThis as { [REGISTRY]?: Map<string, TaskFunction[]> | undefined };

/** @internal Counts a task as the module's next one, and registers it while a worker boots. */
export function registerTask(href: string | undefined, f: TaskFunction): Origin {
  const nth = definedIn(href);
  if (href !== undefined) {
    counts.set(href, nth + 1);
    const tasks = shared[REGISTRY];
    if (tasks !== undefined) {
      tasks.set(href, [...(tasks.get(href) ?? []), f]);
    }
  }
  return { kind: "local", f, href, nth };
}

/** @internal How many tasks a module has defined so far. */
export function definedIn(href: string | undefined): number {
  return href === undefined ? 0 : (counts.get(href) ?? 0);
}

/** @internal Records the tasks that modules define while `load` imports them. */
export async function withRegistry<T>(
  load: (tasksOf: (href: string) => readonly TaskFunction[]) => Promise<T>,
): Promise<T> {
  const tasks = new Map<string, TaskFunction[]>();
  shared[REGISTRY] = tasks;
  try {
    return await load((href) => tasks.get(href) ?? []);
  } finally {
    shared[REGISTRY] = undefined;
  }
}
