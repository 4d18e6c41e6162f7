/**
 * Where the workers of a pool find its tasks: the module of each task, and its export or its index among the module's
 * tasks.
 */
import { InvalidOptionError, TaskNotFoundError } from "../base/errors";
import { describe, record } from "../base/validate";
import { mayBeBundled } from "../task/caller";
import { type Definition, definedIn, definitionOf } from "../task/definition";
import type { TaskSource } from "../task/program";
import { Modules, TASK_ADVICE } from "./module-exports";

/**
 * Where the workers find each task. Throws the errors that can be found at once. `caller` looks for the module that
 * exports the tasks which say nothing themselves.
 */
export function locateAll(tasks: unknown, caller: () => string | undefined): TaskSource[] {
  const entries = Object.entries(record("createPool", "tasks", tasks, "an object such as { add }"));
  if (entries.length === 0) {
    throw new InvalidOptionError("createPool: there are no tasks, there must be at least one");
  }
  const modules = new Modules();
  return entries.map(([task, value]) => {
    const definition = definitionOf(value);
    if (definition !== undefined) {
      return locateTask(task, definition, task, modules);
    }
    if (typeof value !== "function") {
      throw new InvalidOptionError(
        `createPool: task "${task}" is ${describe(value)}, it must be an exported function, or what ` +
          "task() or importTask() returns",
      );
    }
    const href = fileOf(task, caller());
    modules.assertExported(`task "${task}"`, href, task, TASK_ADVICE);
    return { task, href, at: task, abortable: false };
  });
}

/** Where the workers find a task that is exported as `key`, if it has a key. */
export function locateTask(
  task: string,
  { origin, abortable }: Definition,
  key: string | undefined,
  modules = new Modules(),
): TaskSource {
  const what = `task "${task}"`;
  if (origin.kind === "imported") {
    const { href, name } = origin;
    modules.assertExported(what, href, name, TASK_ADVICE);
    return { task, href, at: name, abortable };
  }
  const href = fileOf(task, origin.href);
  if (key !== undefined && !mayBeBundled(href)) {
    modules.assertExported(what, href, key, TASK_ADVICE);
    return { task, href, at: key, abortable };
  }
  modules.assertExists(what, href);
  return { task, href, at: { nth: origin.nth, of: definedIn(href) }, abortable };
}

function fileOf(task: string, href: string | undefined): string {
  if (href === undefined) {
    throw new TaskNotFoundError(
      `task "${task}": the code that defines it has no file for a worker to import. Put it in a ` +
        "module, or name one by importTask",
    );
  }
  return href;
}
