// Written by scripts/types.mjs. The sources are in js/.

// For `using`, where a project's own libraries don't bring it.
/// <reference lib="esnext.disposable" />

import { ProcessSharedBuffer } from './shared-memory.js';

/** The namespaces of the log, see {@link PoolOptions.debug}. */
type DebugNamespace = "host" | "lifecycle" | "imports" | "globals" | "signals";

/**
 * Memory for payloads. Each worker shares a block of memory with this process, with `payloadMaxByteLength` bytes for
 * each direction. The block is reserved, which costs nothing, and its pages are allocated as they are used. Those for
 * the direction to the worker can be allocated in part or in whole when the worker is started.
 */
interface PayloadOptions {
    /**
     * `"growable"`, the default: memory is allocated when it is needed, and given back after it has been idle for a
     * while. `"fixed"`: all memory for the direction to the worker is allocated at the start and kept:
     * `payloadMaxByteLength` for each worker.
     */
    mode?: "growable" | "fixed" | undefined;
    /**
     * Bytes for the direction to a worker that are allocated when the worker is started, and kept; rounded up to a
     * multiple of 65 536. From 0 to `payloadMaxByteLength`. Default 0, or `payloadMaxByteLength` if `mode` is
     * `"fixed"`. If the system doesn't have that much memory, `createPool` throws a `KnittingError` with `code`
     * `"KNITTING_NO_MEMORY"`.
     */
    payloadInitialBytes?: number | undefined;
    /**
     * Bytes for each direction of each worker, from 65 536 to 2 147 483 648; rounded up to a multiple of 65 536.
     * Default 268 435 456, which is 256 MiB. Values for which no memory is free wait, in order.
     */
    payloadMaxByteLength?: number | undefined;
    /**
     * Bytes that one encoded argument or result may take, from 64 to `payloadMaxByteLength`, which is also the default.
     * A larger value rejects its call with `PayloadTooLargeError`. An error that a task throws may take 64 KiB in any
     * case.
     */
    maxPayloadBytes?: number | undefined;
}

/** What the workers of a pool may do. Everything that is not granted is denied. */
interface PermissionOptions {
    /**
     * `"strict"`, the default: only the permissions that are granted here. `"unsafe"`: no restrictions, like
     * `permission: "unsafe"`; the only other field allowed is then `console`.
     */
    mode?: "strict" | "unsafe" | undefined;
    /**
     * Files and folders that tasks may read; a folder includes everything in it. `true`: all files that are not denied.
     * `false` or `[]`: none. Default: the workers' working directory. Relative paths start in that directory, `~/` is
     * the home folder, and symbolic links are followed. Each path must exist. The files that the tasks' modules and the
     * runtime need can always be read; `pool.permissions.needs` lists them.
     */
    read?: boolean | readonly string[] | undefined;
    /** Files and folders that tasks may write, in the form of `read`. Default: the workers' working directory. */
    write?: boolean | readonly string[] | undefined;
    /**
     * Files and folders that tasks may not read, whatever `read` grants. They need not exist. The strict profile denies
     * more: `.env`, `.git`, `.npmrc`, `.docker` and `.secrets` in the working directory; `.ssh`, `.gnupg`, `.aws`,
     * `.azure`, `.config/gcloud` and `.kube` in the home folder; `/proc`, `/sys`, `/dev` and `/etc`. If `read` names a
     * path inside one of these, that one is no longer denied by the profile.
     */
    denyRead?: readonly string[] | undefined;
    /** Files and folders that tasks may not write. The profile of `denyRead` and `node_modules` are denied too. */
    denyWrite?: readonly string[] | undefined;
    /**
     * The network. `true`: everything. `false`, the default, or `[]`: nothing. Only Deno can enforce a list of hosts,
     * such as `"example.com"` or `"127.0.0.1:8080"`.
     */
    net?: boolean | readonly string[] | undefined;
    /** Hosts that tasks may not reach, whatever `net` grants. Only Deno can enforce this rule. */
    denyNet?: readonly string[] | undefined;
    /**
     * Modules from the web, which only Deno can import. `true`: from any host. A list: from those hosts. `false`, the
     * default: none. Modules in files are covered by `read` and by what the tasks need.
     */
    allowImport?: boolean | readonly string[] | undefined;
    /** Environment variables. Default: none. The option `worker.env` takes precedence. */
    env?: EnvironmentPermission | undefined;
    /**
     * Programs that tasks may start, as names on `PATH` or as paths. `true`: any. `false`, the default, or `[]`: none.
     * Where the kernel enforces the policy, a started program has the same access to files and the network as the
     * worker.
     */
    run?: boolean | readonly string[] | undefined;
    /** Programs that tasks may not start, whatever `run` grants. */
    denyRun?: readonly string[] | undefined;
    /**
     * Whether the tasks' output to the console, stdout and stderr reaches this process's. Default `false`; `true` with
     * `mode: "unsafe"` or the option `debug`. The option `worker.stdio` takes precedence over the default.
     */
    console?: boolean | undefined;
    /** Permissions of workers on Node. */
    node?: {
        /** `true`: like `run: true`, if `run` is not set. `false`: no programs, whatever `run` grants. */
        allowChildProcess?: boolean | undefined;
    };
    /** Permissions of workers on Deno. */
    deno?: {
        /** `true`: like `run: true`, if `run` is not set. */
        allowRun?: boolean | undefined;
    };
    /**
     * Whether the kernel enforces the policy for process workers. Default `true`. Behind a
     * `worker.processCommandPrefix` the default is `false`, because the wrapper is expected to enforce it; there `true`
     * applies the policy inside the wrapper, which must allow that.
     */
    kernel?: boolean | undefined;
    /**
     * What happens if a rule can't be enforced. `"error"`: `createPool` throws `PermissionUnsupportedError`. `"warn"`:
     * the process emits one warning for each pool, for threads only about rules that are named here or by
     * `mode: "strict"`. Default: `"error"` for process workers, `"warn"` for threads.
     */
    onUnsupported?: "error" | "warn" | undefined;
}
/** The environment variables that the workers get. */
interface EnvironmentPermission {
    /** Names of this process's variables that the workers also get. `true`: all. Default: none. */
    allow?: true | readonly string[] | undefined;
    /**
     * Names of variables that the workers don't get, whatever sets them. Programs that a task starts don't get them
     * either.
     */
    deny?: readonly string[] | undefined;
    /**
     * Paths of files with lines such as `NAME=value`. The workers also get these variables. The files are read when the
     * pool is created and must exist. A variable from `allow` overrides one from a file, and a later file overrides an
     * earlier one. This field needs Node 20.12.
     */
    files?: string | readonly string[] | undefined;
}

/**
 * The second argument of a task. A task gets it if its function has a `length` of 2 or more, or if the task has the
 * option `abortSignal`. The members work without `this`: `(x, { progress }) => ...`.
 */
