/** Validates the options of a pool's workers and fills in the defaults. */
import { statSync } from "node:fs";
import { resolve } from "node:path";
import { LONGEST_TIMER_MILLIS } from "../base/clock";
import { InvalidOptionError, UnsupportedPayloadError } from "../base/errors";
import {
  choice,
  describe,
  flag,
  optional,
  positiveNumber,
  record,
  refuse,
  refuseUnknown,
  text,
  texts,
  wholeNumber,
} from "../base/validate";
import { withEncoder } from "../payload/encode";
import { callerFile } from "../task/caller";
import { moduleHref } from "../task/module-url";
import type { BootstrapSource, FunctionSource } from "../task/program";
import { resolveCgroup } from "./cgroup";
import { resolveEnvironment } from "./environment";
import type { GivenWorker, LimitsInMegabytes, ResolvedWorker, ResourceLimits, SharedMemory } from "./options";
import type { WorkerInfo, WorkerStart } from "./worker-info";

const CALLER = "createPool";

const KNOWN = [
  "runtime",
  "processRuntime",
  "processRuntimePath",
  "processCommandPrefix",
  "processSharedMemory",
  "startupTimeoutMs",
  "hardTimeoutMs",
  "maxBootFailures",
  "stdio",
  "env",
  "bootstrap",
  "teardown",
  "argv",
  "resolveAfterFinishingAll",
  "timers",
  "resourceLimits",
  "nice",
  "cgroup",
  "cwd",
  "stopCommand",
];
/** Options that a thread can't use. A pool that ignored one would be no pool of the processes that its user means. */
const PROCESS_ONLY = [
  "processRuntime",
  "processRuntimePath",
  "processCommandPrefix",
  "processSharedMemory",
  "nice",
  "cgroup",
  "cwd",
  "stopCommand",
];

const SPIN_MICROSECONDS = 50;
const LONGEST_SPIN_MICROSECONDS = 1_000;
const NO_TIMERS = {
  pauseNanoseconds: "there is no back-off to tune",
  parkMs: "a worker that waits for calls never blocks its event loop, so there is nothing to limit",
};

const STARTUP_TIMEOUT_MILLIS = 10_000;
const MAX_BOOT_FAILURES = 3;
const NAME_PREFIX = "knitting";

/** The limits that each runtime supports. */
const LIMITS: Readonly<Record<ResolvedWorker["runtime"], readonly (keyof ResourceLimits)[]>> = {
  thread: ["maxOldGenerationSizeMb", "maxYoungGenerationSizeMb", "codeRangeSizeMb", "stackSizeMb"],
  node: ["maxOldGenerationSizeMb", "maxYoungGenerationSizeMb", "stackSizeMb"],
  deno: ["maxOldGenerationSizeMb", "maxYoungGenerationSizeMb", "stackSizeMb"],
  bun: ["codeRangeSizeMb", "stackSizeMb"],
};

/** Validates the pool's options `worker` and `workerExecArgv` and fills in the defaults. */
export function resolveWorker(given: unknown = {}, execArgv: unknown = undefined): GivenWorker {
  const worker = record(CALLER, "worker", given);
  refuseUnknown(CALLER, worker, KNOWN, "worker.");
  const runtime = resolveRuntime(worker);
  const {
    startupTimeoutMs = STARTUP_TIMEOUT_MILLIS,
    maxBootFailures = MAX_BOOT_FAILURES,
    resolveAfterFinishingAll = false,
  } = worker;
  return {
    runtime,
    runtimePath: optional(worker.processRuntimePath, (path) =>
      text(CALLER, "worker.processRuntimePath", path),
    ),
    prefix: resolveCommand<WorkerStart>("worker.processCommandPrefix", worker.processCommandPrefix),
    sharedMemory: resolveSharedMemory(worker.processSharedMemory),
    startupTimeoutMs: milliseconds("worker.startupTimeoutMs", startupTimeoutMs),
    hardTimeoutMs: optional(worker.hardTimeoutMs, (time) => milliseconds("worker.hardTimeoutMs", time)),
    maxBootFailures: wholeNumber(CALLER, "worker.maxBootFailures", maxBootFailures, 1),
    stdio: optional(worker.stdio, (word) =>
      choice(CALLER, "worker.stdio", word, ["inherit", "pipe", "ignore"]),
    ),
    env: optional(worker.env, resolveEnvironment),
    execArgv: optional(execArgv, (flags) => texts(CALLER, "workerExecArgv", flags, 0)),
    bootstrap: optional(worker.bootstrap, resolveBootstrap),
    teardown: optional(worker.teardown, resolveTeardown),
    argv: resolveArguments(worker.argv),
    resolveAfterFinishingAll: flag(CALLER, "worker.resolveAfterFinishingAll", resolveAfterFinishingAll),
    spinMicroseconds: resolveSpin(worker.timers),
    resourceLimits: optional(worker.resourceLimits, (limits) => resolveLimits(limits, runtime)),
    nice: optional(worker.nice, (nice) => wholeNumber(CALLER, "worker.nice", nice, -20, 19)),
    cgroup: optional(worker.cgroup, resolveCgroup),
    cwd: resolveDirectory(worker.cwd, runtime),
    stopCommand: resolveCommand<WorkerInfo>("worker.stopCommand", worker.stopCommand),
  };
}

