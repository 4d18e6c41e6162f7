// Written by scripts/types.mjs. The sources are in js/.

// For `using`, where a project's own libraries don't bring it.
/// <reference lib="esnext.disposable" />

import { ProcessSharedBuffer } from './shared-memory.js';

/** What there is to hear of: see {@link PoolOptions.debug}. */
type DebugNamespace = "host" | "lifecycle" | "imports" | "globals" | "signals";

/**
 * Memory for payloads. Each worker shares a block of memory with this process that has room for `payloadMaxByteLength` in
 * each direction. It is reserved, which costs nothing, and taken from the system as it is used: of what goes to the worker,
 * some or all can be taken when the worker is started.
 */
interface PayloadOptions {
    /**
     * `"growable"`, the default: memory is taken as it is needed and given back when it has been idle for a while. `"fixed"`:
     * all that goes to a worker has its memory from the start and keeps it, `payloadMaxByteLength` for each worker.
     */
    mode?: "growable" | "fixed" | undefined;
    /**
     * Bytes for what goes to a worker that are taken from the system when it is started, and kept; rounded up to a multiple of
     * 65 536. From 0, the default, to `payloadMaxByteLength`, which it is if `mode` is `"fixed"`. Where the system has no memory
     * for them `createPool` throws a `KnittingError` with code `"KNITTING_NO_MEMORY"`.
     */
    payloadInitialBytes?: number | undefined;
    /**
     * Bytes in each direction of each worker, from 65 536 to 2 147 483 648; rounded up to a multiple of 65 536. Default
     * 268 435 456, which is 256 MiB. What finds no room waits, in order.
     */
    payloadMaxByteLength?: number | undefined;
    /**
     * Bytes that one encoded argument or result may take, from 64 to `payloadMaxByteLength`, which is also the default. A
     * larger one rejects its call with `PayloadTooLargeError`. An error that a task throws may take 64 KiB in any case.
     */
    maxPayloadBytes?: number | undefined;
}

/** What the workers of a pool may do: what is not listed is denied. */
interface PermissionOptions {
    /**
     * `"strict"`, the default: what is granted here and nothing else. `"unsafe"`: anything, the same as `permission: "unsafe"`;
     * of the other fields it takes `console` alone.
     */
    mode?: "strict" | "unsafe" | undefined;
    /**
     * Files and folders that tasks may read, folders with all that is in them. `true`: any that is not denied, `false` or `[]`:
     * none. Default: the workers' working directory. Relative paths start there, `~/` is the home folder; symbolic links are followed. Each must
     * exist. What the tasks' modules and the runtime need can be read besides: `pool.permissions.needs` lists it.
     */
    read?: boolean | readonly string[] | undefined;
    /** Files and folders that tasks may write. Of the same form as `read`. Default: the workers' working directory. */
    write?: boolean | readonly string[] | undefined;
    /**
     * Files and folders that tasks may not read, whatever `read` says; they need not exist. Added to those of the strict
     * profile: in the working directory `.env`, `.git`, `.npmrc`, `.docker`, `.secrets`; in the home folder `.ssh`, `.gnupg`,
     * `.aws`, `.azure`, `.config/gcloud`, `.kube`; `/proc`, `/sys`, `/dev`, `/etc`. A path that `read` names inside one of the
     * profile's lifts that one.
     */
    denyRead?: readonly string[] | undefined;
    /** Files and folders that tasks may not write. Added to those of `denyRead`'s profile and `node_modules`. */
    denyWrite?: readonly string[] | undefined;
    /**
     * The network. `true`: all of it. `false`, the default, or `[]`: none. A list of hosts, such as `"example.com"` or
     * `"127.0.0.1:8080"`, is enforced by Deno alone.
     */
    net?: boolean | readonly string[] | undefined;
    /** Hosts that tasks may not reach, whatever `net` says. Enforced by Deno alone. */
    denyNet?: readonly string[] | undefined;
    /**
     * Modules from the web, which Deno alone can import: `true` from any host, a list from those. `false`, the default: none.
     * Modules in files are what `read` and the tasks need.
     */
    allowImport?: boolean | readonly string[] | undefined;
    /** Environment variables. Default: none. The option `worker.env` stands before it. */
    env?: EnvironmentPermission | undefined;
    /**
     * Programs that tasks may start, as names on `PATH` or paths. `true`: any. `false`, the default, or `[]`: none. A program that
     * was started has the same files and network as the worker, where the kernel enforces them.
     */
    run?: boolean | readonly string[] | undefined;
    /** Programs that tasks may not start, whatever `run` says. */
    denyRun?: readonly string[] | undefined;
    /**
     * Whether what tasks write to the console, stdout and stderr reaches this process's. Default `false`; `true` with
     * `mode: "unsafe"` or the option `debug`. The option `worker.stdio` stands before the default.
     */
    console?: boolean | undefined;
    /** Of workers on Node. */
    node?: {
        /** `true`: like `run: true` where `run` says nothing. `false`: no programs, whatever `run` says. */
        allowChildProcess?: boolean | undefined;
    };
    /** Of workers on Deno. */
    deno?: {
        /** `true`: like `run: true` where `run` says nothing. */
        allowRun?: boolean | undefined;
    };
    /**
     * Whether the kernel enforces this for process workers. Default `true`; behind a `worker.processCommandPrefix` `false`: that
     * wrapper is taken for the one who does. `true` there applies it inside the wrapper, which must let it.
     */
    kernel?: boolean | undefined;
    /**
     * What a rule is that nobody enforces. `"error"`: `createPool` throws `PermissionUnsupportedError`. `"warn"`: one warning of the
     * process for each pool. Default: `"error"` for process workers, `"warn"` for threads.
     */
    onUnsupported?: "error" | "warn" | undefined;
}
/** Which environment variables the workers have. */
interface EnvironmentPermission {
    /** Names of this process's variables that they get too. `true`: all. Default: none. */
    allow?: true | readonly string[] | undefined;
    /** Names of variables that they don't get, wherever they come from; also of those that a process is given to start. */
    deny?: readonly string[] | undefined;
    /**
     * Files of lines such as `NAME=value`, whose variables they get besides; read when the pool is created. What `allow` brings
     * wins; of two files the later does. They must exist, and it takes Node 20.12.
     */
    files?: string | readonly string[] | undefined;
}

