/** The options of a pool's workers: as users give them, and as the pool uses them. */
import type { BootstrapSource, FunctionSource } from "../task/program";
import type { WorkerInfo, WorkerStart } from "./worker-info";

/** The runtimes that can run a process worker. */
export type ProcessRuntime = "node" | "deno" | "bun";

/** The options of a pool's workers. */
export interface WorkerOptions {
  /**
   * `"thread"`: a worker thread of this process, with the least overhead. `"process"`: a separate process, whose
   * crash, memory and exit don't affect this process. Default `"thread"`.
   */
  runtime?: "thread" | "process" | undefined;
  /**
   * The runtime of a process worker. Default `"deno"`. It must be installed: `createPool` throws if it finds no
   * executable. Process workers only: it takes `runtime: "process"` beside it.
   */
  processRuntime?: ProcessRuntime | undefined;
  /**
   * Path of the runtime's executable, or a name to look up on `PATH`. Default: for `"node"` the executable that runs
   * this program, for `"deno"` and `"bun"` the executable of that name on `PATH`. In a single executable application,
   * Electron and the like there is no default for `"node"`. Process workers only.
   *
   * Behind a `processCommandPrefix` with named shared memory, such as a container, it is a path or a name inside that
   * container: this process doesn't look it up, and the default is the plain name.
   */
  processRuntimePath?: string | undefined;
  /**
   * The wrapper: a command that stands before the worker's own, such as `["bwrap", "--ro-bind", "/", "/"]`. It must
   * run the command that follows. A function that returns the wrapper is called for each start of a worker. The array
   * has at least one string, and no string may be empty. Process workers only.
   */
  processCommandPrefix?: readonly string[] | ((worker: WorkerStart) => readonly string[]) | undefined;
  /**
   * How a process worker finds the memory that it shares with this process. `"inherit"`, the default: as its file
   * descriptor 0. `"named"`: by a name under `/dev/shm`, for a wrapper that gives its command another standard input,
   * as containers do. Both processes then need the same IPC namespace (`--ipc=host`). Process workers only.
   */
  processSharedMemory?: "inherit" | "named" | SharedMemoryOptions | undefined;
  /**
   * Milliseconds from the start of a worker until it must be ready, the import of its tasks' modules included. Later
   * than that the worker is ended, and the boot has failed. Default 10 000, at most 2 147 483 647.
   */
  startupTimeoutMs?: number | undefined;
  /**
   * Milliseconds that a task may run until the promise or value that it returns has settled. After that its worker is
   * killed and replaced, and all calls that this worker had started reject with `WorkerKilledError`. The same happens
   * to a ready worker that has calls and starts none of them for that long. At most 2 147 483 647. Default: no limit.
   */
  hardTimeoutMs?: number | undefined;
  /**
   * Number of consecutive failed boots after which a worker is given up, at least 1. Default 3. A failure that
   * another boot would only repeat, such as a command that doesn't exist, counts as all of them.
   */
  maxBootFailures?: number | undefined;
  /**
   * Where the workers' stdout and stderr go. `"inherit"`: to this process's stdout and stderr, as whole lines.
   * `"pipe"`: to the listeners of the pool's `"output"` event. `"ignore"`: nowhere. Default: as `permission.console`
   * decides, which is `"ignore"` unless it is set; with `permission: "unsafe"` or `debug`, `"inherit"`.
   */
  stdio?: "inherit" | "pipe" | "ignore" | undefined;
  /**
   * The workers' environment variables. Default: those that `permission.env` grants, which are none unless it is set;
   * with `permission: "unsafe"`, those of this process.
   *
   * An object of names and values replaces them. An object such as `{ inherit: ["LANG"], set: { MODE: "test" } }`
   * selects some of this process's variables and adds others. Names that are not set in this process and values that
   * are `undefined` are left out.
   *
   * A process worker also gets the variables that it needs to start, unless they are set here: `PATH`, by which
   * commands are found, `LD_LIBRARY_PATH`, by which libraries are found, and for Deno `DENO_DIR`, its module cache.
   */
  env?: Readonly<Record<string, string | undefined>> | EnvironmentChoice | undefined;
  /**
   * A function that each worker, replacements included, runs and awaits before it imports the modules of its tasks.
   * If the function throws, the worker can't boot, and no replacement is tried: calls reject with `WorkerBootError`.
   */
  bootstrap?: BootstrapOptions | undefined;
  /**
   * A function that each worker runs and awaits before it ends in order: when the pool is shut down, and when the pool
   * replaces the worker. It does not run when the worker is killed or crashes, or when this process ends without a
   * shutdown. Its module is imported at the boot, after `bootstrap` has run.
   *
   * From the moment at which the worker is told to end, it has `workerPoolConfig.gracefulShutdownTimeout` milliseconds,
   * 5000 by default: the task that keeps its event loop busy and this function together. After that it is killed. What
   * the function throws is the `cause` of the pool's `"exit"` event; without a listener it is a warning.
   */
  teardown?: TeardownOptions | undefined;
  /**
   * What the worker finds in `process.argv` behind the runtime and the script, and `util.parseArgs()` with it; on Deno
   * also in `Deno.args`. The runtime itself reads none of them as its flags: those are `workerExecArgv`. Other processes
   * can see a process's arguments, so secrets belong into `bootstrap.data`. Default: none.
   */
  argv?: readonly string[] | undefined;
  /**
   * Whether `shutdown()` without a delay and the end of a `using` block let the calls in flight finish, however long
   * they take. Default `false`: the calls reject. `shutdown(0)` rejects them in any case.
   */
  resolveAfterFinishingAll?: boolean | undefined;
  /** How long workers busy-wait for their next call. */
  timers?: TimerOptions | undefined;
  /**
   * Memory limits of each worker. `createPool` throws `InvalidOptionError` for a limit that the runtime doesn't have.
   */
  resourceLimits?: ResourceLimits | undefined;
  /**
   * Niceness of a process worker, a whole number from -20 to 19. A value below this process's niceness needs a
   * privilege. Process workers only.
   */
  nice?: number | undefined;
  /**
   * Path of the folder of a cgroup, of version 2, into which each worker is put before its runtime starts, with all
   * that it starts. The folder exists, and this process may write to its `cgroup.procs`. Limits such as `memory.max`
   * are set by who has made it. Process workers only.
   */
  cgroup?: string | undefined;
  /**
   * Working directory of a process worker. It must exist. A relative path starts at this process's working directory,
   * which is the default. All workers of a pool have the directory that this was when the pool was created, also after
   * a `process.chdir()`. Process workers only: threads are where their process is.
   */
  cwd?: string | undefined;
  /**
   * A command that reliably ends a worker whose wrapper can't be killed through its process, such as
   * `["docker", "kill", id]`; or a function that returns the command. It runs if a worker's wrapper has ended and,
   * half a second later, a process that can't be killed from here still holds the worker's memory. The command has
   * ten seconds. Process workers only.
   */
  stopCommand?: readonly string[] | ((worker: WorkerInfo) => readonly string[]) | undefined;
}

