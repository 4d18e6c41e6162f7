/**
 * What `task` and `importTask` return, and where a worker finds it.
 *
 * A worker imports the task's module. There it takes an export by its name; or, where no name is known, what the module's first,
 * second, ... call of `task` has defined. A module defines the same tasks in the same order wherever it is evaluated, if it calls
 * `task` at its top level. One that defines fewer in the worker than in the host is refused: which one is meant would be a guess.
 */

import type { TimeLimit } from "./time-limit";
import type { TaskToolkit } from "./toolkit";

/** A function that runs in a worker: one argument in, one value out, either may be missing. */
// biome-ignore lint/suspicious/noExplicitAny: each task brings its own argument type
export type TaskFunction = (argument: any, toolkit: TaskToolkit) => unknown;

const DEFINITION = Symbol.for("knitting-native.task");

/** Carries a task's signature from `task` and `importTask` to `pool.call`. For types alone: no value has it. */
declare const SIGNATURE: unique symbol;

/** For types alone too: whether a task is to be told of aborts. */
declare const ABORTABLE: unique symbol;

/** What `task` and `importTask` define: export it and put it among a pool's tasks. */
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
  /** Whether the task is to be told of aborts. */
  readonly abortable: boolean;
}

/** @internal Where a definition comes from: a module named outright, or the place that called `task`. */
export type Origin =
  | { readonly kind: "imported"; readonly href: string; readonly name: string }
  | {
      readonly kind: "local";
      readonly f: TaskFunction;
      /** Of the module; `undefined` where the code has no file. */
      readonly href: string | undefined;
      /** How many tasks the module had defined before. */
      readonly nth: number;
    };

/** @internal Makes a value a task. */
export function carry<T extends object>(definition: Definition, methods: T): T & Task {
  return Object.assign(Object.create(null), { [DEFINITION]: definition }, methods);
}

/** @internal The definition that a value carries, if it is a task. */
export function definitionOf(value: unknown): Definition | undefined {
  return typeof value === "object" && value !== null ? (value as Task)[DEFINITION] : undefined;
}

/** How many tasks each module has defined so far. */
const counts = new Map<string, number>();

/** In a worker that is booting: the tasks of each module. All copies of this package in one worker share it. */
const REGISTRY = Symbol.for("knitting-native.registry");
const shared = globalThis as { [REGISTRY]?: Map<string, TaskFunction[]> | undefined };

/** @internal Counts a task as one more of its module, and registers it while a worker boots. */
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

/** @internal Keeps what modules define while `load` imports them. */
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
