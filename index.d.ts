// Written by scripts/types.mjs. The sources are in js/.

// For `using`, where a project's own libraries don't bring it.
/// <reference lib="esnext.disposable" />

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
/** A task's module or export doesn't exist. */
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
/** A worker wrote something into the shared memory that no honest worker writes. It was killed and replaced. */
declare class ProtocolViolationError extends KnittingError {
}
/** A value is larger than what its direction of the lane can ever hold. */
declare class PayloadTooLargeError extends KnittingError {
    /** Bytes of the encoded value. */
    readonly byteLength: number;
    /** Bytes that would have been possible. */
    readonly maxByteLength: number;
}
/** A value holds something that can't be sent. `message` begins with its path: `$.user.callback is a function`. */
declare class UnsupportedPayloadError extends KnittingError {
    /** Where it stands inside the value: `"$"` is the value itself. */
    readonly path: string;
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

/** What `createPool` takes. */
interface PoolOptions {
    /** Number of workers, from 1 to 1024. Default 1. */
    threads?: number | undefined;
    /** How calls are spread over the workers: one after the other. */
    balancer?: "roundRobin" | {
        strategy: "roundRobin";
    } | undefined;
    /** What the workers are. */
    worker?: WorkerOptions | undefined;
    /** What the workers may do: anything, `"unsafe"`, which is also what happens without it. */
    permission?: "unsafe" | undefined;
}
/** What the workers of a pool are. */
interface WorkerOptions {
    /**
     * `"thread"`: a worker thread of this process, least overhead. `"process"`: a process of its own, whose crash, memory
     * and exit are its own. Default `"thread"`.
     */
    runtime?: "thread" | "process" | undefined;
    /** The runtime of a process worker. Only `"node"` so far, and it must be named. */
    processRuntime?: "node" | undefined;
}

/** What may be sent to a task and returned from it. Functions, symbols and class instances may not. */
type Payload = undefined | null | boolean | number | bigint | string | Date | Error | ArrayBuffer | ArrayBufferView | readonly Payload[] | {
    readonly [key: string]: Payload;
};
/** A function that runs in a worker: one argument in, one value out, either may be missing. */
type TaskFunction = (argument: any) => unknown;
/** Carries a task's signature from `task` and `importTask` to `pool.call`. For types alone: no value has it. */
declare const SIGNATURE: unique symbol;
/** What `task` and `importTask` return: export it and put it among a pool's tasks. */
interface Task<Argument = unknown, Result = unknown> {
    readonly [SIGNATURE]: (argument: Argument) => Result;
}
/**
 * Defines a task by its function. Export the result under the name it has in the pool: a worker imports this module and
 * takes the export of that name.
 *
 * @example
 * export const double = task({ f: (x: number) => x * 2 });
 */
declare function task<Argument = void, Result = unknown>(definition: {
    /** The function. It runs in a worker and sees that worker's module, not the host's. */
    f: (argument: Argument) => Result;
}): Task<Argument, Result>;
/**
 * Names a task without importing it: the host never evaluates the module, only workers do.
 *
 * @example
 * export const add = importTask<[number, number], number>({ href: "./worker-tasks.js", name: "add" });
 */
declare function importTask<Argument = void, Result = unknown>(definition: {
    /** The module: relative to the calling one, an absolute path, or a `file:` or `data:` URL. */
    href: string | URL;
    /** The export, `"default"` where nothing is said. */
    name?: string | undefined;
}): Task<Argument, Result>;

/** The tasks of a pool, by the names under which their modules export them. */
type Tasks = Readonly<Record<string, TaskFunction | Task<never, unknown>>>;
/** The argument of a task, `undefined` where it takes none. */
type ArgumentOf<T> = T extends Task<infer Argument, unknown> ? Argument : T extends (...parameters: infer Parameters) => unknown ? Parameters extends [] ? undefined : Parameters[0] : never;
type ResultOf<T> = T extends Task<never, infer Result> ? Awaited<Result> : T extends (argument: never) => infer Result ? Awaited<Result> : never;
/** How a task is called: with its argument or a promise of it, or without where it takes none. */
type TaskCall<T> = unknown extends ArgumentOf<T> ? (argument?: unknown) => Promise<ResultOf<T>> : [
    ArgumentOf<T>
] extends [void] ? () => Promise<ResultOf<T>> : undefined extends ArgumentOf<T> ? (argument?: ArgumentOf<T> | Promise<ArgumentOf<T>>) => Promise<ResultOf<T>> : (argument: ArgumentOf<T> | Promise<ArgumentOf<T>>) => Promise<ResultOf<T>>;
/** A number of workers that run tasks. An idle pool doesn't keep the process alive; a pending call does. */
interface Pool<T extends Tasks> {
    /**
     * The tasks: `pool.call.add([1, 2])` runs `add` in a worker. The argument is copied when you call, the result when it
     * arrives. Rejects with what the task throws, `WorkerCrashedError`, `PoolClosedError`, `UnsupportedPayloadError` or
     * `PayloadTooLargeError`.
     */
    readonly call: {
        readonly [Name in keyof T]: TaskCall<T[Name]>;
    };
    /**
     * Ends the workers. Calls in flight and later ones reject with `PoolClosedError`. Resolves when every thread and
     * process of the pool is gone.
     */
    shutdown(): Promise<void>;
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
 * @throws InvalidOptionError, TaskNotFoundError if a task can't be found for sure, UnsupportedPlatformError.
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

export { InvalidOptionError, KnittingError, PayloadTooLargeError, PoolClosedError, ProtocolViolationError, TaskNotFoundError, UnsupportedPayloadError, UnsupportedPlatformError, WorkerBootError, WorkerCrashedError, createPool, importTask, isMain, task };
export type { Payload, Pool, PoolOptions, Task, TaskCall, TaskFunction, Tasks, WorkerOptions };
