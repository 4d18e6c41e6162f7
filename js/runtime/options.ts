/** The options of a pool's workers, as users give them and as the pool uses them. */
import type { BootstrapSource } from "../task/program";
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
  /** The option `env`, if it says something. */
  env: ChosenEnvironment | undefined;
  /** What the option `permission.env` says beside it; undefined: nothing is restricted. */
  environmentPolicy: EnvironmentPolicy | undefined;
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
export interface GivenWorker extends Omit<ResolvedWorker, "stdio" | "environmentPolicy"> {
  stdio: ResolvedWorker["stdio"] | undefined;
}

/** The option `processSharedMemory` as the pool uses it. */
export type SharedMemory =
  | { readonly mode: "inherit" }
  | { readonly mode: "named"; readonly namePrefix: string; readonly unlinkOnShutdown: boolean };

/** The option `worker.env`: which of the host's variables, and which beside those. */
export interface ChosenEnvironment {
  readonly inherit: readonly string[];
  readonly set: Readonly<Record<string, string>>;
}

/** The option `permission.env`. */
export interface EnvironmentPolicy {
  /** Names of the host's variables, all of them if it is `true`. The option `worker.env` stands before it. */
  readonly allow: true | readonly string[];
  readonly deny: readonly string[];
  /** Variables of the files. */
  readonly files: Readonly<Record<string, string>>;
}

/** The option `resourceLimits` as the pool uses it. */
export type LimitsInMegabytes = Readonly<Partial<Record<keyof ResourceLimits, number>>>;