/** A worker of a pool, as it is at this moment. */
interface WorkerInfo {
    /** Which of the pool's workers, from 0. A replacement has the index of the worker it replaces. */
    readonly index: number;
    /**
     * Id of the worker's process, as this system counts. Behind a `worker.processCommandPrefix` it is the wrapper's until the
     * worker has attached, and stays that if the worker can't be found from here. `null` for a worker thread, and while no
     * process runs.
     */
    readonly pid: number | null;
    /** What runs the worker. */
    readonly runtime: "thread" | "node" | "deno" | "bun";
    /**
     * `"booting"`: started, not ready yet. `"ready"`: serves calls. `"restarting"`: ended, and waits for its next start.
     * `"broken"`: given up after `worker.maxBootFailures` failed boots in a row, or one that would only fail again. `"closed"`: the pool was shut down.
     */
    readonly state: "booting" | "ready" | "restarting" | "broken" | "closed";
    /** Calls that it has answered since it was started. */
    readonly served: number;
    /** When it was started; `null` while none runs. */
    readonly startedAt: Date | null;
}
/** A process worker that is about to be started. */
interface WorkerStart {
    /** Which of the pool's workers, from 0. */
    readonly index: number;
    /** How often this worker has been started before: 0 the first time, 1 for its first replacement. */
    readonly start: number;
    /** What will run it. */
    readonly runtime: "node" | "deno" | "bun";
}

