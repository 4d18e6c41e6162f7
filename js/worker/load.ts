/** Finds a pool's functions in the worker: its tasks, and the bootstrap function that runs before them. */
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { inspect, stripVTControlCharacters } from "node:util";
import { type DebugContext, debugLog, isDebugging, millis, moduleName } from "../base/debug-log";
import { GuardedCallError, KnittingError, TaskNotFoundError, WorkerBootError } from "../base/errors";
import type { ServedTask } from "../lane/worker/worker-lane";
import { Decoder } from "../payload/decode";
import { canonical } from "../task/caller";
import { definitionOf, type TaskFunction, withRegistry } from "../task/definition";
import type { BootstrapSource, FunctionSource, TaskSource } from "../task/program";

type Module = Readonly<Record<string, unknown>>;

/**
 * Imports the tasks' modules, each once, and takes their exports. If a task is missing, every call of it rejects. If a
 * module throws while it is evaluated, the boot has failed.
 */
export function loadTasks(
  sources: readonly TaskSource[],
  debug: DebugContext | undefined,
): Promise<ServedTask[]> {
  return withRegistry(async (tasksOf) => {
    const modules = new Map<string, Module | TaskNotFoundError>();
    for (const { task, href } of sources) {
      if (!modules.has(href)) {
        modules.set(href, await importModule(`task "${task}"`, href, debug));
      }
    }
    return sources.map((source) => {
      const { href } = source;
      const module = modules.get(href) as Module | TaskNotFoundError;
      return module instanceof TaskNotFoundError
        ? { missing: module }
        : find(source, module, () => tasksOf(canonical(href) ?? href));
    });
  });
}

/**
 * Runs the bootstrap function before the tasks' modules are imported. Throws an error that would make the boot of every
 * worker fail.
 */
export async function runBootstrap(source: BootstrapSource, debug: DebugContext | undefined): Promise<void> {
  const { href, name, data } = source;
  const bootstrap = await importFunction("worker.bootstrap", source, debug);
  const bytes = new Uint8Array(Buffer.from(data, "base64"));
  const report = watch(debug, `worker.bootstrap, "${name}"`, "has run");
  try {
    await bootstrap(new Decoder(bytes.buffer).decode(0, bytes.length));
  } catch (cause) {
    throw new WorkerBootError(
      `worker.bootstrap: "${name}" has failed in the worker: ${inWords(cause)} (${href})`,
      {},
      { cause },
    );
  }
  report();
}

/**
 * Imports the module of the teardown function, and returns the function that runs it. Throws an error that would make
 * the boot of every worker fail.
 */
export async function loadTeardown(
  source: FunctionSource,
  debug: DebugContext | undefined,
): Promise<() => Promise<void>> {
  const { href, name } = source;
  const teardown = await importFunction("worker.teardown", source, debug);
  return async () => {
    const report = watch(debug, `worker.teardown, "${name}"`, "has run");
    try {
      await teardown();
    } catch (cause) {
      throw new KnittingError(
        "KNITTING_TEARDOWN_FAILED",
        `worker.teardown: "${name}" has failed in the worker: ${inWords(cause)} (${href})`,
        { cause },
      );
    }
    report();
  };
}

async function importFunction(
  option: string,
  { href, name }: FunctionSource,
  debug: DebugContext | undefined,
): Promise<(...args: unknown[]) => unknown> {
  const module = await importModule(option, href, debug);
  if (module instanceof TaskNotFoundError) {
    throw module;
  }
  const found = exportOf(module, name);
  if (typeof found !== "function") {
    throw new TaskNotFoundError(`${option}: ${href} ${complaint(name, found, "function")}`);
  }
  return found as (...args: unknown[]) => unknown;
}

/** Returns a function that logs how much time has passed since this call, and which globals are new. */
function watch(debug: DebugContext | undefined, who: string, did: string): () => void {
  if (debug === undefined) {
    return () => {};
  }
  const start = performance.now();
  const before = isDebugging(debug, "globals") ? new Set(Reflect.ownKeys(globalThis)) : undefined;
  return () => {
    debugLog(debug, "imports", `${who} ${did} in ${millis(performance.now() - start)}`);
    if (before !== undefined) {
      const added = Reflect.ownKeys(globalThis).filter((key) => !before.has(key));
      const names = added.length === 0 ? "nothing" : added.map(String).join(", ");
      debugLog(debug, "globals", `${who} has put on globalThis: ${names}`);
    }
  };
}

async function importModule(
  what: string,
  href: string,
  debug: DebugContext | undefined,
): Promise<Module | TaskNotFoundError> {
  const report = watch(debug, moduleName(href), "was imported");
  try {
    const module = (await import(specifierOf(href))) as Module;
    report();
    return module;
  } catch (cause) {
    if (isMissing(cause, href)) {
      return new TaskNotFoundError(`${what}: its module ${href} does not exist`, { cause });
    }
    if (cause instanceof KnittingError && !(cause instanceof GuardedCallError)) {
      throw cause;
    }
    throw new WorkerBootError(
      `the module of ${what} failed in the worker: ${inWords(cause)} (${href})${advice(cause)}`,
      {},
      { cause },
    );
  }
}