/** A function that each worker runs first. */
export interface BootstrapOptions {
  /**
   * The function's module: a path relative to the module that calls `createPool`, an absolute path, or a `file:` or
   * `data:` URL. Workers on Deno also take an `https:` URL.
   */
  href: string | URL;
  /** Name of the export. Default `"default"`. */
  name?: string | undefined;
  /**
   * Argument of the function: any value that a task's argument may be. It is copied when the pool is created. For
   * process workers the data and the names and URLs of all tasks may take 96 KiB in total.
   */
  data?: unknown;
}

/** A function that each worker runs last. It gets no argument. */
export interface TeardownOptions {
  /** The function's module, as `href` of `BootstrapOptions` names it. */
  href: string | URL;
  /** Name of the export. Default `"default"`. */
  name?: string | undefined;
}

/** How long workers busy-wait for their next call. */
export interface TimerOptions {
  /**
   * Microseconds, from 0 to 1000, that an idle worker spins for its next call before it sleeps, if there are cores to
   * spare. While it spins, its own timers and servers wait; a call that comes later has to wake the worker. Default
   * 50. This process spins for results for the same time, but never more than 5 microseconds.
   */
  spinMicroseconds?: number | undefined;
}

/** How process workers find the memory that they share with the host. */
export interface SharedMemoryOptions {
  /** See `processSharedMemory`. */
  mode: "inherit" | "named";
  /**
   * Prefix of the names: 1 to 64 of the characters `A-Z a-z 0-9 . _ -`, not starting with a dot. Default
   * `"knitting"`. Only with `mode: "named"`.
   */
  namePrefix?: string | undefined;
  /**
   * `false`, the default: a name is removed as soon as its worker has attached. `true`: the name stays until the
   * worker has ended. Only with `mode: "named"`.
   */
  unlinkOnShutdown?: boolean | undefined;
}