interface TaskToolkit<Progress = unknown> {
    /**
     * Sends `value` to the host at once, even from a busy loop. The listeners of `call.on("progress", listener)` get
     * the values in order, before the call settles. If the host doesn't keep up, only the newest of the values that
     * found no free memory is kept. Returns false, and sends nothing, if the call has its result already or nobody
     * waits for it any more.
     *
     * @throws UnsupportedPayloadError or PayloadTooLargeError if the value can't be sent, and KnittingError with the code
     * `KNITTING_NO_MEMORY` if the system has no memory for it
     */
    readonly progress: (value: Progress) => boolean;
    /**
     * Whether nobody waits for the call any more: its time was over, it was aborted, or the reader of its stream has
     * stopped. With `abortSignal: { hasAborted: true }` the caller then waits for what the task has so far. The function reads shared memory, so it is cheap and up to date even in a busy loop.
     */
    readonly hasAborted: () => boolean;
    /** Milliseconds since a fixed but arbitrary moment, with fractions. */
    readonly now: () => number;
    /** The state of `hasAborted` as a standard `AbortSignal`. Its event fires when the event loop gets a turn. */
    get signal(): AbortSignal;
}

/** A function that runs in a worker. It takes one argument and returns one value; either may be missing. */
type TaskFunction = (argument: any, toolkit: TaskToolkit) => unknown;
/**
 * Carries a task's signature from `task` and `importTask` to `pool.call`. Only types have this member, values don't.
 */
declare const SIGNATURE: unique symbol;
/** Carries whether the task learns of aborts. Only types have this member, values don't. */
declare const ABORTABLE: unique symbol;
/** A task that `task` or `importTask` has defined. Export it and add it to a pool's tasks. */
interface Task<Argument = unknown, Result = unknown, Abortable extends boolean = boolean> {
    readonly [SIGNATURE]: (argument: Argument) => Result;
    readonly [ABORTABLE]: Abortable;
}

/** A snapshot of one worker of a pool. */
interface WorkerInfo {
    /** Index of the worker in its pool, from 0. A replacement has the index of the worker that it replaces. */
    readonly index: number;
    /**
     * Process id of the worker, as this process sees it. Behind a `worker.processCommandPrefix` it is the wrapper's
     * process id until the worker has attached, and also afterwards if the worker's own can't be found from here.
     * `null` for a worker thread, and while no process runs.
     */
    readonly pid: number | null;
    /** The `threadId` of a worker thread; `null` for a process, and while no thread runs. */
    readonly threadId: number | null;
    /** How often the worker of this index was started before: 0 for its first start, 1 for its first replacement. */
    readonly start: number;
    /** What runs the worker. */
    readonly runtime: "thread" | "node" | "deno" | "bun";
    /**
     * State of the worker:
     *
     * - `"booting"`: started, not ready yet.
     * - `"ready"`: runs calls.
     * - `"spare"`: ready, and takes no calls until it replaces another worker.
     * - `"retiring"`: takes no more calls, and ends when those that it has are finished.
     * - `"restarting"`: ended, and waits for its next start.
     * - `"broken"`: given up, after `worker.maxBootFailures` consecutive failed boots or after one that would only fail
     *   again.
     * - `"closed"`: the pool was shut down.
     */
    readonly state: "booting" | "ready" | "spare" | "retiring" | "restarting" | "broken" | "closed";
    /** Number of calls that the worker has answered since its start. */
    readonly served: number;
    /** When the worker was started; `null` while none runs. */
    readonly startedAt: Date | null;
}
/** A process worker that is about to be started. */
interface WorkerStart {
    /** Index of the worker in its pool, from 0. */
    readonly index: number;
    /** How often this worker has been started before: 0 for its first start, 1 for its first replacement. */
    readonly start: number;
    /** The runtime that will run the worker. */
    readonly runtime: "node" | "deno" | "bun";
}

