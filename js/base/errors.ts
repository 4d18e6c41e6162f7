/**
 * The errors of this package. Each has a stable `code`, and each keeps its class when it crosses a lane. `instanceof`
 * also recognises the errors of another copy of this package in the same process.
 */
import { brand } from "./brand";

/** The base class of all errors of this package. */
export class KnittingError extends Error {
  /** A stable identifier for programs, such as `"KNITTING_POOL_CLOSED"`. */
  readonly code: string;

  /** @internal */
  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
    // The name is not enumerable, so that a log shows only `code` beside the message.
    Object.defineProperty(this, "name", {
      value: new.target.name,
      configurable: true,
      writable: true,
    });
  }
}

/** An option has an invalid value, or no option has that name. */
export class InvalidOptionError extends KnittingError {
  /** @internal */
  constructor(message: string, options?: ErrorOptions) {
    super("KNITTING_INVALID_OPTION", message, options);
  }
}

/** The pool was shut down before the call or while the call was in flight. The message is `"Thread closed"`. */
export class PoolClosedError extends KnittingError {
  /** @internal */
  constructor() {
    super("KNITTING_POOL_CLOSED", "Thread closed");
  }
}

/** A task took longer than its `timeout`. The message is `"Task timeout"`. */
export class TaskTimeoutError extends KnittingError {
  /** @internal */
  constructor() {
    super("KNITTING_TASK_TIMEOUT", "Task timeout");
  }
}

/** More abortable calls are pending than `abortSignalCapacity` allows. */
export class AbortCapacityError extends KnittingError {
  /** @internal */
  constructor(capacity: number) {
    super(
      "KNITTING_ABORT_CAPACITY",
      `${capacity} calls of tasks with abortSignal are under way, as many as abortSignalCapacity allows`,
    );
  }
}

/** A call would have to wait, and as many calls, or as many bytes of arguments, wait as the pool's limits allow. */
export class QueueFullError extends KnittingError {
  /** The option that is the limit: `"maxQueueSize"` (calls) or `"maxQueueBytes"`. */
  readonly limit: "maxQueueSize" | "maxQueueBytes";
  /** The task's name in the pool. */
  readonly task: string;

  /** @internal */
  constructor(message: string, limit: QueueFullError["limit"], task: string) {
    super("KNITTING_QUEUE_FULL", message);
    this.limit = limit;
    this.task = task;
  }
}

/** A call has waited for a worker for as long as `workerPoolConfig.queueTimeout` allows. It was never sent. */
export class QueueTimeoutError extends KnittingError {
  /** The task's name in the pool. */
  readonly task: string;
  /** How long the call could wait, in milliseconds. */
  readonly queueTimeout: number;

  /** @internal */
  constructor(task: string, queueTimeout: number) {
    super(
      "KNITTING_QUEUE_TIMEOUT",
      `a call of task "${task}" has waited for a worker for workerPoolConfig.queueTimeout, which is ` +
        `${queueTimeout} milliseconds: allow more workers, shorter tasks or a longer wait`,
    );
    this.task = task;
    this.queueTimeout = queueTimeout;
  }
}

/** The module or the export of a task, or of `worker.bootstrap`, doesn't exist. */
export class TaskNotFoundError extends KnittingError {
  /** @internal */
  constructor(message: string, options?: ErrorOptions) {
    super("KNITTING_TASK_NOT_FOUND", message, options);
  }
}

/** A worker could not be started. `message` holds its command line and what it wrote to stderr. */
export class WorkerBootError extends KnittingError {
  /** The worker's command line; empty for a worker thread. */
  readonly argv: readonly string[];
  /** Exit status; `null` if the worker did not exit by itself. */
  readonly exitCode: number | null;
  /** Name of the signal that killed the worker; `null` if none did. */
  readonly signal: string | null;
  /** The last 8 KiB that the worker wrote to stderr. */
  readonly stderrTail: string;

  /** @internal */
  constructor(message: string, details: BootDetails = {}, options?: ErrorOptions) {
    super("KNITTING_WORKER_BOOT", message, options);
    this.argv = details.argv ?? [];
    this.exitCode = details.exitCode ?? null;
    this.signal = details.signal ?? null;
    this.stderrTail = details.stderrTail ?? "";
  }
}

/** @internal */
export interface BootDetails {
  argv?: readonly string[];
  exitCode?: number | null;
  signal?: string | null;
  stderrTail?: string;
}

/**
 * The worker that had the call died. A call that the worker had not started goes to another worker and doesn't reject
 * with this error.
 */
export class WorkerCrashedError extends KnittingError {
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

  /** @internal */
  constructor(message: string, details: CrashDetails, options?: ErrorOptions) {
    super("KNITTING_WORKER_CRASHED", message, options);
    this.exitCode = details.exitCode;
    this.signal = details.signal;
    this.pid = details.pid;
    this.stderrTail = details.stderrTail;
    this.task = details.task;
    this.started = details.started;
  }
}

