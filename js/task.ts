/** Tasks: what they are on the host, and where a worker finds them. */
import { pathToFileURL } from "node:url";
import { callerFile } from "./caller";
import { InvalidOptionError, TaskNotFoundError } from "./errors";
import { describe, record, refuseUnknown } from "./validate";

/** What may be sent to a task and returned from it. Functions, symbols and class instances may not. */
export type Payload =
  | undefined
  | null
  | boolean
  | number
  | bigint
  | string
  | Date
  | Error
  | ArrayBuffer
  | ArrayBufferView
  | readonly Payload[]
  | { readonly [key: string]: Payload };

/** A function that runs in a worker: one argument in, one value out, either may be missing. */
// biome-ignore lint/suspicious/noExplicitAny: each task brings its own argument type
export type TaskFunction = (argument: any) => unknown;

const DEFINITION = Symbol.for("knitting-native.task");

/** Carries a task's signature from `task` and `importTask` to `pool.call`. For types alone: no value has it. */
declare const SIGNATURE: unique symbol;

/** What `task` and `importTask` return: export it and put it among a pool's tasks. */
export interface Task<Argument = unknown, Result = unknown> {
  /** @internal */
  readonly [DEFINITION]: TaskOrigin;
  readonly [SIGNATURE]: (argument: Argument) => Result;
}

/** @internal Where a definition comes from: a module named outright, or the place that called `task`. */
export type TaskOrigin =
  | { readonly kind: "local"; readonly f: TaskFunction; readonly file: string | undefined }
  | { readonly kind: "imported"; readonly href: string; readonly name: string };

const NOT_YET = ["timeout", "abortSignal"];

/**
 * Defines a task by its function. Export the result under the name it has in the pool: a worker imports this module and
 * takes the export of that name.
 *
 * @example
 * export const double = task({ f: (x: number) => x * 2 });
 */
export function task<Argument = void, Result = unknown>(definition: {
  /** The function. It runs in a worker and sees that worker's module, not the host's. */
  f: (argument: Argument) => Result;
}): Task<Argument, Result> {
  record("task", "definition", definition, "an object: { f }");
  refuseUnknown("task", definition, ["f"], NOT_YET);
  const { f } = definition;
  if (typeof f !== "function") {
    throw new InvalidOptionError(`task: "f" is ${describe(f)}, it must be a function`);
  }
  const origin: TaskOrigin = { kind: "local", f, file: callerFile() };
  return { [DEFINITION]: origin } as Task<Argument, Result>;
}

/**
 * Names a task without importing it: the host never evaluates the module, only workers do.
 *
 * @example
 * export const add = importTask<[number, number], number>({ href: "./worker-tasks.js", name: "add" });
 */
export function importTask<Argument = void, Result = unknown>(definition: {
  /** The module: relative to the calling one, an absolute path, or a `file:` or `data:` URL. */
  href: string | URL;
  /** The export, `"default"` where nothing is said. */
  name?: string | undefined;
}): Task<Argument, Result> {
  record("importTask", "definition", definition, "an object: { href, name }");
  refuseUnknown("importTask", definition, ["href", "name"], NOT_YET);
  const { name = "default" } = definition;
  const href = definition.href instanceof URL ? definition.href.href : definition.href;
  if (typeof href !== "string" || href === "") {
    throw new InvalidOptionError(
      `importTask: "href" is ${describe(href)}, it must be a path or a URL such as "./tasks.js"`,
    );
  }
  if (typeof name !== "string" || name === "") {
    throw new InvalidOptionError(`importTask: "name" is ${describe(name)}, it must be the name of an export`);
  }
  const origin: TaskOrigin = { kind: "imported", href: resolve(href, callerFile()), name };
  return { [DEFINITION]: origin } as Task<Argument, Result>;
}

/** @internal The origin of a definition; `undefined` for any other value. */
export function originOf(value: unknown): TaskOrigin | undefined {
  return typeof value === "object" && value !== null ? (value as Task)[DEFINITION] : undefined;
}

function resolve(href: string, caller: string | undefined): string {
  if (href.startsWith("/")) {
    return pathToFileURL(href).href;
  }
  if (/^(file|data):/.test(href)) {
    return href;
  }
  if (/^[a-z][a-z0-9+.-]+:/i.test(href)) {
    throw new InvalidOptionError(
      `importTask: "href" is ${JSON.stringify(href)}, it must be a path, a file: URL or a data: URL`,
    );
  }
  if (caller === undefined) {
    throw new TaskNotFoundError(
      `importTask: "${href}" is relative, and the calling code has no file to start from. Give an absolute path or URL`,
    );
  }
  if (!URL.canParse(href, caller)) {
    throw new InvalidOptionError(`importTask: "href" is ${describe(href)}, it leads nowhere from ${caller}`);
  }
  return new URL(href, caller).href;
}