/**
 * The command that an option holds, or that its function returns for a worker. Throws `InvalidOptionError` if the
 * function throws or returns no command.
 */
export function commandFor<Worker>(
  option: string,
  command: readonly string[] | ((worker: Worker) => readonly string[]),
  worker: Worker,
): readonly string[] {
  if (typeof command !== "function") {
    return command;
  }
  let returned: unknown;
  try {
    returned = command(worker);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : describe(cause);
    throw new InvalidOptionError(`${CALLER}: "${option}()" has thrown: ${reason}`, { cause });
  }
  return checkCommand(`${option}()`, returned);
}

/** Validates a command. */
export function checkCommand(option: string, value: unknown): readonly string[] {
  return texts(CALLER, option, value, 1);
}

function resolveCommand<Worker>(
  option: string,
  value: unknown,
): readonly string[] | ((worker: Worker) => readonly string[]) | undefined {
  if (value === undefined || typeof value === "function") {
    return value as ((worker: Worker) => readonly string[]) | undefined;
  }
  if (!Array.isArray(value)) {
    refuse(CALLER, option, value, "an array of at least one string, or a function that returns one");
  }
  return checkCommand(option, value);
}

/** What runs the workers. Throws for options that a thread can't have. */
function resolveRuntime(worker: Readonly<Record<string, unknown>>): ResolvedWorker["runtime"] {
  const { runtime: kind = "thread", processRuntime = "deno" } = worker;
  const runtime = choice(CALLER, "worker.runtime", kind, ["thread", "process"]);
  const ofProcesses = choice(CALLER, "worker.processRuntime", processRuntime, ["node", "deno", "bun"]);
  if (runtime === "process") {
    return ofProcesses;
  }
  const option = PROCESS_ONLY.find((name) => worker[name] !== undefined);
  if (option !== undefined) {
    const byDefault = worker.runtime === undefined ? " (the default)" : "";
    throw new InvalidOptionError(
      `${CALLER}: option "worker.${option}" is for process workers, and worker.runtime is ` +
        `"thread"${byDefault}. Say runtime: "process"`,
    );
  }
  return runtime;
}

function resolveSharedMemory(given: unknown = "inherit"): SharedMemory {
  if (typeof given === "string") {
    const mode = choice(CALLER, "worker.processSharedMemory", given, ["inherit", "named"]);
    return mode === "inherit" ? { mode } : { mode, namePrefix: NAME_PREFIX, unlinkOnShutdown: false };
  }
  const option = "worker.processSharedMemory";
  const options = record(CALLER, option, given, '"inherit", "named" or an object: { mode }');
  refuseUnknown(CALLER, options, ["mode", "namePrefix", "unlinkOnShutdown"], `${option}.`);
  const mode = choice(CALLER, `${option}.mode`, options.mode, ["inherit", "named"]);
  const { namePrefix = NAME_PREFIX, unlinkOnShutdown = false } = options;
  if (mode === "inherit") {
    const unused = ["namePrefix", "unlinkOnShutdown"].find((name) => options[name] !== undefined);
    if (unused !== undefined) {
      throw new InvalidOptionError(
        `${CALLER}: option "${option}.${unused}" is for mode: "named"; inherited memory has no name`,
      );
    }
    return { mode };
  }
  if (typeof namePrefix !== "string" || !/^[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}$/.test(namePrefix)) {
    refuse(CALLER, `${option}.namePrefix`, namePrefix, "1 to 64 of A-Z a-z 0-9 . _ -, with no dot first");
  }
  return {
    mode,
    namePrefix,
    unlinkOnShutdown: flag(CALLER, `${option}.unlinkOnShutdown`, unlinkOnShutdown),
  };
}

function resolveBootstrap(given: unknown): BootstrapSource {
  const option = "worker.bootstrap";
  const bootstrap = record(CALLER, option, given, "an object: { href, name, data }");
  refuseUnknown(CALLER, bootstrap, ["href", "name", "data"], `${option}.`);
  return { ...resolveFunction(option, bootstrap), data: encoded(`${option}.data`, bootstrap.data) };
}

function resolveTeardown(given: unknown): FunctionSource {
  const option = "worker.teardown";
  const teardown = record(CALLER, option, given, "an object: { href, name }");
  refuseUnknown(CALLER, teardown, ["href", "name"], `${option}.`, {
    data: "a teardown function gets no argument. What worker.bootstrap has put on globalThis is still there",
  });
  return resolveFunction(option, teardown);
}