/** @internal */
export interface CrashDetails {
  exitCode: number | null;
  signal: string | null;
  pid: number | null;
  stderrTail: string;
  task: string;
  started: boolean;
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
export type WorkerEndReason =
  | "natural"
  | "shutdown"
  | "crash"
  | "fatalError"
  | "hardTimeout"
  | "timeout"
  | "abort"
  | "memory"
  | "messages"
  | "executions"
  | "idle"
  | "recycled"
  | "killed";

/** Why the pool itself has replaced a worker. */
export type RecycleReason = Extract<
  WorkerEndReason,
  "hardTimeout" | "timeout" | "abort" | "memory" | "messages" | "executions" | "recycled" | "killed"
>;

/**
 * The pool killed the worker while it was running the call, or the worker's runtime ran out of memory. The worker is
 * replaced.
 */
export class WorkerKilledError extends KnittingError {
  /** Why the worker was killed. */
  readonly reason: RecycleReason | "idle";
  /** The task's name in the pool. */
  readonly task: string;

  /** @internal */
  constructor(message: string, reason: WorkerKilledError["reason"], task: string, options?: ErrorOptions) {
    super("KNITTING_WORKER_KILLED", message, options);
    this.reason = reason;
    this.task = task;
  }
}

/**
 * A task called a function that would end its worker, such as `process.exit`. The function did nothing. Unless the task
 * catches this error, its call rejects with it. The worker goes on to its next call.
 */
export class GuardedCallError extends KnittingError {
  /** @internal */
  constructor(message: string) {
    super("KNITTING_GUARDED", message);
  }
}

/**
 * A worker wrote something into the shared memory that a correct worker never writes. The worker was killed and
 * replaced.
 */
export class ProtocolViolationError extends KnittingError {
  /** @internal */
  constructor(message: string) {
    super("KNITTING_PROTOCOL_VIOLATION", message);
  }
}

/** What bounds the bytes of a value. */
const BOUND = "payload.maxPayloadBytes, which is payload.payloadMaxByteLength unless it is set";

/**
 * A value is larger than the option `payload.maxPayloadBytes` allows, or would take too much memory when it is decoded.
 */
export class PayloadTooLargeError extends KnittingError {
  /** Bytes of the encoded value. */
  readonly byteLength: number;
  /** Largest allowed number of bytes. */
  readonly maxByteLength: number;

  /** @internal */
  constructor(
    byteLength: number,
    maxByteLength: number,
    message = `the value takes ${byteLength} bytes, at most ${maxByteLength} are possible: ${BOUND}`,
  ) {
    super("KNITTING_PAYLOAD_TOO_LARGE", message);
    this.byteLength = byteLength;
    this.maxByteLength = maxByteLength;
  }
}

/**
 * A value contains something that can't be sent, or that the receiving runtime can't create, such as a `Float16Array`
 * in Node 20. `message` begins with the path of that part, and names the task:
 * `$.user.callback is a function (argument of task "save")`. Only this call rejects.
 */
export class UnsupportedPayloadError extends KnittingError {
  /** Path of the part that can't be sent. `"$"` is the value itself. */
  readonly path: string;

  /** @internal */
  constructor(path: string, reason: string, options?: ErrorOptions) {
    super("KNITTING_UNSUPPORTED_PAYLOAD", `${path} ${reason}`, options);
    this.path = path;
  }
}

/** Shared memory can't be created, opened or used. */
export class SharedMemoryError extends KnittingError {
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

  /** @internal */
  constructor(reason: SharedMemoryError["reason"], message: string, options?: ErrorOptions) {
    super("KNITTING_SHARED_MEMORY", message, options);
    this.reason = reason;
  }
}

/** A rule of the option `permission` can't be enforced for the pool's workers. `message` says why, and what to do. */
export class PermissionUnsupportedError extends KnittingError {
  /** The fields of the option that can't be enforced, such as `"net"`. */
  readonly rules: readonly string[];

  /** @internal */
  constructor(message: string, rules: readonly string[]) {
    super("KNITTING_PERMISSION_UNSUPPORTED", message);
    this.rules = rules;
  }
}

/**
 * This package can't run here: the system is not Linux, the host runs on Bun or Deno, the native parts for the platform
 * are missing or can't be executed, the package was bundled, or it runs under Yarn's Plug'n'Play.
 */
export class UnsupportedPlatformError extends KnittingError {
  /** @internal */
  constructor(message: string, options?: ErrorOptions) {
    super("KNITTING_UNSUPPORTED_PLATFORM", message, options);
  }
}

/** @internal The classes that keep their identity when they cross a lane. */
export const KNITTING_ERRORS = {
  KnittingError,
  InvalidOptionError,
  PoolClosedError,
  TaskTimeoutError,
  AbortCapacityError,
  QueueFullError,
  QueueTimeoutError,
  TaskNotFoundError,
  WorkerBootError,
  WorkerCrashedError,
  WorkerKilledError,
  GuardedCallError,
  ProtocolViolationError,
  PayloadTooLargeError,
  UnsupportedPayloadError,
  SharedMemoryError,
  PermissionUnsupportedError,
  UnsupportedPlatformError,
} as const;

for (const Class of Object.values(KNITTING_ERRORS)) {
  brand(Class);
}
