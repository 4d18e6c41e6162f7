/** The options of a pool's workers: what can be said, what is allowed, and what holds where nothing is said. */
import { statSync } from "node:fs";
import { resolve } from "node:path";
import { LONGEST_TIMER_MILLIS } from "../base/clock";
import { InvalidOptionError, UnsupportedPayloadError } from "../base/errors";
import {
  choice,
  describe,
  flag,
  isRecord,
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
import type { BootstrapSource } from "../task/program";
import { BOOT_VARIABLES } from "../task/program";
import type { WorkerInfo, WorkerStart } from "./worker-info";

/** The runtimes that can run a process worker. */
export type ProcessRuntime = "node" | "deno" | "bun";

/** What the workers of a pool are. */
export interface WorkerOptions {
  /**
   * `"thread"`: a worker thread of this process, least overhead. `"process"`: a process of its own, whose crash, memory
   * and exit are its own. Default `"thread"`.
   */
  runtime?: "thread" | "process" | undefined;
  /**
   * The runtime of a process worker. Default `"deno"`. It must be installed: `createPool` throws where it finds no executable.
   */
  processRuntime?: ProcessRuntime | undefined;
  /**
   * Path of the runtime's executable, or a name to be found on `PATH`. Default: for `"node"` the executable that runs this
   * program, for `"deno"` and `"bun"` the one of that name on `PATH`. Process workers only.
   *
   * Behind a `processCommandPrefix` with named shared memory, as a container has, it is a path or name inside that container:
   * nothing is looked for here, and the default is the plain name.
   */
  processRuntimePath?: string | undefined;
  /**
   * A command that stands before the worker's own, such as `["bwrap", "--ro-bind", "/", "/"]`: it has to run what follows it.
   * Or a function that returns one, called for each start of a worker. At least one string, none of them empty. Process
   * workers only.
   */
  processCommandPrefix?: readonly string[] | ((worker: WorkerStart) => readonly string[]) | undefined;
  /**
   * How a process worker finds the memory it shares with this process. `"inherit"`, the default: as its descriptor 0.
   * `"named"`: by a name under `/dev/shm`, for a wrapper that gives its command another standard input, as containers do. The
   * two need the same IPC namespace then (`--ipc=host`). Process workers only.
   */
  processSharedMemory?: "inherit" | "named" | SharedMemoryOptions | undefined;
  /**
   * Milliseconds that a worker may take from its start until it can serve, its tasks' modules included; then it is ended and
   * that boot has failed. Default 10 000, at most 2 147 483 647.
   */
  startupTimeoutMs?: number | undefined;
  /**
   * Milliseconds that a task may run, until what it returns has settled; then its worker is killed and replaced, and all calls
   * that this had started reject with `WorkerKilledError`. So it is where a ready worker starts none of its calls for so long.
   * At most 2 147 483 647; not limited where nothing is said.
   */
  hardTimeoutMs?: number | undefined;
  /**
   * Failed boots in a row after which a worker is given up, at least 1. Default 3. One that another boot would only repeat, such
   * as a command that does not exist, counts as all of them.
   */
  maxBootFailures?: number | undefined;
  /**
   * Where the workers' standard output and standard error go. `"inherit"`: to this process's, by whole lines. `"pipe"`: to the
   * listeners of the pool's events. `"ignore"`: nowhere. Default: what `permission.console` says, without a word `"ignore"`;
   * `"inherit"` with `permission: "unsafe"` or `debug`.
   */
  stdio?: "inherit" | "pipe" | "ignore" | undefined;
  /**
   * The workers' environment variables. Default: those that `permission.env` grants, without a word none; those of this process
   * with `permission: "unsafe"`.
   *
   * An object of names and values replaces them, one of the form `{ inherit: ["LANG"], set: { MODE: "test" } }` picks. A
   * process worker gets beside it what is needed to start it, unless it is set: `PATH`, by which commands are found,
   * `LD_LIBRARY_PATH`, by which libraries are, and in Deno `DENO_DIR`, its cache of modules. Names that are not set in this
   * process are left out, as are values that are `undefined`.
   */
  env?: Readonly<Record<string, string | undefined>> | EnvironmentChoice | undefined;
  /**
   * A function that runs in each worker before the modules of its tasks are imported, also in a replacement. It is awaited. If it
   * throws, that worker can't boot and no other would: calls reject with `WorkerBootError`.
   */
  bootstrap?: BootstrapOptions | undefined;
  /**
   * Whether `shutdown()` without a delay, and the end of a `using` block, let the calls in flight finish, however long they take.
   * Default `false`: they reject. `shutdown(0)` rejects them all the same.
   */
  resolveAfterFinishingAll?: boolean | undefined;
  /** How long workers wait busily. */
  timers?: TimerOptions | undefined;
  /** Limits of a worker's memory. One that the runtime does not have is an error at `createPool`. */
  resourceLimits?: ResourceLimits | undefined;
  /** Niceness of a process worker, a whole number from -20 to 19; below that of this process it takes a privilege. */
  nice?: number | undefined;
  /** Working directory of a process worker. It must exist; a relative one starts at that of this process, the default. */
  cwd?: string | undefined;
  /**
   * A command that ends a worker for certain where killing its process does not, such as `["docker", "kill", id]`; or a
   * function that returns one. It is run when a worker's wrapper has ended and something that can't be killed from here still
   * holds its memory half a second later. It has ten seconds. Process workers only.
   */
  stopCommand?: readonly string[] | ((worker: WorkerInfo) => readonly string[]) | undefined;
}

/** A function for the workers to begin with. */
export interface BootstrapOptions {
  /** Its module: relative to the one that calls `createPool`, an absolute path, or a `file:` or `data:` URL; `https:` in Deno. */
  href: string | URL;
  /** The export, `"default"` where nothing is said. */
  name?: string | undefined;
  /**
   * What it is called with: a value as a task's argument may be, copied now. For process workers it and the tasks' names and URLs
   * may take 96 KiB in all.
   */
  data?: unknown;
}

/** How long workers wait busily. */
export interface TimerOptions {
  /**
   * Microseconds, from 0 to 1000, that a worker with nothing to do looks out for its next call before it sleeps, where there are cores to
   * spare. Its own timers and servers wait for so long; a call that comes later has to wake it. Default 50. This process looks out for answers
   * for as long, but never more than 5.
   */
  spinMicroseconds?: number | undefined;
  /**
   * The longest time, in milliseconds, for which a worker that waits for calls may keep its event loop from turning. Ours waits in its event loop,
   * so any number is kept, from 0 on; there is no default.
   */
  parkMs?: number | undefined;
}

/** How process workers find the memory that they share with the host. */
export interface SharedMemoryOptions {
  /** See `processSharedMemory`. */
  mode: "inherit" | "named";
  /** What the names begin with: 1 to 64 of `A-Z a-z 0-9 . _ -`, no dot first. Default `"knitting"`. Of `"named"` only. */
  namePrefix?: string | undefined;
  /**
   * `false`, the default: a name is removed as soon as its worker has attached. `true`: it stays until the worker has ended.
   * Of `"named"` only.
   */
  unlinkOnShutdown?: boolean | undefined;
}

/** A choice of environment variables. */
export interface EnvironmentChoice {
  /** Names of the host's variables that the workers get too. */
  inherit?: readonly string[] | undefined;
  /** Variables beside those; they win. */
  set?: Readonly<Record<string, string | undefined>> | undefined;
}

/**
 * Limits of a worker's memory, in megabytes of 1 048 576 bytes; positive numbers. A worker that needs more heap than it may
 * have ends as if it had crashed.
 *
 * | | thread | node, deno | bun |
 * | --- | --- | --- | --- |
 * | `maxOldGenerationSizeMb` | yes | `--max-old-space-size` | no |
 * | `maxYoungGenerationSizeMb` | yes | `--max-semi-space-size`, a third of it | no |
 * | `codeRangeSizeMb` | yes | no | `BUN_JSC_jitMemoryReservationSize` |
 * | `stackSizeMb` | yes | `--stack-size` | `BUN_JSC_maxPerThreadStackUsage` |
 *
 * What has no flag is set through the environment: behind a wrapper that passes none on, as a container's, it has to be
 * forwarded by name.
 */
export interface ResourceLimits {
  /** The heap for what lives long; process workers round it up to whole megabytes. */
  maxOldGenerationSizeMb?: number | undefined;
  /** The heap for new objects; V8 rounds a third of it up to a power of two. */
  maxYoungGenerationSizeMb?: number | undefined;
  /** Memory for compiled code. */
  codeRangeSizeMb?: number | undefined;
  /** The stack of JavaScript. */
  stackSizeMb?: number | undefined;
}

/** A worker's options as the pool uses them. */
export interface ResolvedWorker {
  /** What runs the worker. */
  runtime: "thread" | ProcessRuntime;
  runtimePath: string | undefined;
  prefix: readonly string[] | ((worker: WorkerStart) => readonly string[]) | undefined;
  sharedMemory: SharedMemory;
  startupTimeoutMs: number;
  hardTimeoutMs: number | undefined;
  maxBootFailures: number;
  stdio: "inherit" | "pipe" | "ignore";
  /** Undefined: all of the host's variables. */
  env: Environment | undefined;
  /** The pool's option `workerExecArgv`. */
  execArgv: readonly string[] | undefined;
  bootstrap: BootstrapSource | undefined;
  resolveAfterFinishingAll: boolean;
  spinMicroseconds: number;
  resourceLimits: LimitsInMegabytes | undefined;
  nice: number | undefined;
  /** Absolute, and a directory. */
  cwd: string | undefined;
  stopCommand: readonly string[] | ((worker: WorkerInfo) => readonly string[]) | undefined;
}

/** The same before a policy has said what holds where the user says nothing. */
export interface GivenWorker extends Omit<ResolvedWorker, "stdio"> {
  stdio: ResolvedWorker["stdio"] | undefined;
}

/** */
export type SharedMemory =
  | { readonly mode: "inherit" }
  | { readonly mode: "named"; readonly namePrefix: string; readonly unlinkOnShutdown: boolean };

/** Which of the host's variables, and which beside those. */
export interface Environment {
  readonly inherit: readonly string[];
  readonly set: Readonly<Record<string, string>>;
  /** Names that a policy denies, also of what it takes to start. */
  readonly denied?: readonly string[];
}

/** */
export type LimitsInMegabytes = Readonly<Partial<Record<keyof ResourceLimits, number>>>;

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
  "resolveAfterFinishingAll",
  "timers",
  "resourceLimits",
  "nice",
  "cwd",
  "stopCommand",
];
/** What a thread has no use for. Not `processRuntime`: it says what process workers would be. */
const PROCESS_ONLY = [
  "processRuntimePath",
  "processCommandPrefix",
  "processSharedMemory",
  "nice",
  "cwd",
  "stopCommand",
];