/** A selection of environment variables. */
export interface EnvironmentChoice {
  /** Names of this process's variables that the workers also get. */
  inherit?: readonly string[] | undefined;
  /** Additional variables. They override inherited ones. */
  set?: Readonly<Record<string, string | undefined>> | undefined;
}

/**
 * Memory limits of each worker: positive numbers, in megabytes of 1 048 576 bytes. A worker that needs more heap than
 * its limit ends, and its calls reject with `WorkerKilledError`, `reason` `"memory"`. A thread that runs out of memory
 * can end this whole process with it. `workerPoolConfig.memoryLimitPerWorker` limits what a worker uses in all.
 *
 * | | thread | node, deno | bun |
 * | --- | --- | --- | --- |
 * | `maxOldGenerationSizeMb` | yes | `--max-old-space-size` | no |
 * | `maxYoungGenerationSizeMb` | yes | `--max-semi-space-size`, a third of it | no |
 * | `codeRangeSizeMb` | yes | no | `BUN_JSC_jitMemoryReservationSize` |
 * | `stackSizeMb` | yes | `--stack-size` | `BUN_JSC_maxPerThreadStackUsage` |
 *
 * A limit without a flag is set through an environment variable. A wrapper that doesn't pass the environment on, such
 * as a container, has to forward that variable by name.
 */
export interface ResourceLimits {
  /** The heap for long-lived objects. Process workers round it up to whole megabytes. */
  maxOldGenerationSizeMb?: number | undefined;
  /** The heap for new objects. V8 rounds a third of it up to a power of two. */
  maxYoungGenerationSizeMb?: number | undefined;
  /** Memory for compiled code. */
  codeRangeSizeMb?: number | undefined;
  /** The JavaScript stack. */
  stackSizeMb?: number | undefined;
}

/** The options of a worker as the pool uses them. */
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
  /** The option `env`, if it is set. */
  env: ChosenEnvironment | undefined;
  /** What the option `permission.env` grants. `undefined`: the variables are not restricted. */
  environmentPolicy: EnvironmentPolicy | undefined;
  /** The pool's option `workerExecArgv`. */
  execArgv: readonly string[] | undefined;
  bootstrap: BootstrapSource | undefined;
  teardown: FunctionSource | undefined;
  /** Milliseconds that a worker may take to end by itself when it is told to end in order. */
  stopMillis: number;
  argv: readonly string[];
  resolveAfterFinishingAll: boolean;
  spinMicroseconds: number;
  resourceLimits: LimitsInMegabytes | undefined;
  nice: number | undefined;
  /** The absolute path of a cgroup's folder. */
  cgroup: string | undefined;
  /** The absolute path of a directory: for threads, of the one in which this process was when the pool was created. */
  cwd: string;
  stopCommand: readonly string[] | ((worker: WorkerInfo) => readonly string[]) | undefined;
  /** `undefined`: the worker has no limits. */
  limits: WorkerLimits | undefined;
}

/** What a worker may use. Each limit is off if it is `undefined`. */
export interface WorkerLimits {
  /** Bytes of memory. */
  readonly memoryBytes: number | undefined;
  /** Milliseconds between two looks at the memory. */
  readonly memoryCheckMillis: number;
  /** Progress values and lines of output in one second. */
  readonly messagesPerSecond: number | undefined;
}

/** The options before the permission policy has filled in the defaults that depend on it. */
export interface GivenWorker
  extends Omit<ResolvedWorker, "stdio" | "environmentPolicy" | "limits" | "stopMillis"> {
  stdio: ResolvedWorker["stdio"] | undefined;
}

/** The option `processSharedMemory` as the pool uses it. */
export type SharedMemory =
  | { readonly mode: "inherit" }
  | { readonly mode: "named"; readonly namePrefix: string; readonly unlinkOnShutdown: boolean };

/** The option `worker.env`: the selected variables of the host, and additional ones. */
export interface ChosenEnvironment {
  readonly inherit: readonly string[];
  readonly set: Readonly<Record<string, string>>;
}

/** The option `permission.env`. */
export interface EnvironmentPolicy {
  /** Names of the host's variables; `true`: all of them. The option `worker.env` takes precedence. */
  readonly allow: true | readonly string[];
  readonly deny: readonly string[];
  /** Variables from the files. */
  readonly files: Readonly<Record<string, string>>;
}

/** The option `resourceLimits` as the pool uses it. */
export type LimitsInMegabytes = Readonly<Partial<Record<keyof ResourceLimits, number>>>;