/** The runtimes that can run a process worker. */
type ProcessRuntime = "node" | "deno" | "bun";
/** What the workers of a pool are. */
interface WorkerOptions {
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
interface BootstrapOptions {
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
interface TimerOptions {
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
interface SharedMemoryOptions {
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
interface EnvironmentChoice {
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
interface ResourceLimits {
    /** The heap for what lives long; process workers round it up to whole megabytes. */
    maxOldGenerationSizeMb?: number | undefined;
    /** The heap for new objects; V8 rounds a third of it up to a power of two. */
    maxYoungGenerationSizeMb?: number | undefined;
    /** Memory for compiled code. */
    codeRangeSizeMb?: number | undefined;
    /** The stack of JavaScript. */
    stackSizeMb?: number | undefined;
}

/** The ways to choose, as the option `balancer` names them. */
type Strategy = "roundRobin" | "firstIdle" | "randomLane" | "firstIdleOrRandom";

/** What `createPool` takes. */
interface PoolOptions {
    /** Number of workers, from 1 to 1024. Default 1. */
    threads?: number | undefined;
    /**
     * Which worker gets a call. `"roundRobin"`, the default: one after the other. `"firstIdle"`: the first that has nothing to do,
     * else the one with the fewest calls. `"randomLane"`: any. `"firstIdleOrRandom"`: the first that has nothing to do, else any.
     * Workers that can't serve are passed over as long as there are others.
     */
    balancer?: Strategy | {
        strategy: Strategy;
    } | undefined;
    /** What the workers are. */
    worker?: WorkerOptions | undefined;
    /**
     * Command line flags of the workers' runtime, such as `["--expose-gc"]`. A process worker gets them where its runtime's own
     * stand: before the script. Default: for Node the flags of this process that suit a worker, if the same executable runs it;
     * for Deno and Bun none. An empty array keeps Node's from being passed on.
     */
    workerExecArgv?: readonly string[] | undefined;
    /**
     * How many calls of tasks with `abortSignal: true` may be under way at once, from 1 to 65536. A call too many rejects with
     * `AbortCapacityError`. Default 258.
     */
    abortSignalCapacity?: number | undefined;
    /** Memory for what is sent to the workers and back. */
    payload?: PayloadOptions | undefined;
    /**
     * What the pool and its workers write to stderr of what they do, for the person who looks for a fault: `true` for everything,
     * or the namespaces as an array or as `{ lifecycle: true }`. `"host"`: what pools are made of and how they end. `"lifecycle"`: workers as they start, boot, end and are
     * replaced. `"imports"`: modules that workers import. `"globals"`: what these leave on `globalThis`. `"signals"`: each call and
     * its end; it costs time. Never arguments or results. The environment variable `KNITTING_DEBUG`, such as `host,imports` or `*`, adds to it.
     * Default: nothing.
     */
    debug?: boolean | readonly DebugNamespace[] | {
        readonly [Namespace in DebugNamespace]?: boolean | undefined;
    } | undefined;
    /**
     * What the workers may do. `"strict"` or `{}`: read and write in their working directory, and nothing else: no network, no
     * programs, no variables, and what they write to the console is not seen. An object grants more, or other things. `"unsafe"`:
     * anything. Default: as `"strict"`, but Deno may import modules from the web, and what nobody enforces is only listed by
     * `pool.permissions`.
     */
    permission?: "strict" | "unsafe" | PermissionOptions | undefined;
}

/**
 * How long a task may take from its start, in milliseconds, and what its call comes to then. A number: it rejects with
 * `TaskTimeoutError`. The task itself goes on; see `worker.hardTimeoutMs` for one that must be ended. The end may come
 * late by an eighth of the time, and is noticed by a host whose event loop is not busy.
 */
type Timeout<Result = unknown> = number
/** It resolves with `default`. */
 | {
    readonly time: number;
    readonly default: Result;
}
/** It resolves with `undefined`. */
 | {
    readonly time: number;
    readonly maybe: true;
}
/** It rejects with `error`. */
 | {
    readonly time: number;
    readonly error: unknown;
};

/** The promise of a call. */
interface CallPromise<Result, Progress = unknown> extends Promise<Result> {
    /**
     * Has `listener` called with each value that the task passes to `progress(value)` while it runs, in order and before the
     * promise settles. What was told before there was a listener is gone. Returns the promise.
     *
     * @example
     * const total = await pool.call.resize(files).on("progress", (done) => console.log(`${done} files`));
     */
    on(event: "progress", listener: (value: Progress) => void): this;
}

/** The second argument of `pool.call.f(argument, options)`. */
interface CallOptions<Result = unknown> {
    /** Gives the call up when it is aborted: the promise rejects with the signal's reason. The task is told if it has `abortSignal`. */
    signal?: AbortSignal | undefined;
    /** How long the task may take this time, instead of what its definition says. */
    timeout?: Timeout<Result> | undefined;
}
/** The promise of a call whose task has `abortSignal: true`. */
interface AbortablePromise<Result, Progress = unknown> extends CallPromise<Result, Progress> {
    /** Gives the call up: the promise rejects with `reason`, an `AbortError` where there is none, and the task is told. */
    reject(reason?: unknown): void;
}

/** A file or folder that a worker needs, with all that is in it. */
interface PermissionNeed {
    readonly path: string;
    /** `"execute"` is reading too; `"write"` is for devices such as `/dev/null`, and for Deno's cache. */
    readonly access: "read" | "execute" | "write";
    /** Who needs it. */
    readonly for: "runtime" | "knitting-native" | "tasks" | "run";
}

/** Who enforces a rule. */
type Enforcer = "kernel" | "runtime" | "host" | "wrapper";
/** A rule of a pool's policy. */
interface PermissionRule {
    /** The field of the option `permission`. */
    readonly rule: "read" | "write" | "denyRead" | "denyWrite" | "net" | "denyNet" | "allowImport" | "env" | "run" | "denyRun" | "console";
    /** What is granted, or by a rule that denies, denied: paths, hosts, names. `false` and `[]` grant nothing. */
    readonly value: boolean | readonly string[];
    /**
     * `"kernel"`: for whatever code there is in the worker. `"runtime"`: by flags of Node or Deno, a guardrail for what goes by
     * their own modules. `"host"`: by what the worker is started with. `"wrapper"`: by `worker.processCommandPrefix`, as far as
     * that does. Empty: nobody does.
     */
    readonly enforcedBy: readonly Enforcer[];
    /** Why nobody does, or what is left open. */
    readonly note?: string;
}

/** What a pool's workers may do, and who sees to it. */
interface PoolPermissions {
    /**
     * `"strict"`: what is not granted is denied. `"unsafe"`: nothing is restricted. `"default"`: the option `permission` was left
     * out, and what of the strict profile can't be enforced is only listed in `rules`.
     */
    readonly mode: "default" | "strict" | "unsafe";
    /** The rules that restrict something, and who enforces each. */
    readonly rules: readonly PermissionRule[];
    /** What the workers can read or execute besides, since they could not run without. */
    readonly needs: readonly PermissionNeed[];
}

/**
 * What a task yields, one after the other: an async iterator with back-pressure. The worker is a bounded number of items
 * ahead. A stream is read once.
 */
interface TaskStream<Item = unknown, Return = unknown> extends AsyncIterator<Item, Return, undefined> {
    /**
     * The next item, or the generator's return value as `{ done: true, value }`. Rejects with what the generator throws, and with
     * what a call rejects with: `WorkerCrashedError`, `PoolClosedError`, `TaskTimeoutError`, the reason of an abort. What has
     * arrived before a worker's end is handed out first.
     */
    next(): Promise<IteratorResult<Item, Return>>;
    /**
     * Ends the stream early, as `break` in a `for await` does: the task's generator returns, and its `finally` runs. Resolves
     * after that; rejects with what the `finally` throws, or if the worker dies of it.
     */
    return(value?: Return): Promise<IteratorResult<Item, Return>>;
    /** Ends the stream early, as `return` does, and rejects with `error` after that. The generator does not get to see it. */
    throw(error?: unknown): Promise<IteratorResult<Item, Return>>;
    /** Itself. */
    [Symbol.asyncIterator](): this;
    /** Ends the stream early, at the end of an `await using` block. */
    [Symbol.asyncDispose](): Promise<void>;
}

/**
 * The second argument of a task that declares one: whose function has a `length` of 2 or more, or that has
 * `abortSignal: true`. Its members work without it: `(x, { progress }) => ...`.
 */
interface TaskToolkit<Progress = unknown> {
    /**
     * Sends `value` to the host at once, also out of a busy loop: the listeners of `call.on("progress", listener)` get it,
     * before the call has its result. Values follow one another in order. Where the host does not keep up, only the newest
     * of those that found no room is kept. It returns false, and sends nothing, once the call has its result or nobody waits
     * for it. Throws `UnsupportedPayloadError` or `PayloadTooLargeError` if the value can't be sent.
     */
    readonly progress: (value: Progress) => boolean;
    /**
     * Whether nobody waits for the call any more: its time was over, it was aborted, or whoever read its stream has left. It
     * costs a look into shared memory, and is true at once, also in a busy loop.
     */
    readonly hasAborted: () => boolean;
    /** Milliseconds since some moment, with fractions. */
    readonly now: () => number;
    /** The same as `hasAborted`, as a standard signal. It tells when the event loop gets a turn. */
    get signal(): AbortSignal;
}

/** A function that runs in a worker: one argument in, one value out, either may be missing. */
type TaskFunction = (argument: any, toolkit: TaskToolkit) => unknown;
/** Carries a task's signature from `task` and `importTask` to `pool.call`. For types alone: no value has it. */
declare const SIGNATURE: unique symbol;
/** For types alone too: whether a task is to be told of aborts. */
declare const ABORTABLE: unique symbol;
/** What `task` and `importTask` define: export it and put it among a pool's tasks. */
interface Task<Argument = unknown, Result = unknown, Abortable extends boolean = boolean> {
    readonly [SIGNATURE]: (argument: Argument) => Result;
    readonly [ABORTABLE]: Abortable;
}

/** What a pool tells of its workers: the events of {@link Pool.on}, and what their listeners get. */
interface PoolEvents {
    /** A worker's thread or command was started. */
    spawn: {
        readonly worker: WorkerInfo;
    };
    /** A worker has imported its tasks and serves calls. */
    ready: {
        readonly worker: WorkerInfo;
    };
    /** A worker has ended. */
    exit: {
        readonly worker: WorkerInfo;
        /** Exit status, if it exited; of a wrapped worker its wrapper's. */
        readonly exitCode: number | null;
        /** Name of the signal that killed it, if one did. */
        readonly signal: string | null;
    };
    /** Another worker is about to be started in the place of one that has ended. */
    restart: {
        readonly worker: WorkerInfo;
        /** Milliseconds until then. */
        readonly delayMs: number;
        /** What went wrong, if the last one could not boot. */
        readonly error: Error | undefined;
    };
    /** A worker wrote a line; with `worker.stdio: "pipe"`. */
    output: {
        readonly worker: WorkerInfo;
        readonly stream: "stdout" | "stderr";
        /** Without its end. A process's line of more than 16 KiB comes in pieces. */
        readonly line: string;
    };
}
/** Listens to a pool. */
type PoolListener<Name extends keyof PoolEvents> = (event: PoolEvents[Name]) => void;

/** The tasks of a pool, by the names under which their modules export them. */
type Tasks = Readonly<Record<string, TaskFunction | Task<never, unknown>>>;
/** The argument of a task, `undefined` where it takes none. */
type ArgumentOf<T> = T extends Task<infer Argument, unknown> ? Argument : T extends (...parameters: infer Parameters) => unknown ? Parameters extends [] ? undefined : Parameters[0] : never;
/** What a call comes to. */
type ResultOf<T> = T extends Task<never, infer Result> ? Streamed<Awaited<Result>> : T extends (argument: never, toolkit: TaskToolkit<never>) => infer Result ? Streamed<Awaited<Result>> : never;
/** Where a task returns something to iterate over, what its caller gets. */
type Streamed<Result> = Result extends {
    [Symbol.asyncIterator](): AsyncIterator<infer Item, infer Return, any>;
} ? TaskStream<Item, Return> : Result extends Iterator<infer Item, infer Return, any> & {
    [Symbol.iterator](): unknown;
} ? TaskStream<Item, Return> : Result;
/** What a task tells while it runs: as a function declares it, anything where a definition doesn't say. */
type ProgressOf<T> = T extends (argument: never, toolkit: TaskToolkit<infer Progress>) => unknown ? Progress : any;
/** What a call returns. */
type PromiseOf<T> = (T extends Task<never, unknown, true> ? AbortablePromise<ResultOf<T>, ProgressOf<T>> : CallPromise<ResultOf<T>, ProgressOf<T>>) & (ResultOf<T> extends TaskStream<infer Item, unknown> ? AsyncIterable<Item> : unknown);
/** How a task is called: with its argument or a promise of it, or without where it takes none; then the call's options. */
type TaskCall<T> = unknown extends ArgumentOf<T> ? (argument?: unknown, options?: CallOptions<ResultOf<T>>) => PromiseOf<T> : [
    ArgumentOf<T>
] extends [void] ? (argument?: undefined, options?: CallOptions<ResultOf<T>>) => PromiseOf<T> : undefined extends ArgumentOf<T> ? (argument?: ArgumentOf<T> | Promise<ArgumentOf<T>>, options?: CallOptions<ResultOf<T>>) => PromiseOf<T> : (argument: ArgumentOf<T> | Promise<ArgumentOf<T>>, options?: CallOptions<ResultOf<T>>) => PromiseOf<T>;
/** A number of workers that run tasks. An idle pool doesn't keep the process alive; a pending call does. */
interface Pool<T extends Tasks> extends Workers {
    /**
     * The tasks: `pool.call.add([1, 2])` runs `add` in a worker. The argument is copied when you call, the result when it
     * arrives. Options such as `{ timeout, signal }` may follow. Rejects with what the task throws, `WorkerCrashedError`, `PoolClosedError`, `UnsupportedPayloadError` or
     * `PayloadTooLargeError`.
     */
    readonly call: {
        readonly [Name in keyof T]: TaskCall<T[Name]>;
    };
}
/** A pool of one task, as `task(...).createPool()` makes it. */
interface TaskPool<T> extends Workers {
    /** Runs the task in a worker: what {@link Pool.call} has by names. */
    readonly call: TaskCall<T>;
}
/** What every pool has beside its calls. */
interface Workers {
    /** The workers as they are now. */
    readonly workers: readonly WorkerInfo[];
    /** What the workers may do, and who enforces each rule of it. */
    readonly permissions: PoolPermissions;
    /**
     * An array of zeros that lies in the memory of one worker already. Fill it, and give it to a call as the argument or as an
     * `Envelope`'s payload, whole or from its first byte on: the call goes to that worker and copies nothing, and the array is
     * detached. Anywhere else in a value it is copied like any other. If the worker dies before, the array keeps its bytes, and is
     * copied when it is sent. It takes room until it is sent or collected. It needs no `this`.
     *
     * @throws PayloadTooLargeError, InvalidOptionError, PoolClosedError; an error with `code` `"KNITTING_ARENA_FULL"` if no worker has
     * room now.
     */
    readonly alloc: (byteLength: number) => Uint8Array;
    /**
     * Has `listener` called with every event of that name: `"spawn"`, `"ready"`, `"exit"`, `"restart"`, and with
     * `worker.stdio: "pipe"` also `"output"`. Listening keeps no process alive.
     */
    on<Name extends keyof PoolEvents>(name: Name, listener: PoolListener<Name>): this;
    /** Has `listener` called with the next event of that name. */
    once<Name extends keyof PoolEvents>(name: Name, listener: PoolListener<Name>): this;
    /** Has `listener` called no more. */
    off<Name extends keyof PoolEvents>(name: Name, listener: PoolListener<Name>): this;
    /**
     * Ends the workers. Later calls reject with `PoolClosedError` at once. Calls in flight have `delayMs` milliseconds to finish,
     * then the rest of them reject with it too; 0, the default, rejects them now, `Infinity`, the default with
     * `worker.resolveAfterFinishingAll`, waits for all of them. Resolves when every thread and process of the pool is gone. Another call can make the delay shorter. It needs no `this`.
     */
    readonly shutdown: (delayMs?: number) => Promise<void>;
    /** Starts to shut down, at the end of a `using` block. */
    [Symbol.dispose](): void;
    /** Shuts down, at the end of an `await using` block. */
    [Symbol.asyncDispose](): Promise<void>;
}

/**
 * Creates a pool: options first, then its tasks.
 *
 * It returns at once; the workers boot behind it, and calls wait for them. A task is an exported function: its worker
 * imports the module that called `createPool` and takes the export with the task's name, or what `task` and `importTask`
 * say instead.
 *
 * @throws InvalidOptionError, TaskNotFoundError if a task can't be found for sure, PermissionUnsupportedError,
 * UnsupportedPlatformError.
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

/** A task that can have a pool to itself. */
interface DefinedTask<Argument = unknown, Result = unknown, Abortable extends boolean = boolean> extends Task<Argument, Result, Abortable> {
    /**
     * Creates a pool of this task alone: `pool.call(argument)`. It need not be exported, but it has to be defined at the top level of its
     * module, outside `if (isMain)`: a worker finds it by the order in which the module calls `task`.
     *
     * @throws InvalidOptionError, TaskNotFoundError if the task can't be found for sure, UnsupportedPlatformError.
     */
    createPool(options?: PoolOptions): TaskPool<Task<Argument, Result, Abortable>>;
}
/** What `task` and `importTask` take besides. */
interface TaskOptions<Result> {
    /** How long the task may take, from its start. Default: as long as it likes. */
    timeout?: Timeout<Awaited<Result>> | undefined;
    /**
     * Whether the task is to be told when nobody waits for its call any more: its second argument is then a `TaskToolkit`, and
     * the promise of a call has `reject(reason)`. Default `false`.
     */
    abortSignal?: boolean | undefined;
}
/** A task of which nothing may come: its result is `undefined` when its time is over. */
interface Maybe {
    timeout: {
        readonly time: number;
        readonly maybe: true;
    };
}
interface Abortable {
    abortSignal: true;
}
interface NotAbortable {
    abortSignal?: false | undefined;
}

/** What `importTask` takes. */
interface ImportDefinition<Result> extends TaskOptions<Result> {
    /** The module: relative to the calling one, an absolute path, or a `file:` or `data:` URL; with workers on Deno also an `https:` URL. */
    href: string | URL;
    /** The export, `"default"` where nothing is said. */
    name?: string | undefined;
}
/**
 * Names a task without importing it: the host never evaluates the module, only workers do.
 *
 * @example
 * export const add = importTask<[number, number], number>({ href: "./worker-tasks.js", name: "add" });
 */
declare function importTask<Argument = void, Result = unknown>(definition: ImportDefinition<Result> & Maybe & Abortable): DefinedTask<Argument, Awaited<Result> | undefined, true>;
declare function importTask<Argument = void, Result = unknown>(definition: ImportDefinition<Result> & Maybe & NotAbortable): DefinedTask<Argument, Awaited<Result> | undefined, false>;
declare function importTask<Argument = void, Result = unknown>(definition: ImportDefinition<Result> & Abortable): DefinedTask<Argument, Result, true>;
declare function importTask<Argument = void, Result = unknown>(definition: ImportDefinition<Result> & NotAbortable): DefinedTask<Argument, Result, false>;

/** What `task` takes. */
interface TaskDefinition<Argument, Result> extends TaskOptions<Result> {
    /** The function. It runs in a worker and sees that worker's module, not the host's. */
    f: (argument: Argument, toolkit: TaskToolkit) => Result;
}
/**
 * Defines a task by its function. Export the result under the name it has in the pool: a worker imports this module and
 * takes the export of that name.
 *
 * @example
 * export const double = task({ f: (x: number) => x * 2 });
 */
declare function task<Argument = void, Result = unknown>(definition: TaskDefinition<Argument, Result> & Maybe & Abortable): DefinedTask<Argument, Awaited<Result> | undefined, true>;
declare function task<Argument = void, Result = unknown>(definition: TaskDefinition<Argument, Result> & Maybe & NotAbortable): DefinedTask<Argument, Awaited<Result> | undefined, false>;
declare function task<Argument = void, Result = unknown>(definition: TaskDefinition<Argument, Result> & Abortable): DefinedTask<Argument, Result, true>;
declare function task<Argument = void, Result = unknown>(definition: TaskDefinition<Argument, Result> & NotAbortable): DefinedTask<Argument, Result, false>;

/** What all errors of this package extend. */
declare class KnittingError extends Error {
    /** A stable name for programs, such as `"KNITTING_POOL_CLOSED"`. */
    readonly code: string;
}
/** An option has a value it can't have, or a name that no option has. */
declare class InvalidOptionError extends KnittingError {
}
/** The pool was shut down: before the call, or while it was in flight. The message is `"Thread closed"`. */
declare class PoolClosedError extends KnittingError {
}
/** A task took longer than its `timeout`. The message is `"Task timeout"`. */
declare class TaskTimeoutError extends KnittingError {
}
/** More abortable calls are under way than `abortSignalCapacity` allows. */
declare class AbortCapacityError extends KnittingError {
}
/** The module or the export of a task, or of `worker.bootstrap`, doesn't exist. */
declare class TaskNotFoundError extends KnittingError {
}
/** A worker could not be started. `message` holds its command line and what it wrote to stderr. */
declare class WorkerBootError extends KnittingError {
    /** The command line, empty for a worker thread. */
    readonly argv: readonly string[];
    /** Exit status, if it exited. */
    readonly exitCode: number | null;
    /** Name of the signal that killed it, if one did. */
    readonly signal: string | null;
    /** The last 8 KiB that it wrote to stderr, empty for a worker thread. */
    readonly stderrTail: string;
}
/** The worker that had the call died. Calls it had not started go to another worker and don't see this. */
declare class WorkerCrashedError extends KnittingError {
    /** Exit status, if it exited. */
    readonly exitCode: number | null;
    /** Name of the signal that killed it, such as `"SIGSEGV"`, if one did. */
    readonly signal: string | null;
    /** Process id, `null` for a worker thread. */
    readonly pid: number | null;
    /** The last 8 KiB that it wrote to stderr, empty for a worker thread. */
    readonly stderrTail: string;
    /** The task's name in the pool. */
    readonly task: string;
    /** Whether the task had been started. If not, the call has met dying workers several times in a row. */
    readonly started: boolean;
}
/** The pool has killed the worker while it was running the call. The worker is replaced. */
declare class WorkerKilledError extends KnittingError {
    /** Why: `"hardTimeout"`, a task ran longer than `worker.hardTimeoutMs`. */
    readonly reason: "hardTimeout";
    /** The task's name in the pool. */
    readonly task: string;
}
/**
 * A task has called what would end its worker, such as `process.exit`. The call did nothing; unless the task catches this
 * error, it rejects the task's call, and the worker serves the next one.
 */
declare class GuardedCallError extends KnittingError {
}
/** A worker wrote something into the shared memory that no honest worker writes. It was killed and replaced. */
declare class ProtocolViolationError extends KnittingError {
}
/** A value is larger than the option `payload.maxPayloadBytes` allows, or would take too much memory where it arrives. */
declare class PayloadTooLargeError extends KnittingError {
    /** Bytes of the encoded value. */
    readonly byteLength: number;
    /** Bytes that would have been possible. */
    readonly maxByteLength: number;
}
/**
 * A value holds something that can't be sent, or that the runtime it arrives in can't make, such as a `Float16Array` in
 * Node 20. `message` begins with its path: `$.user.callback is a function`. It rejects that call alone.
 */
declare class UnsupportedPayloadError extends KnittingError {
    /** Where it stands inside the value: `"$"` is the value itself. */
    readonly path: string;
}
/** Shared memory can't be had, or is there no more. */
declare class SharedMemoryError extends KnittingError {
    /**
     * Why: the name `"exists"`, or what has it is `"missing"` or `"foreign"` (not memory, or not the memory that was meant); it has too
     * few bytes for that (`"size"`); it is `"closed"` here, `"lost"` since somebody has truncated it, `"unreachable"` for a worker whose
     * wrapper keeps no descriptor; the system has `"refused"`.
     */
    readonly reason: "exists" | "missing" | "foreign" | "size" | "closed" | "lost" | "unreachable" | "refused";
}
/** Nobody enforces a rule of the option `permission` for the pool's workers. `message` says why, and what to do. */
declare class PermissionUnsupportedError extends KnittingError {
    /** The fields of the option that nobody enforces, such as `"net"`. */
    readonly rules: readonly string[];
}
/** This package runs on Linux alone. */
declare class UnsupportedPlatformError extends KnittingError {
}

/**
 * `true` in your program, `false` in the workers of a pool.
 *
 * A worker imports the module that defines its tasks, so what only the host should do stands behind it:
 *
 * ```js
 * if (isMain) {
 *   using pool = createPool({ threads: 2 })({ add });
 * }
 * ```
 */
declare const isMain: boolean;

/**
 * What may be sent to a task and returned from it. Functions and class instances may not, nor symbols other than those of
 * `Symbol.for`. A `SharedArrayBuffer`, and a view of one, is shared with worker threads, and refused for processes.
 */
type Payload = undefined | null | boolean | number | bigint | string | symbol | Date | RegExp | Error | ArrayBuffer | ArrayBufferView | SharedArrayBuffer | ProcessSharedBuffer | Envelope | ReadonlyMap<Payload, Payload> | ReadonlySet<Payload> | readonly Payload[] | {
    readonly [key: string]: Payload;
};
/** What an envelope may carry: bytes to be copied, or memory to be shared. */
type EnvelopePayload = ArrayBuffer | ArrayBufferView | SharedArrayBuffer | ProcessSharedBuffer;
/**
 * A small header beside a large binary payload, as one argument or result. It is encoded at once, and the payload's bytes are
 * copied once on each side; a `SharedArrayBuffer` or `ProcessSharedBuffer` is not copied at all, nor is an array of `pool.alloc`.
 *
 * @example
 * const { header, payload } = await pool.call.resize(new Envelope({ width: 640 }, image.buffer));
 */
declare class Envelope<Header extends Payload = Payload, Data extends EnvelopePayload = EnvelopePayload> {
    /** What is said of the payload: any value that can be sent. */
    readonly header: Header;
    /** The bytes. */
    readonly payload: Data;
    /** Throws `InvalidOptionError` if the payload is not binary. */
    constructor(header: Header, payload: Data);
    /** Closes a payload that is a `ProcessSharedBuffer`; any other is left to be collected. */
    [Symbol.dispose](): void;
}

/**
 * Says that the module which calls it may be bundled, and where it is. To be called before the module defines tasks. Its tasks
 * are then found by the order in which it calls `task`, and not by the names of their exports, which a bundler may drop; so
 * they have to be defined at its top level.
 *
 * `url` is `import.meta.url`. Without it, or where it is `undefined` as in what esbuild makes for CommonJS, it is the file that runs.
 *
 * @throws InvalidOptionError if there is no file at `url`, which then is that of a source.
 * @example
 * setModuleUrl(import.meta.url);
 *
 * export const double = task({ f: (x: number) => x * 2 });
 */
declare function setModuleUrl(url?: string | URL): void;

export { AbortCapacityError, Envelope, GuardedCallError, InvalidOptionError, KnittingError, PayloadTooLargeError, PermissionUnsupportedError, PoolClosedError, ProtocolViolationError, SharedMemoryError, TaskNotFoundError, TaskTimeoutError, UnsupportedPayloadError, UnsupportedPlatformError, WorkerBootError, WorkerCrashedError, WorkerKilledError, createPool, importTask, isMain, setModuleUrl, task };
export type { AbortablePromise, BootstrapOptions, CallOptions, CallPromise, DebugNamespace, DefinedTask, Enforcer, EnvelopePayload, EnvironmentChoice, EnvironmentPermission, ImportDefinition, Payload, PermissionNeed, PermissionOptions, PermissionRule, Pool, PoolEvents, PoolListener, PoolOptions, PoolPermissions, ResourceLimits, SharedMemoryOptions, Task, TaskCall, TaskDefinition, TaskFunction, TaskOptions, TaskPool, TaskStream, TaskToolkit, Tasks, Timeout, TimerOptions, WorkerInfo, WorkerOptions, WorkerStart, Workers };