/** Removes the colours from Deno's messages. */
function inWords(thrown: unknown): string {
  return stripVTControlCharacters(
    thrown instanceof Error ? `${thrown.name}: ${thrown.message}` : inspect(thrown),
  );
}

/**
 * The specifier with which to import a module. Bun takes what follows the last dot of a `data:` URL for a file
 * extension, and a module with an unknown extension for a file path. In Base64 there is no dot.
 */
function specifierOf(href: string): string {
  const comma = href.indexOf(",");
  if (process.versions.bun === undefined || !href.startsWith("data:") || comma < 0) {
    return href;
  }
  const type = href.slice(0, comma);
  if (type.endsWith(";base64")) {
    return href;
  }
  const text = decodeURIComponent(href.slice(comma + 1));
  return `${type};base64,${Buffer.from(text).toString("base64")}`;
}

/** The error of a runtime for a module that it can't load. A module that it can load may throw anything. */
type ImportFailure = { code?: unknown; url?: unknown } | null | undefined;

/** Whether the module itself is missing, and not one that it imports. */
function isMissing(error: unknown, href: string): boolean {
  const failure = error as ImportFailure;
  if (failure?.code !== "ERR_MODULE_NOT_FOUND") {
    return false;
  }
  // The error for a missing package has no URL; nor has any in older versions of Node, in Deno and in Bun. Deno reports
  // a module that it can't read in the same way.
  return failure.url === undefined
    ? href.startsWith("file:") && !existsSync(fileURLToPath(href))
    : failure.url === href;
}

function advice(error: unknown): string {
  if ((error as ImportFailure)?.code === "ERR_UNKNOWN_FILE_EXTENSION") {
    return `. Node ${process.versions.node} does not load TypeScript by itself; 22.18 and later do`;
  }
  const denied = DENIALS.find(([pattern]) => pattern.test(traits(error)));
  return denied === undefined ? "" : `. If the pool's option "permission" denies that: ${denied[1]}`;
}

/** What a denial looks like in the traits of an error, and the grant that is missing. */
const DENIALS: readonly (readonly [RegExp, string])[] = [
  // Threads are allowed together with programs.
  [
    /ChildProcess|WorkerThreads|--allow-(child-process|worker)|spawn\S* (\S+ )?(EPERM|EACCES)/,
    "permission.run names programs",
  ],
  [/FileSystemWrite|--allow-fs-write/, "permission.write names files and folders"],
  [/FileSystemRead|--allow-fs-read/, "permission.read names files and folders"],
];

/** What an error says about its cause. Who passes it on may have kept the message alone. */
function traits(error: unknown): string {
  const { message, permission, resource } = (error ?? {}) as {
    message?: unknown;
    permission?: unknown;
    resource?: unknown;
  };
  return [permission, message, resource].map(String).join(" ");
}

/** `definedIn` returns the tasks that the module has defined by `task()`. */
function find(
  { task, href, at }: TaskSource,
  module: Module,
  definedIn: () => readonly TaskFunction[],
): ServedTask {
  const missing = (reason: string) => ({
    missing: new TaskNotFoundError(`task "${task}": ${href} ${reason}`),
  });
  if (typeof at === "object") {
    const defined = definedIn();
    // If tasks are missing, the others may have moved up.
    return defined.length >= at.of
      ? defined[at.nth]
      : missing(
          `has defined ${at.of} tasks by task() in the host and ${defined.length} in the worker: it ` +
            "has to define them at its top level, and not behind `if (isMain)`",
        );
  }
  const found = exportOf(module, at);
  if (typeof found === "function") {
    return found as TaskFunction;
  }
  const origin = definitionOf(found)?.origin;
  return origin?.kind === "local" ? origin.f : missing(complaint(at, found, "task"));
}

function exportOf(module: Module, name: string): unknown {
  // What a CommonJS module has assigned to `module.exports`; of an ES module its own default export.
  const whole = module.default;
  if (name === "default") {
    // Compilers turn a default export into `exports.default`, with a mark beside it.
    return isObject(whole) && whole.__esModule === true && "default" in whole ? whole.default : whole;
  }
  if (name in module) {
    return module[name];
  }
  // Exports that the runtime did not see in the text of a CommonJS module.
  const isThere = isObject(whole) || (typeof whole === "function" && Object.hasOwn(whole, name));
  return isThere ? (whole as Module)[name] : undefined;
}

function complaint(name: string, found: unknown, wanted: string): string {
  return found === undefined ? `has no export "${name}"` : `exports "${name}", but it is no ${wanted}`;
}

function isObject(value: unknown): value is Module {
  return typeof value === "object" && value !== null;
}