function resolveFunction(
  option: string,
  { href, name = "default" }: Readonly<Record<string, unknown>>,
): FunctionSource {
  if (typeof name !== "string" || name === "") {
    refuse(CALLER, `${option}.name`, name, "the name of an export");
  }
  return { href: moduleHref(CALLER, `${option}.href`, href, callerFile(resolveWorker)), name };
}

/** A value in the encoding that a worker decodes. Throws an `UnsupportedPayloadError` that names the option. */
function encoded(option: string, value: unknown): string {
  try {
    return withEncoder(value, false, (encoder) => encoder.toBytes().toString("base64"));
  } catch (error) {
    if (error instanceof UnsupportedPayloadError) {
      const { path, message } = error;
      throw new UnsupportedPayloadError(option + path.slice(1), message.slice(path.length + 1), {
        cause: error.cause,
      });
    }
    throw error;
  }
}

/** Arguments may be empty strings, as those of a command line may. */
function resolveArguments(given: unknown = []): readonly string[] {
  const option = "worker.argv";
  if (!Array.isArray(given)) {
    refuse(CALLER, option, given, "an array of strings");
  }
  // Array.from, because map skips holes.
  return Array.from(given, (value: unknown, index) => {
    if (typeof value !== "string" || value.includes("\0")) {
      refuse(CALLER, `${option}[${index}]`, value, "a string without NUL");
    }
    return value;
  });
}

function resolveSpin(given: unknown = {}): number {
  const option = "worker.timers";
  const timers = record(CALLER, option, given, "an object: { spinMicroseconds }");
  refuseUnknown(CALLER, timers, ["spinMicroseconds"], `${option}.`, NO_TIMERS);
  const { spinMicroseconds: spin = SPIN_MICROSECONDS } = timers;
  if (typeof spin !== "number" || !(spin >= 0 && spin <= LONGEST_SPIN_MICROSECONDS)) {
    refuse(
      CALLER,
      `${option}.spinMicroseconds`,
      spin,
      `a number of microseconds from 0 to ${LONGEST_SPIN_MICROSECONDS}`,
    );
  }
  return spin;
}

function milliseconds(option: string, value: unknown): number {
  return positiveNumber(CALLER, option, value, "a number of milliseconds", LONGEST_TIMER_MILLIS);
}

function resolveLimits(given: unknown, runtime: ResolvedWorker["runtime"]): LimitsInMegabytes | undefined {
  const option = "worker.resourceLimits";
  const limits = record(CALLER, option, given);
  refuseUnknown(CALLER, limits, LIMITS.thread, `${option}.`);
  const resolved: Partial<Record<keyof ResourceLimits, number>> = {};
  for (const name of LIMITS.thread) {
    const limit = optional(limits[name], (value) =>
      positiveNumber(CALLER, `${option}.${name}`, value, "a number of megabytes"),
    );
    if (limit === undefined) {
      continue;
    }
    if (!LIMITS[runtime].includes(name)) {
      throw new InvalidOptionError(
        `${CALLER}: option "${option}.${name}" is not supported by worker.processRuntime: ` +
          `"${runtime}", which has no such limit. It has ${LIMITS[runtime].join(", ")}`,
      );
    }
    resolved[name] = limit;
  }
  return Object.keys(resolved).length > 0 ? resolved : undefined;
}

function resolveDirectory(value: unknown, runtime: ResolvedWorker["runtime"]): string {
  if (value === undefined) {
    const path = fromHere(".");
    // Threads are where their process is, and that may know itself by another path. A process may also be where its
    // user has no right to look.
    if (runtime !== "thread" && isMissing(path)) {
      throw nowhere(path);
    }
    return path;
  }
  const path = fromHere(text(CALLER, "worker.cwd", value));
  if (!isDirectory(path)) {
    refuse(CALLER, "worker.cwd", value, "a directory that exists");
  }
  return path;
}

/** The absolute path. Throws if the working directory of this process, at which a relative path starts, is gone. */
function fromHere(path: string): string {
  try {
    return resolve(path);
  } catch (cause) {
    throw nowhere("", { cause });
  }
}

function nowhere(path: string, options?: ErrorOptions): InvalidOptionError {
  return new InvalidOptionError(
    `${CALLER}: the working directory of this process${path && `, ${path},`} does not exist any more, and workers ` +
      "would start there. Change to one that exists by process.chdir(), or name one for process workers by an " +
      "absolute worker.cwd",
    options,
  );
}

function isMissing(path: string): boolean {
  try {
    statSync(path);
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "ENOENT";
  }
}

/** Whether there is a directory at a path. */
export function isDirectory(path: string): boolean {
  try {
    return statSync(path).isDirectory();
  } catch {
    return false;
  }
}