const SPIN_MICROSECONDS = 50;
const LONGEST_SPIN_MICROSECONDS = 1_000;
const NO_TIMERS = { pauseNanoseconds: "there is no back-off to tune" };

const STARTUP_TIMEOUT_MILLIS = 10_000;
const MAX_BOOT_FAILURES = 3;
const NAME_PREFIX = "knitting";

/** Which limits there are for what runs the worker. */
const LIMITS: Readonly<Record<ResolvedWorker["runtime"], readonly (keyof ResourceLimits)[]>> = {
  thread: ["maxOldGenerationSizeMb", "maxYoungGenerationSizeMb", "codeRangeSizeMb", "stackSizeMb"],
  node: ["maxOldGenerationSizeMb", "maxYoungGenerationSizeMb", "stackSizeMb"],
  deno: ["maxOldGenerationSizeMb", "maxYoungGenerationSizeMb", "stackSizeMb"],
  bun: ["codeRangeSizeMb", "stackSizeMb"],
};

/** Checks the pool's options `worker` and `workerExecArgv` and fills in the defaults. */
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
    resolveAfterFinishingAll: flag(CALLER, "worker.resolveAfterFinishingAll", resolveAfterFinishingAll),
    spinMicroseconds: resolveSpin(worker.timers),
    resourceLimits: optional(worker.resourceLimits, (limits) => resolveLimits(limits, runtime)),
    nice: optional(worker.nice, (nice) => wholeNumber(CALLER, "worker.nice", nice, -20, 19)),
    cwd: optional(worker.cwd, resolveDirectory),
    stopCommand: resolveCommand<WorkerInfo>("worker.stopCommand", worker.stopCommand),
  };
}

