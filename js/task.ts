/** Tasks: what they are on the host, and where a worker finds them. */
import { callerFile } from "./caller";
import { InvalidOptionError } from "./errors";
import type { AbortToolkit } from "./lane/abort-toolkit";
import type { TimeLimit } from "./lane/call";
import { moduleHref } from "./module-href";
import { type Timeout, timeLimitOf } from "./time-limit";
import { describe, flag, record, refuseUnknown } from "./validate";

/**
 * What may be sent to a task and returned from it. Functions and class instances may not, nor symbols other than those of
 * `Symbol.for`.
 */
export type Payload =
  | undefined
  | null
  | boolean
  | number
  | bigint
  | string
  | symbol
  | Date
  | RegExp
  | Error
  | ArrayBuffer
  | ArrayBufferView
  | ReadonlyMap<Payload, Payload>
  | ReadonlySet<Payload>
  | readonly Payload[]
  | { readonly [key: string]: Payload };

/** A function that runs in a worker: one argument in, one value out, either may be missing. */
// biome-ignore lint/suspicious/noExplicitAny: each task brings its own argument type
export type TaskFunction = (argument: any, toolkit: AbortToolkit) => unknown;

const DEFINITION = Symbol.for("knitting-native.task");

/** Carries a task's signature from `task` and `importTask` to `pool.call`. For types alone: no value has it. */
declare const SIGNATURE: unique symbol;

/** For types alone too: whether a task is to be told of aborts. */
declare const ABORTABLE: unique symbol;

/** What `task` and `importTask` return: export it and put it among a pool's tasks. */
export interface Task<Argument = unknown, Result = unknown, Abortable extends boolean = boolean> {
  /** @internal */
  readonly [DEFINITION]: TaskOrigin & TaskLimits;
  readonly [SIGNATURE]: (argument: Argument) => Result;
  readonly [ABORTABLE]: Abortable;
}

/** @internal Where a definition comes from: a module named outright, or the place that called `task`. */
export type TaskOrigin =
  | { readonly kind: "local"; readonly f: TaskFunction; readonly file: string | undefined }
  | { readonly kind: "imported"; readonly href: string; readonly name: string };

/** @internal What a definition says of its calls. */
export interface TaskLimits {
  readonly limit: TimeLimit | undefined;
  readonly abortable: boolean;
}

/** What `task` and `importTask` take besides. */
export interface TaskOptions<Result> {
  /** How long the task may take, from its start. Default: as long as it likes. */
  timeout?: Timeout<Awaited<Result>> | undefined;
  /**
   * Whether the task is to be told when nobody waits for its call any more: its second argument is then an `AbortToolkit`, and
   * the promise of a call has `reject(reason)`. Default `false`.
   */
  abortSignal?: boolean | undefined;
}

/** What `task` takes. */
export interface TaskDefinition<Argument, Result> extends TaskOptions<Result> {
  /** The function. It runs in a worker and sees that worker's module, not the host's. */
  f: (argument: Argument, toolkit: AbortToolkit) => Result;
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
): Task<Argument, Awaited<Result> | undefined, true>;
export function task<Argument = void, Result = unknown>(
  definition: TaskDefinition<Argument, Result> & Maybe & NotAbortable,
): Task<Argument, Awaited<Result> | undefined, false>;
export function task<Argument = void, Result = unknown>(
  definition: TaskDefinition<Argument, Result> & Abortable,
): Task<Argument, Result, true>;
export function task<Argument = void, Result = unknown>(
  definition: TaskDefinition<Argument, Result> & NotAbortable,
): Task<Argument, Result, false>;
export function task(definition: TaskOptions<unknown> & { f: TaskFunction }): Task {
  record("task", "definition", definition, "an object: { f }");
  refuseUnknown("task", definition, ["f", ...LIMITS], []);
  const { f } = definition;
  if (typeof f !== "function") {
    throw new InvalidOptionError(`task: "f" is ${describe(f)}, it must be a function`);
  }
  const origin: TaskOrigin = { kind: "local", f, file: callerFile() };
  return { [DEFINITION]: { ...origin, ...limitsOf("task", definition) } } as unknown as Task;
}

const LIMITS = ["timeout", "abortSignal"];

function limitsOf(caller: string, definition: { timeout?: unknown; abortSignal?: unknown }): TaskLimits {
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
): Task<Argument, Awaited<Result> | undefined, true>;
export function importTask<Argument = void, Result = unknown>(
  definition: ImportDefinition<Result> & Maybe & NotAbortable,
): Task<Argument, Awaited<Result> | undefined, false>;
export function importTask<Argument = void, Result = unknown>(
  definition: ImportDefinition<Result> & Abortable,
): Task<Argument, Result, true>;
export function importTask<Argument = void, Result = unknown>(
  definition: ImportDefinition<Result> & NotAbortable,
): Task<Argument, Result, false>;
export function importTask(definition: ImportDefinition<unknown>): Task {
  record("importTask", "definition", definition, "an object: { href, name }");
  refuseUnknown("importTask", definition, ["href", "name", ...LIMITS], []);
  const { name = "default" } = definition;
  const href = moduleHref("importTask", "href", definition.href, callerFile());
  if (typeof name !== "string" || name === "") {
    throw new InvalidOptionError(`importTask: "name" is ${describe(name)}, it must be the name of an export`);
  }
  const origin: TaskOrigin = { kind: "imported", href, name };
  return { [DEFINITION]: { ...origin, ...limitsOf("importTask", definition) } } as unknown as Task;
}

/** @internal The origin of a definition; `undefined` for any other value. */
export function originOf(value: unknown): (TaskOrigin & TaskLimits) | undefined {
  return typeof value === "object" && value !== null ? (value as Task)[DEFINITION] : undefined;
}