/** The runtimes that can run a process worker. */
type ProcessRuntime = "node" | "deno" | "bun";
/** The options of a pool's workers. */
interface WorkerOptions {
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
interface BootstrapOptions {
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
interface TeardownOptions {
    /** The function's module, as `href` of `BootstrapOptions` names it. */
    href: string | URL;
    /** Name of the export. Default `"default"`. */
    name?: string | undefined;
}
/** How long workers busy-wait for their next call. */
interface TimerOptions {
    /**
     * Microseconds, from 0 to 1000, that an idle worker spins for its next call before it sleeps, if there are cores to
     * spare. While it spins, its own timers and servers wait; a call that comes later has to wake the worker. Default
     * 50. This process spins for results for the same time, but never more than 5 microseconds.
     */
    spinMicroseconds?: number | undefined;
}
/** How process workers find the memory that they share with the host. */
interface SharedMemoryOptions {
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
interface EnvironmentChoice {
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
interface ResourceLimits {
    /** The heap for long-lived objects. Process workers round it up to whole megabytes. */
    maxOldGenerationSizeMb?: number | undefined;
    /** The heap for new objects. V8 rounds a third of it up to a power of two. */
    maxYoungGenerationSizeMb?: number | undefined;
    /** Memory for compiled code. */
    codeRangeSizeMb?: number | undefined;
    /** The JavaScript stack. */
    stackSizeMb?: number | undefined;
}

/** The strategies, as the option `balancer` names them. */
type Strategy = "roundRobin" | "firstIdle" | "randomLane" | "firstIdleOrRandom";

/** The base class of all errors of this package. */
declare class KnittingError extends Error {
    /** A stable identifier for programs, such as `"KNITTING_POOL_CLOSED"`. */
    readonly code: string;
}
/** An option has an invalid value, or no option has that name. */
declare class InvalidOptionError extends KnittingError {
}
/** The pool was shut down before the call or while the call was in flight. The message is `"Thread closed"`. */
declare class PoolClosedError extends KnittingError {
}
/** A task took longer than its `timeout`. The message is `"Task timeout"`. */
declare class TaskTimeoutError extends KnittingError {
}
/** More abortable calls are pending than `abortSignalCapacity` allows. */
declare class AbortCapacityError extends KnittingError {
}
/** A call would have to wait, and as many calls, or as many bytes of arguments, wait as the pool's limits allow. */
declare class QueueFullError extends KnittingError {
    /** The option that is the limit: `"maxQueueSize"` (calls) or `"maxQueueBytes"`. */
    readonly limit: "maxQueueSize" | "maxQueueBytes";
    /** The task's name in the pool. */
    readonly task: string;
}
/** A call has waited for a worker for as long as `workerPoolConfig.queueTimeout` allows. It was never sent. */
declare class QueueTimeoutError extends KnittingError {
    /** The task's name in the pool. */
    readonly task: string;
    /** How long the call could wait, in milliseconds. */
    readonly queueTimeout: number;
}
/** The module or the export of a task, or of `worker.bootstrap`, doesn't exist. */
declare class TaskNotFoundError extends KnittingError {
}
/** A worker could not be started. `message` holds its command line and what it wrote to stderr. */
declare class WorkerBootError extends KnittingError {
    /** The worker's command line; empty for a worker thread. */
    readonly argv: readonly string[];
    /** Exit status; `null` if the worker did not exit by itself. */
    readonly exitCode: number | null;
    /** Name of the signal that killed the worker; `null` if none did. */
    readonly signal: string | null;
    /** The last 8 KiB that the worker wrote to stderr. */
    readonly stderrTail: string;
}
/**
 * The worker that had the call died. A call that the worker had not started goes to another worker and doesn't reject
 * with this error.
 */
declare class WorkerCrashedError extends KnittingError {
    /** Exit status; `null` if the worker did not exit by itself. */
    readonly exitCode: number | null;
    /** Name of the signal that killed the worker, such as `"SIGSEGV"`; `null` if none did. */
    readonly signal: string | null;
    /** Process id of the worker; `null` for a worker thread. */
    readonly pid: number | null;
    /** The last 8 KiB that the worker wrote to stderr. */
    readonly stderrTail: string;
    /** The task's name in the pool. */
    readonly task: string;
    /** Whether the task had been started. If `false`, the workers that got the call died several times in a row. */
    readonly started: boolean;
}
/**
 * Why a worker has ended:
 *
 * - `"natural"`: by itself, with status 0.
 * - `"shutdown"`: the pool was shut down.
 * - `"crash"`: by a signal or with another status, because it broke the protocol, or because it could not boot.
 * - `"fatalError"`: by an error outside of any call, such as a late throw or a rejection that nobody handled.
 * - `"hardTimeout"`: a task ran longer than `worker.hardTimeoutMs`, and the pool killed it.
 * - `"timeout"`: a call's time was over, and its `timeout` has `kill: true`.
 * - `"abort"`: a call was given up by `call.kill()`, or by its `signal` with `kill: true`.
 * - `"memory"`: it used more memory than `workerPoolConfig.memoryLimitPerWorker`, or its runtime ran out of memory.
 * - `"messages"`: it sent more messages than `workerPoolConfig.maxMessagesPerSecond`.
 * - `"executions"`: it has run `workerPoolConfig.maxExecutionsPerWorker` calls.
 * - `"idle"`: it had no call for `workerPoolConfig.idleTimeout`.
 * - `"recycled"`: `pool.recycle` was called.
 * - `"killed"`: `pool.kill` was called.
 */
type WorkerEndReason = "natural" | "shutdown" | "crash" | "fatalError" | "hardTimeout" | "timeout" | "abort" | "memory" | "messages" | "executions" | "idle" | "recycled" | "killed";
/** Why the pool itself has replaced a worker. */
type RecycleReason = Extract<WorkerEndReason, "hardTimeout" | "timeout" | "abort" | "memory" | "messages" | "executions" | "recycled" | "killed">;
/**
 * The pool killed the worker while it was running the call, or the worker's runtime ran out of memory. The worker is
 * replaced.
 */
declare class WorkerKilledError extends KnittingError {
    /** Why the worker was killed. */
    readonly reason: RecycleReason | "idle";
    /** The task's name in the pool. */
    readonly task: string;
}
/**
 * A task called a function that would end its worker, such as `process.exit`. The function did nothing. Unless the task
 * catches this error, its call rejects with it. The worker goes on to its next call.
 */
declare class GuardedCallError extends KnittingError {
}
/**
 * A worker wrote something into the shared memory that a correct worker never writes. The worker was killed and
 * replaced.
 */
declare class ProtocolViolationError extends KnittingError {
}
/**
 * A value is larger than the option `payload.maxPayloadBytes` allows, or would take too much memory when it is decoded.
 */
declare class PayloadTooLargeError extends KnittingError {
    /** Bytes of the encoded value. */
    readonly byteLength: number;
    /** Largest allowed number of bytes. */
    readonly maxByteLength: number;
}
/**
 * A value contains something that can't be sent, or that the receiving runtime can't create, such as a `Float16Array`
 * in Node 20. `message` begins with the path of that part, and names the task:
 * `$.user.callback is a function (argument of task "save")`. Only this call rejects.
 */
declare class UnsupportedPayloadError extends KnittingError {
    /** Path of the part that can't be sent. `"$"` is the value itself. */
    readonly path: string;
}
/** Shared memory can't be created, opened or used. */
declare class SharedMemoryError extends KnittingError {
    /**
     * The reason:
     *
     * - `"exists"`: the name exists already.
     * - `"missing"`: nothing has the name.
     * - `"foreign"`: what has the name is not shared memory, or not the memory that was meant.
     * - `"size"`: the memory has fewer bytes than requested, or its size is not a multiple of a view's element size.
     * - `"closed"`: the memory is closed in this process.
     * - `"lost"`: somebody has truncated the memory.
     * - `"unreachable"`: the memory has no name, and the worker's wrapper passes no descriptors on.
     * - `"refused"`: the system refused, or a call brings more buffers than it may.
     */
    readonly reason: "exists" | "missing" | "foreign" | "size" | "closed" | "lost" | "unreachable" | "refused";
}
/** A rule of the option `permission` can't be enforced for the pool's workers. `message` says why, and what to do. */
declare class PermissionUnsupportedError extends KnittingError {
    /** The fields of the option that can't be enforced, such as `"net"`. */
    readonly rules: readonly string[];
}
/**
 * This package can't run here: the system is not Linux, the host runs on Bun or Deno, the native parts for the platform
 * are missing or can't be executed, the package was bundled, or it runs under Yarn's Plug'n'Play.
 */
declare class UnsupportedPlatformError extends KnittingError {
}

/** A snapshot of a pool. */
interface PoolStats {
    /** Number of workers that run at least one call now. */
    readonly activeWorkers: number;
    /** Number of calls that wait for a worker. */
    readonly queueDepth: number;
    /** Bytes of the copied arguments of the calls that wait. */
    readonly queueBytes: number;
    /** For how long the first of them has waited, in milliseconds; 0 if none waits. */
    readonly oldestWaitMs: number;
    /** Number of workers in each state. */
    readonly workers: Readonly<Record<WorkerInfo["state"], number>>;
    /** The workers that run or are being started. */
    readonly perWorker: readonly WorkerStats[];
    /** Number of calls that were given to a worker so far. A call that has moved to another worker counts once. */
    readonly started: number;
    /** Number of calls that a worker has answered, with a result or with an error of the task. */
    readonly finished: number;
    /**
     * Number of calls that have rejected or were given up: the task has thrown, the worker has died, the time was over, the
     * caller has aborted, or there was no room to wait. Those that a shutdown cuts off don't count.
     */
    readonly failed: number;
    /** Number of calls whose time limit was over, or that have waited for `queueTimeout`. */
    readonly timedOut: number;
    /** How often a worker was replaced by the pool, by reason. Reasons that did not occur are missing. */
    readonly recycled: Readonly<Partial<Record<RecycleReason, number>>>;
}
/** What one worker does. */
interface WorkerStats {
    readonly worker: WorkerInfo;
    /** Number of calls that it has begun and not answered. */
    readonly running: number;
    /** The names of their tasks, each once. */
    readonly tasks: readonly string[];
    /**
     * Bytes of memory that it uses, as `workerPoolConfig.memoryLimitPerWorker` counts them. `null` where that is not
     * known: of a process that has not attached yet, or that can't be seen from here. Of a thread it is what the last
     * look has shown, and `stats()` begins another: `null` at first, and on a Node without `worker.getHeapStatistics`
     * unless that limit is set.
     */
    readonly memoryBytes: number | null;
    /**
     * Milliseconds of processor time that it has used: a process with the programs that it has started, in steps of ten;
     * a thread without the threads that help its engine. `null` where that is not known.
     */
    readonly cpuMs: number | null;
}

/**
 * Size and limits of a pool. Each limit that is not set is off. `WorkerPoolPresets` has sets of them to spread.
 */
interface WorkerPoolConfig {
    /**
     * Number of workers that are kept, from 0 to 1024. With 0 the first call starts a worker. Default: 1, or `maxWorkers`
     * if that is less.
     */
    minWorkers?: number | undefined;
    /**
     * Number of workers that take calls at most, from 1 to 1024. Workers are added while calls wait. Default: the number
     * of cores, or `minWorkers` if that is more; without either option the pool has `threads` workers.
     */
    maxWorkers?: number | undefined;
    /**
     * Bytes of memory that a worker may use. Above it the worker gets no more calls, finishes those that it has and is
     * replaced. Above one and a half times as much, or if it grows too fast for that, it is killed: its calls reject with
     * `WorkerKilledError`, `reason` `"memory"`. Of a process its own memory counts, swapped memory and the programs that
     * it has started included; of a thread, its heap and its buffers, from Node 22.16 and 24.1 on also while it is busy.
     * It sets no `worker.resourceLimits`.
     */
    memoryLimitPerWorker?: number | undefined;
    /** Milliseconds between two looks at the workers' memory. Default 100. */
    memoryCheckInterval?: number | undefined;
    /** Number of calls after which a worker is replaced. The replacement is ready before it ends. */
    maxExecutionsPerWorker?: number | undefined;
    /** Number of calls that may wait for a worker. A further one rejects with `QueueFullError`. */
    maxQueueSize?: number | undefined;
    /** Milliseconds that a call may wait for a worker. After that it rejects with `QueueTimeoutError`. */
    queueTimeout?: number | undefined;
    /**
     * Number of messages that a worker may send in a second: progress values, and lines of output unless that is
     * ignored. A worker that sends more is killed: its calls reject with `WorkerKilledError`, `reason` `"messages"`.
     */
    maxMessagesPerSecond?: number | undefined;
    /**
     * Milliseconds without a call after which a worker ends, if there are more than `minWorkers`. Default 30 000.
     */
    idleTimeout?: number | undefined;
    /**
     * Milliseconds that calls may take to finish when the pool is shut down, unless `shutdown(ms)` says otherwise, and
     * when their worker is replaced. After that they are cut off. Default: `shutdown()` waits for no call, and a worker
     * that is replaced finishes its calls.
     */
    gracefulShutdownTimeout?: number | undefined;
    /** Called when the pool has replaced a worker, with the reason and with the worker that has ended. */
    onWorkerRecycled?: ((reason: RecycleReason, worker: WorkerInfo) => void) | undefined;
    /** Called every `statsInterval` with what `pool.stats()` returns. */
    onStatsUpdate?: ((stats: PoolStats) => void) | undefined;
    /** Milliseconds between two calls of `onStatsUpdate`. Default 1000. */
    statsInterval?: number | undefined;
}

/** The options of `createPool`. */
interface PoolOptions {
    /**
     * Number of workers, from 1 to 1024. Default 1. `{ min, max }` is the short form of `workerPoolConfig.minWorkers` and
     * `maxWorkers`: the pool starts workers while calls wait, and ends idle ones.
     */
    threads?: number | {
        min?: number | undefined;
        max?: number | undefined;
    } | undefined;
    /**
     * Number of calls that a worker may have begun and not settled, at least 1. Further calls wait in the pool. Default:
     * no limit. With 1, a worker that waits for a promise of its task takes no other call meanwhile.
     */
    concurrency?: number | undefined;
    /**
     * Bytes of copied arguments that may wait for a worker, in sum. A call that would make them more rejects with
     * `QueueFullError`; with the call option `copy: false` nothing is copied until the call is sent. Default 1 GiB.
     */
    maxQueueBytes?: number | undefined;
    /**
     * How often a call is tried in all if its worker dies after the call was started, at least 1. Default 1, which is no
     * second attempt: a task may have done something before its worker died. A call whose last attempt fails too rejects
     * with an `AggregateError`, whose `errors` are those of the attempts, the first one first. A call with a stream is
     * not tried again, nor one whose time limit, signal or `kill` has ended its worker.
     */
    retry?: {
        attempts: number;
    } | undefined;
    /**
     * Number of workers in addition to `threads` or `maxWorkers` that are ready to take the place of one that ends, and
     * take no calls before. Default 0, and 1 if `workerPoolConfig.maxExecutionsPerWorker` is set.
     */
    spareWorkers?: number | undefined;
    /** Size of the pool, and limits of its workers and its queue. */
    workerPoolConfig?: WorkerPoolConfig | undefined;
    /**
     * Decides which of the workers that are free for a call gets it:
     *
     * - `"roundRobin"`, the default of a pool with a fixed number of workers: each in turn.
     * - `"firstIdle"`, the default of an elastic pool: the first without a call; if each has one, that with the fewest.
     * - `"randomLane"`: a random one.
     * - `"firstIdleOrRandom"`: the first without a call; if each has one, a random one.
     *
     * A worker is free if it has no call, or few calls of tasks that are known to be quick. If none is free the call waits,
     * and the first worker that is free gets it.
     */
    balancer?: Strategy | {
        strategy: Strategy;
    } | undefined;
    /** Runtime, limits and environment of the workers. */
    worker?: WorkerOptions | undefined;
    /**
     * Command line flags for the workers' runtime, such as `["--expose-gc"]`. For a process worker they stand before
     * the script. Default: for threads and for the Node that runs this process, the flags of this process that suit a
     * worker, those of `NODE_OPTIONS` included; for another Node, Deno and Bun, the conditions alone
     * (`--conditions=…`). Preloads, such as `--import`, are never inherited: `createPool` warns of that once. With an
     * empty array workers inherit no flags.
     */
    workerExecArgv?: readonly string[] | undefined;
    /**
     * How many calls of tasks with `abortSignal: true` may be pending at once, from 1 to 65536. A further call rejects
     * with `AbortCapacityError`. Default 258.
     */
    abortSignalCapacity?: number | undefined;
    /** Memory for the values that are sent to the workers and back. */
    payload?: PayloadOptions | undefined;
    /**
     * What the pool and its workers log to stderr, for debugging. `true` enables every namespace; an array such as
     * `["host"]` or an object such as `{ lifecycle: true }` selects some:
     *
     * - `"host"`: what pools are made of and how they end.
     * - `"lifecycle"`: the start, boot, end and replacement of workers.
     * - `"imports"`: the modules that workers import.
     * - `"globals"`: what these modules leave on `globalThis`.
     * - `"signals"`: the start and end of each call, which costs time.
     *
     * Arguments and results are never logged. The environment variable `KNITTING_DEBUG`, such as `host,imports` or `*`,
     * enables namespaces too. Default: none.
     */
    debug?: boolean | readonly DebugNamespace[] | {
        readonly [Namespace in DebugNamespace]?: boolean | undefined;
    } | undefined;
    /**
     * What the workers may do. With `"strict"` or `{}` they may read and write files in their working directory, and
     * nothing else: no network, no programs, no environment variables, and no console output. An object changes single
     * permissions. `"unsafe"` removes all restrictions. Default: like `"strict"`, except that Deno may import modules
     * from the web, and that rules which can't be enforced are only listed in `pool.permissions`.
     */
    permission?: "strict" | "unsafe" | PermissionOptions | undefined;
}

/** What becomes of a task whose time is over. */
interface Halt {
    /**
     * `true`: the task's worker is ended when the call has settled, and replaced. Other calls that it had begun reject
     * with `WorkerKilledError`, and those not begun go to other workers. Without it, the task goes on running.
     */
    readonly kill?: true | undefined;
    /**
     * Milliseconds, from 0 to 2 147 483 647, between the end of the call and that of the worker. The task's `signal` is
     * aborted at once, and the worker lives on if the task settles in this time. Default 0. Only beside `kill`.
     */
    readonly graceMs?: number | undefined;
}
/**
 * How long a task may take from its start, in milliseconds, and how its call ends after that. With a number, or with
 * `kill` alone, the call rejects with `TaskTimeoutError`. The task itself goes on running unless `kill` is set;
 * `worker.hardTimeoutMs` ends any task. The call may end late by up to an eighth of the time, and only while the host's
 * event loop is not blocked.
 *
 * A task with `abortSignal: { hasAborted: true }` is asked to stop when its time is over, and its call then settles with
 * what it returns or throws, whatever the form. With `kill` the call ends at its time, as its form says.
 */
type Timeout<Result = unknown> = number
/** The call resolves with `default`. */
 | ({
    readonly time: number;
    readonly default: Result;
} & Halt)
/** The call resolves with `undefined`. */
 | ({
    readonly time: number;
    readonly maybe: true;
} & Halt)
/** The call rejects with `error`. */
 | ({
    readonly time: number;
    readonly error: unknown;
} & Halt)
/** The call rejects with `TaskTimeoutError`. */
 | {
    readonly time: number;
    readonly kill: true;
    readonly graceMs?: number | undefined;
};

/** The promise of a call. */
interface CallPromise<Result, Progress = unknown> extends Promise<Result> {
    /**
     * Calls `listener` with each value that the task passes to `progress(value)` while it runs, in order, and before
     * the promise settles. Values that were emitted before the first listener was added are lost. Returns the promise.
     *
     * @example
     * const total = await pool.call.resize(files).on("progress", (done) => console.log(`${done} files`));
     */
    on(event: "progress", listener: (value: Progress) => void): this;
    /**
     * Ends the call's worker, whatever it runs. The call rejects with `WorkerKilledError`, `reason` `"abort"`, and so do
     * other calls that the worker had begun. A call that was not begun is never sent, and no worker ends.
     */
    kill(): void;
}

/** The second argument of `pool.call.f(argument, options)`. */
interface CallOptions<Result = unknown> {
    /**
     * Aborts the call: the promise rejects with the signal's reason. The task learns of it if it has
     * `abortSignal: true`.
     */
    signal?: AbortSignal | undefined;
    /** Time limit of this call, instead of the one in the task's definition. */
    timeout?: Timeout<Result> | undefined;
    /**
     * `true`: an abort by `signal` also ends the worker if the task has begun, and the worker is replaced. Other calls
     * that it had begun reject with `WorkerKilledError`, `reason` `"abort"`. Only beside `signal`.
     */
    kill?: true | undefined;
    /**
     * `false`: an argument that has to wait for a worker is not copied, and its bytes don't count for `maxQueueBytes`.
     * Until it is sent you must not change it. Default: it is copied at the call.
     */
    copy?: false | undefined;
    /**
     * ArrayBuffers of the argument that are detached at the call, so that they are moved to the call and you can't use
     * them any more. A call with one that can't be detached, such as a `WebAssembly.Memory`'s, rejects and detaches none;
     * Node 20 leaves such a one as it is. Not beside `copy: false`. Default: none.
     */
    transfer?: readonly ArrayBuffer[] | undefined;
    /**
     * A name of 1 to 256 characters, such as `"user-7"`. Calls with the same name go to the same worker while it lives.
     * Default: the call goes to any worker.
     */
    affinity?: string | undefined;
    /** A whole number. Of the calls that wait, those with a lower one go first. Default 0. */
    priority?: number | undefined;
}
/** The promise of a call whose task has `abortSignal: true` or `{ hasAborted: true }`. */
interface AbortablePromise<Result, Progress = unknown> extends CallPromise<Result, Progress> {
    /**
     * Aborts the call: the promise rejects with `reason`, by default an `AbortError`, and the task learns of it. If the
     * task has `abortSignal: { hasAborted: true }` and has begun, it alone learns of it, and the promise settles with what
     * it then returns or throws.
     */
    reject(reason?: unknown): void;
}

/** A file or folder that a worker needs. A folder includes everything in it. */
interface PermissionNeed {
    readonly path: string;
    /**
     * `"execute"` includes reading. `"write"` is for devices such as `/dev/null`, and for Deno's cache. `"list"`: the
     * folder can be listed, and shows what is granted in it.
     */
    readonly access: "read" | "list" | "execute" | "write";
    /** What needs it. */
    readonly for: "runtime" | "knitting-native" | "tasks" | "run";
}

/** Something that can enforce a rule. */
type Enforcer = "kernel" | "runtime" | "host" | "wrapper";
/** A rule of a pool's policy. */
interface PermissionRule {
    /** The field of the option `permission`. */
    readonly rule: "read" | "write" | "denyRead" | "denyWrite" | "net" | "denyNet" | "allowImport" | "env" | "run" | "denyRun" | "console";
    /**
     * What the rule grants; for a rule that denies, what it denies: paths, hosts or names. `false` and `[]` grant
     * nothing.
     */
    readonly value: boolean | readonly string[];
    /**
     * The enforcers of the rule; empty if there are none.
     *
     * - `"kernel"`: holds for any code in the worker.
     * - `"runtime"`: by flags of Node or Deno, a guardrail for code that uses the runtime's own modules.
     * - `"host"`: by what the worker process is started without, where somebody keeps it from this process in `/proc`.
     * - `"wrapper"`: by `worker.processCommandPrefix`, as far as that wrapper restricts anything.
     */
    readonly enforcedBy: readonly Enforcer[];
    /** Why the rule has no enforcer, or what it leaves open. */
    readonly note?: string;
}

/** The rules that restrict a pool's workers, and their enforcers. */
interface PoolPermissions {
    /**
     * `"strict"`: everything that is not granted is denied. `"unsafe"`: nothing is restricted. `"default"`: the option
     * `permission` was left out; rules of the strict profile that can't be enforced are only listed in `rules`.
     */
    readonly mode: "default" | "strict" | "unsafe";
    /** The rules that restrict something, and the enforcers of each. */
    readonly rules: readonly PermissionRule[];
    /** Files that the workers can read or execute in addition, because they could not run without them. */
    readonly needs: readonly PermissionNeed[];
}

/**
 * The items that a task yields, in order: an async iterator with back-pressure. The worker runs ahead by a bounded
 * number of items. A stream can be read once.
 */
interface TaskStream<Item = unknown, Return = unknown> extends AsyncIterator<Item, Return, undefined> {
    /**
     * Resolves with the next item, or with the generator's return value as `{ done: true, value }`. Rejects with the
     * error that the generator throws, or with an error that a call rejects with: `WorkerCrashedError`,
     * `PoolClosedError`, `TaskTimeoutError`, the reason of an abort. Items that arrived before the worker's end are
     * delivered first.
     */
    next(): Promise<IteratorResult<Item, Return>>;
    /**
     * Ends the stream early, as `break` in a `for await` loop does: the task's generator returns, and its `finally`
     * blocks run. Resolves after that. Rejects with the error that a `finally` block throws, or if the worker dies in
     * it.
     */
    return(value?: Return): Promise<IteratorResult<Item, Return>>;
    /**
     * Ends the stream early, as `return` does, and then rejects with `error`. The generator doesn't receive the error.
     */
    throw(error?: unknown): Promise<IteratorResult<Item, Return>>;
    /** Returns the stream itself. */
    [Symbol.asyncIterator](): this;
    /** Ends the stream early, at the end of an `await using` block. */
    [Symbol.asyncDispose](): Promise<void>;
}

/** The events of {@link Pool.on} and the objects that their listeners get. */
interface PoolEvents {
    /** A worker's thread or command was started. */
    spawn: {
        readonly worker: WorkerInfo;
    };
    /** A worker has imported its tasks and can run calls. */
    ready: {
        readonly worker: WorkerInfo;
    };
    /** A worker has ended. All that it wrote has been passed on before. */
    exit: {
        readonly worker: WorkerInfo;
        /** Exit status; `null` if the worker did not exit by itself. For a wrapped worker, its wrapper's. */
        readonly exitCode: number | null;
        /** Name of the signal that killed the worker, such as `"SIGKILL"`; `null` if none did. */
        readonly signal: string | null;
        /** Why it has ended. */
        readonly reason: WorkerEndReason;
        /**
         * The error that has ended it: what was thrown outside of a call, or why it was killed or could not boot;
         * `undefined` if there is none.
         */
        readonly cause: unknown;
        /** The last 8 KiB that it wrote to stderr. */
        readonly stderrTail: string;
    };
    /** A worker has ended, and its replacement will be started. */
    restart: {
        readonly worker: WorkerInfo;
        /** Milliseconds until the start of the replacement. */
        readonly delayMs: number;
        /** Why the last worker failed to boot; `undefined` if it had booted. */
        readonly error: Error | undefined;
    };
    /** A worker wrote a line to stdout or stderr. Only with `worker.stdio: "pipe"`. */
    output: {
        readonly worker: WorkerInfo;
        readonly stream: "stdout" | "stderr";
        /** The line without its line ending. A process's line of more than 16 KiB arrives in pieces. */
        readonly line: string;
    };
}
/** A listener for events of a pool. */
type PoolListener<Name extends keyof PoolEvents> = (event: PoolEvents[Name]) => void;

/** The tasks of a pool. Each key is the name under which the task's module exports it. */
type Tasks = Readonly<Record<string, TaskFunction | Task<never, unknown>>>;
/** The argument of a task; `undefined` if the task takes none. */
type ArgumentOf<T> = T extends Task<infer Argument, unknown> ? Argument : T extends (...parameters: infer Parameters) => unknown ? Parameters extends [] ? undefined : Parameters[0] : never;
/** What a call resolves with. */
type ResultOf<T> = T extends Task<never, infer Result> ? Streamed<Awaited<Result>> : T extends (argument: never, toolkit: TaskToolkit<never>) => infer Result ? Streamed<Awaited<Result>> : never;
/** What the caller gets if a task returns something that can be iterated. */
type Streamed<Result> = Result extends {
    [Symbol.asyncIterator](): AsyncIterator<infer Item, infer Return, any>;
} ? TaskStream<Item, Return> : Result extends Iterator<infer Item, infer Return, any> & {
    [Symbol.iterator](): unknown;
} ? TaskStream<Item, Return> : Result;
/**
 * Type of the progress values that a task emits: the type that its function declares, or `any` if the definition
 * doesn't declare one.
 */
type ProgressOf<T> = T extends (argument: never, toolkit: TaskToolkit<infer Progress>) => unknown ? Progress : any;
/** What a call returns. */
type PromiseOf<T> = (T extends Task<never, unknown, true> ? AbortablePromise<ResultOf<T>, ProgressOf<T>> : CallPromise<ResultOf<T>, ProgressOf<T>>) & (ResultOf<T> extends TaskStream<infer Item, unknown> ? AsyncIterable<Item> : unknown);
/**
 * The signature of a task's call. It takes the argument or a promise of it (nothing if the task takes no argument),
 * then the options of the call.
 */
type TaskCall<T> = unknown extends ArgumentOf<T> ? (argument?: unknown, options?: CallOptions<ResultOf<T>>) => PromiseOf<T> : [
    ArgumentOf<T>
] extends [void] ? (argument?: undefined, options?: CallOptions<ResultOf<T>>) => PromiseOf<T> : undefined extends ArgumentOf<T> ? (argument?: ArgumentOf<T> | Promise<ArgumentOf<T>>, options?: CallOptions<ResultOf<T>>) => PromiseOf<T> : (argument: ArgumentOf<T> | Promise<ArgumentOf<T>>, options?: CallOptions<ResultOf<T>>) => PromiseOf<T>;
/** Workers that run tasks. An idle pool doesn't keep the process alive; a pending call does. */
interface Pool<T extends Tasks> extends Workers {
    /**
     * The tasks by name: `pool.call.add([1, 2])` runs `add` in a worker. The argument is copied when you call, the
     * result when it arrives. Options such as `{ timeout, signal }` may follow the argument.
     *
     * A call never throws. The promise rejects with the error that the task throws, or with `InvalidOptionError`,
     * `WorkerCrashedError`, `WorkerKilledError`, `WorkerBootError`, `PoolClosedError`, `TaskTimeoutError`,
     * `UnsupportedPayloadError` or `PayloadTooLargeError`. What the host can tell rejects at once.
     */
    readonly call: {
        readonly [Name in keyof T]: TaskCall<T[Name]>;
    };
}
/** A pool of one task, which `task(...).createPool()` creates. */
interface TaskPool<T> extends Workers {
    /** Runs the task in a worker, with the arguments and errors of {@link Pool.call}. */
    readonly call: TaskCall<T>;
}
/** How a shutdown went. */
interface ShutdownResult {
    /** Number of calls that had not finished in time and were rejected with `PoolClosedError`. */
    readonly cut: number;
}
/** The members that every pool has besides its calls. */
interface Workers {
    /** A snapshot of the workers' current state. */
    readonly workers: readonly WorkerInfo[];
    /** A snapshot of what the workers do, what waits, and what has happened so far. The function works without `this`. */
    readonly stats: () => PoolStats;
    /**
     * Kills a worker, one of `pool.workers` or of an event. Calls that it has begun reject with `WorkerKilledError`, others
     * go to other workers, and another worker takes its place. Resolves when the worker is gone; at once if it was replaced
     * already. The function works without `this`.
     *
     * @throws InvalidOptionError as a rejection, if this is no worker
     */
    readonly kill: (worker: WorkerInfo) => Promise<void>;
    /**
     * Replaces a worker, or all workers, in order: it gets no more calls, and ends when those that it has begun are over.
     * Resolves when it is gone. A worker that boots is new and stays. The function works without `this`.
     *
     * @throws InvalidOptionError as a rejection, if this is no worker
     */
    readonly recycle: (worker?: WorkerInfo) => Promise<void>;
    /**
     * Resolves when no call waits or runs, those included that are made meanwhile. Calls that were given up don't count.
     * The function works without `this`.
     */
    readonly drain: () => Promise<void>;
    /** The rules that restrict the workers, and the enforcers of each rule. */
    readonly permissions: PoolPermissions;
    /**
     * Returns a `Uint8Array` of `byteLength` zeros that already lies in the shared memory of one worker. Fill it and
     * pass it to a call as the argument, or as the payload of an `Envelope`; a part of it that starts at its first byte
     * will do. The call then goes to that worker, copies nothing and detaches the array.
     *
     * Anywhere else inside a value the array is copied like any other. If the worker dies before the array is sent, the
     * array keeps its bytes and is copied when it is sent. It occupies the worker's memory until it is sent or
     * garbage-collected. The function works without `this`.
     *
     * @throws PayloadTooLargeError
     * @throws InvalidOptionError
     * @throws PoolClosedError
     * @throws KnittingError with `code` `"KNITTING_ARENA_FULL"` if no worker has free memory now
     */
    readonly alloc: (byteLength: number) => Uint8Array;
    /**
     * Calls `listener` for every event of that name: `"spawn"`, `"ready"`, `"exit"`, `"restart"`, and with
     * `worker.stdio: "pipe"` also `"output"`. A listener doesn't keep the process alive.
     */
    on<Name extends keyof PoolEvents>(name: Name, listener: PoolListener<Name>): this;
    /** Calls `listener` for the next event of that name only. */
    once<Name extends keyof PoolEvents>(name: Name, listener: PoolListener<Name>): this;
    /** Removes a listener. */
    off<Name extends keyof PoolEvents>(name: Name, listener: PoolListener<Name>): this;
    /**
     * Ends the workers. Later calls reject with `PoolClosedError` at once. Pending calls have `delayMs` milliseconds to
     * finish; the rest is then cut off: it rejects with `PoolClosedError` too. With 0 that happens now. With `Infinity` the
     * pool waits for all of them. Default: `workerPoolConfig.gracefulShutdownTimeout`, or `Infinity` if
     * `worker.resolveAfterFinishingAll` is set, or 0.
     *
     * The promise resolves when every thread and process of the pool is gone, with the number of calls that were cut off.
     * Their rejections count as handled. Another call can shorten the delay. The function works without `this`.
     */
    readonly shutdown: (delayMs?: number) => Promise<ShutdownResult>;
    /** Starts a shutdown at the end of a `using` block. */
    [Symbol.dispose](): void;
    /** Shuts the pool down at the end of an `await using` block. */
    [Symbol.asyncDispose](): Promise<void>;
}

/**
 * Creates a pool. The first call takes the options, the second the tasks: `createPool(options)({ add })`.
 *
 * `createPool` returns at once. The workers start in the background, and calls wait until a worker is ready. A task is
 * an exported function: each worker imports the module that called `createPool` and takes the export that has the
 * task's name in `tasks`. `task` and `importTask` can name another module or export.
 *
 * @throws InvalidOptionError
 * @throws TaskNotFoundError if it is certain that a task can't be found
 * @throws PermissionUnsupportedError if a rule of `permission` can't be enforced
 * @throws UnsupportedPlatformError
 * @example
 * export const add = ([a, b]) => a + b;
 *
 * if (isMain) {
 *   const pool = createPool({ threads: 2 })({ add });
 *   console.log(await pool.call.add([1, 2])); // 3
 *   await pool.shutdown();
 * }
 */
declare function createPool(options?: PoolOptions): <T extends Tasks>(tasks: T) => Pool<T>;

/** A task that can have its own pool. */
interface DefinedTask<Argument = unknown, Result = unknown, Abortable extends boolean = boolean> extends Task<Argument, Result, Abortable> {
    /**
     * Creates a pool that runs only this task: `pool.call(argument)`. The task need not be exported. It must be defined
     * at the top level of its module, outside `if (isMain)`, because a worker finds it by the order in which the module
     * calls `task`.
     *
     * @throws InvalidOptionError
     * @throws TaskNotFoundError if it is certain that the task can't be found
     * @throws PermissionUnsupportedError if a rule of `permission` can't be enforced
     * @throws UnsupportedPlatformError
     */
    createPool(options?: PoolOptions): TaskPool<Task<Argument, Result, Abortable>>;
}
/** The options that `task` and `importTask` have in common. */
interface TaskOptions<Result> {
    /** Time limit of the task, from its start. Default: no limit. */
    timeout?: Timeout<Awaited<Result>> | undefined;
    /**
     * Whether the task can learn that nobody waits for its call any more. If `true`, the task gets a `TaskToolkit` as
     * its second argument, and the promise of each call has the method `reject(reason)`. Default `false`.
     *
     * With `{ hasAborted: true }` an aborted call keeps a partial result: the task is asked to stop, and the call resolves
     * with what it then returns, or rejects with what it throws. A call that was not begun rejects with the reason at once.
     * A task that doesn't look, and never settles, keeps its call waiting: `kill` and `worker.hardTimeoutMs` end it.
     */
    abortSignal?: boolean | {
        readonly hasAborted: true;
    } | undefined;
}
/** A task whose time limit has `maybe: true`: a call resolves with `undefined` when the time is over. */
interface Maybe {
    timeout: {
        readonly time: number;
        readonly maybe: true;
    };
}
interface Abortable {
    abortSignal: true | {
        readonly hasAborted: true;
    };
}
interface NotAbortable {
    abortSignal?: false | undefined;
}

/** The argument of `importTask`. */
interface ImportDefinition<Result> extends TaskOptions<Result> {
    /**
     * The module: a path relative to the calling module, an absolute path, or a `file:` or `data:` URL. Workers on Deno
     * also take an `https:` URL.
     */
    href: string | URL;
    /** Name of the export. Default `"default"`. */
    name?: string | undefined;
}
/**
 * Defines a task by its module and export, without importing it: only workers evaluate the module, the host never does.
 *
 * @throws InvalidOptionError
 * @throws TaskNotFoundError if `href` is relative and the calling code has no file
 * @example
 * export const add = importTask<[number, number], number>({ href: "./worker-tasks.js", name: "add" });
 */
declare function importTask<Argument = void, Result = unknown>(definition: ImportDefinition<Result> & Maybe & Abortable): DefinedTask<Argument, Awaited<Result> | undefined, true>;
declare function importTask<Argument = void, Result = unknown>(definition: ImportDefinition<Result> & Maybe & NotAbortable): DefinedTask<Argument, Awaited<Result> | undefined, false>;
declare function importTask<Argument = void, Result = unknown>(definition: ImportDefinition<Result> & Abortable): DefinedTask<Argument, Result, true>;
declare function importTask<Argument = void, Result = unknown>(definition: ImportDefinition<Result> & NotAbortable): DefinedTask<Argument, Result, false>;

/** The argument of `task`. */
interface TaskDefinition<Argument, Result> extends TaskOptions<Result> {
    /**
     * The task's function. It runs in a worker and sees the module as that worker has evaluated it, not the host's
     * variables.
     */
    f: (argument: Argument, toolkit: TaskToolkit) => Result;
}
/**
 * Defines a task by its function. Export the result under the name that the task has in the pool: a worker imports this
 * module and takes the export of that name.
 *
 * @throws InvalidOptionError
 * @example
 * export const double = task({ f: (x: number) => x * 2 });
 */
declare function task<Argument = void, Result = unknown>(definition: TaskDefinition<Argument, Result> & Maybe & Abortable): DefinedTask<Argument, Awaited<Result> | undefined, true>;
declare function task<Argument = void, Result = unknown>(definition: TaskDefinition<Argument, Result> & Maybe & NotAbortable): DefinedTask<Argument, Awaited<Result> | undefined, false>;
declare function task<Argument = void, Result = unknown>(definition: TaskDefinition<Argument, Result> & Abortable): DefinedTask<Argument, Result, true>;
declare function task<Argument = void, Result = unknown>(definition: TaskDefinition<Argument, Result> & NotAbortable): DefinedTask<Argument, Result, false>;

/** The settings that each preset has. Each is the option of `workerPoolConfig` with that name. */
interface WorkerPoolPreset {
    readonly minWorkers: number;
    readonly maxWorkers: number;
    /** In bytes. */
    readonly memoryLimitPerWorker: number;
    readonly maxExecutionsPerWorker: number;
    readonly maxQueueSize: number;
    /** In milliseconds, like the other times. */
    readonly queueTimeout: number;
    readonly maxMessagesPerSecond: number;
    readonly idleTimeout: number;
    readonly gracefulShutdownTimeout: number;
}
/**
 * Sets of limits, from the tightest to the widest: `createPool({ workerPoolConfig: WorkerPoolPresets.SECURE })`, or
 * `{ ...WorkerPoolPresets.SECURE, maxWorkers: 16 }` to change some. All are frozen.
 */
declare const WorkerPoolPresets: Readonly<Record<"STRICT" | "SECURE" | "STANDARD" | "PERMISSIVE", WorkerPoolPreset>>;

/** Which worker of its pool this is. */
interface WorkerIdentity {
    /** Index of the worker in its pool, from 0. A replacement has the index of the worker that it replaces. */
    readonly index: number;
    /** What runs the worker. */
    readonly runtime: "thread" | "node" | "deno" | "bun";
    /** The `threadId` of `node:worker_threads`; `null` for a process. */
    readonly threadId: number | null;
    /** Process id as this worker itself sees it, which differs from the host's view in another PID namespace. */
    readonly pid: number;
    /** How often the worker of this index was started before: 0 for its first start, 1 for its first replacement. */
    readonly start: number;
}
/**
 * `true` in your program, `false` in the workers of a pool.
 *
 * A worker imports the module that defines its tasks. Put code that only the host should run behind this condition:
 *
 * ```js
 * if (isMain) {
 *   using pool = createPool({ threads: 2 })({ add });
 * }
 * ```
 */
declare const isMain: boolean;
/**
 * Says in a worker which one it is, for its tasks, their modules and `worker.bootstrap`: its `index`, `runtime`,
 * `threadId`, `pid` and `start`. `pool.workers` has the same `index`, `threadId` and `start`. `undefined` in your
 * program.
 */
declare let workerInfo: WorkerIdentity | undefined;

/**
 * The values that can be sent to a task and returned from it. Functions, class instances, and symbols other than those
 * of `Symbol.for` can't be sent. A `SharedArrayBuffer`, or a view of one, is shared with worker threads and refused for
 * process workers.
 */
type Payload = undefined | null | boolean | number | bigint | string | symbol | Date | RegExp | Error | ArrayBuffer | ArrayBufferView | SharedArrayBuffer | ProcessSharedBuffer | Envelope | ReadonlyMap<Payload, Payload> | ReadonlySet<Payload> | readonly Payload[] | {
    readonly [key: string]: Payload;
};
/** What an envelope may carry: bytes, which are copied, or shared memory. */
type EnvelopePayload = ArrayBuffer | ArrayBufferView | SharedArrayBuffer | ProcessSharedBuffer;
/**
 * A small header with a large binary payload, as one argument or result. The header is encoded when the envelope is
 * sent, and the payload's bytes are copied once on each side. A `SharedArrayBuffer`, a `ProcessSharedBuffer` and an
 * array from `pool.alloc` are not copied at all.
 *
 * @example
 * const { header, payload } = await pool.call.resize(new Envelope({ width: 640 }, image.buffer));
 */
declare class Envelope<Header extends Payload = Payload, Data extends EnvelopePayload = EnvelopePayload> {
    /** Description of the payload: any value that can be sent. */
    readonly header: Header;
    /** The bytes. */
    readonly payload: Data;
    /**
     * Creates an envelope.
     *
     * @throws InvalidOptionError if the payload is not binary
     */
    constructor(header: Header, payload: Data);
    /** Closes a payload that is a `ProcessSharedBuffer`. Any other payload is left to the garbage collector. */
    [Symbol.dispose](): void;
}

/**
 * Declares that the calling module may be bundled, and where it is. Call it before the module defines tasks. A bundler
 * may drop or rename exports, so workers then find the module's tasks by the order in which it calls `task`, not by the
 * names of their exports. The tasks must be defined at the module's top level.
 *
 * `url` is `import.meta.url`. If it is left out or `undefined`, as in esbuild's CommonJS output, the running file is
 * used.
 *
 * @throws InvalidOptionError if there is no file at `url`, which is then probably the URL of a source file
 * @example
 * setModuleUrl(import.meta.url);
 *
 * export const double = task({ f: (x: number) => x * 2 });
 */
declare function setModuleUrl(url?: string | URL): void;

export { AbortCapacityError, Envelope, GuardedCallError, InvalidOptionError, KnittingError, PayloadTooLargeError, PermissionUnsupportedError, PoolClosedError, ProtocolViolationError, QueueFullError, QueueTimeoutError, SharedMemoryError, TaskNotFoundError, TaskTimeoutError, UnsupportedPayloadError, UnsupportedPlatformError, WorkerBootError, WorkerCrashedError, WorkerKilledError, WorkerPoolPresets, createPool, importTask, isMain, setModuleUrl, task, workerInfo };
export type { AbortablePromise, BootstrapOptions, CallOptions, CallPromise, DebugNamespace, DefinedTask, Enforcer, EnvelopePayload, EnvironmentChoice, EnvironmentPermission, ImportDefinition, Payload, PermissionNeed, PermissionOptions, PermissionRule, Pool, PoolEvents, PoolListener, PoolOptions, PoolPermissions, PoolStats, RecycleReason, ResourceLimits, SharedMemoryOptions, ShutdownResult, Task, TaskCall, TaskDefinition, TaskFunction, TaskOptions, TaskPool, TaskStream, TaskToolkit, Tasks, TeardownOptions, Timeout, TimerOptions, WorkerEndReason, WorkerIdentity, WorkerInfo, WorkerOptions, WorkerPoolConfig, WorkerPoolPreset, WorkerStart, WorkerStats, Workers };