/**
 * The command that an option is, or that its function returns for a worker. Throws `InvalidOptionError` if that
 * throws or returns no command.
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

/** Checks a command. */
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

/** What is to run the workers. Refuses what a thread can't have. */
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
      `${CALLER}: option "worker.${option}" is for process workers, and worker.runtime is "thread"${byDefault}. Say runtime: "process"`,
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
  const { href, name = "default", data } = bootstrap;
  if (typeof name !== "string" || name === "") {
    refuse(CALLER, `${option}.name`, name, "the name of an export");
  }
  return {
    href: moduleHref(CALLER, `${option}.href`, href, callerFile()),
    name,
    data: encoded(`${option}.data`, data),
  };
}

/** A value as a worker decodes it. Throws `UnsupportedPayloadError` that names the option. */
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

function resolveSpin(given: unknown = {}): number {
  const option = "worker.timers";
  const timers = record(CALLER, option, given, "an object: { spinMicroseconds, parkMs }");
  refuseUnknown(CALLER, timers, ["spinMicroseconds", "parkMs"], `${option}.`, NO_TIMERS);
  const { spinMicroseconds: spin = SPIN_MICROSECONDS, parkMs = 0 } = timers;
  if (typeof parkMs !== "number" || !(parkMs >= 0)) {
    refuse(CALLER, `${option}.parkMs`, parkMs, "a number of milliseconds, 0 or more");
  }
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

function resolveEnvironment(given: unknown): Environment {
  const env = record(
    CALLER,
    "worker.env",
    given,
    "an object of names and values, or { inherit: [...], set: {...} }",
  );
  // A variable may be called like that too, and then it is a string.
  if (!Array.isArray(env.inherit) && !isRecord(env.set)) {
    return { inherit: [], set: variables("worker.env", env) };
  }
  refuseUnknown(CALLER, env, ["inherit", "set"], "worker.env.");
  const { inherit: names = [], set = {} } = env;
  const inherit = texts(CALLER, "worker.env.inherit", names, 0);
  for (const [index, name] of inherit.entries()) {
    checkName(`worker.env.inherit[${index}]`, name);
  }
  return { inherit, set: variables("worker.env.set", set) };
}

function variables(option: string, given: unknown): Readonly<Record<string, string>> {
  const set: Record<string, string> = Object.create(null);
  for (const [name, value] of Object.entries(
    record(CALLER, option, given, "an object of names and values"),
  )) {
    if (value === undefined) {
      continue;
    }
    checkName(option, name);
    if (typeof value !== "string" || value.includes("\0")) {
      refuse(CALLER, `${option}.${name}`, value, "a string without NUL");
    }
    set[name] = value;
  }
  return set;
}

function checkName(option: string, name: string): void {
  if (name === "" || /[=\0]/.test(name)) {
    throw new InvalidOptionError(
      `${CALLER}: "${option}" has ${describe(name)}, a variable's name is not empty and without "=" and NUL`,
    );
  }
  if (BOOT_VARIABLES.includes(name)) {
    throw new InvalidOptionError(
      `${CALLER}: "${option}" has ${describe(name)}, which is set for each worker by itself`,
    );
  }
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
        `${CALLER}: option "${option}.${name}" is not supported by worker.processRuntime: "${runtime}", which has no such limit. It has ${LIMITS[runtime].join(", ")}`,
      );
    }
    resolved[name] = limit;
  }
  return Object.keys(resolved).length > 0 ? resolved : undefined;
}

function resolveDirectory(value: unknown): string {
  const path = resolve(text(CALLER, "worker.cwd", value));
  if (!isDirectory(path)) {
    refuse(CALLER, "worker.cwd", value, "a directory that exists");
  }
  return path;
}

function isDirectory(path: string): boolean {
  try {
    return statSync(path).isDirectory();
  } catch {
    return false;
  }
}
