/**
 * The errors of this package. Each has a stable `code`; each crosses a lane as the class it is. `instanceof` also knows those of
 * another copy of this package in the same process.
 */
import { brand } from "./brand";

/** What all errors of this package extend. */
export class KnittingError extends Error {
  /** A stable name for programs, such as `"KNITTING_POOL_CLOSED"`. */
  readonly code: string;

  /** @internal */
  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
    // Not enumerable, so that `code` is all that a log shows beside the message.
    Object.defineProperty(this, "name", {
      value: new.target.name,
      configurable: true,
      writable: true,
    });
  }
}

/** An option has a value it can't have, or a name that no option has. */
export class InvalidOptionError extends KnittingError {
  /** @internal */
  constructor(message: string, options?: ErrorOptions) {
    super("KNITTING_INVALID_OPTION", message, options);
  }
}

/** The pool was shut down: before the call, or while it was in flight. The message is `"Thread closed"`. */
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

/** More abortable calls are under way than `abortSignalCapacity` allows. */
export class AbortCapacityError extends KnittingError {
  /** @internal */
  constructor(capacity: number) {
    super(
      "KNITTING_ABORT_CAPACITY",
      `${capacity} calls of tasks with abortSignal are under way, as many as abortSignalCapacity allows`,
    );
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
  /** The command line, empty for a worker thread. */
  readonly argv: readonly string[];
  /** Exit status, if it exited. */
  readonly exitCode: number | null;
  /** Name of the signal that killed it, if one did. */
  readonly signal: string | null;
  /** The last 8 KiB that it wrote to stderr, empty for a worker thread. */
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

/** The worker that had the call died. Calls it had not started go to another worker and don't see this. */
export class WorkerCrashedError extends KnittingError {
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

/** The pool has killed the worker while it was running the call. The worker is replaced. */
export class WorkerKilledError extends KnittingError {
  /** Why: `"hardTimeout"`, a task ran longer than `worker.hardTimeoutMs`. */
  readonly reason: "hardTimeout";
  /** The task's name in the pool. */
  readonly task: string;

  /** @internal */
  constructor(message: string, reason: "hardTimeout", task: string) {
    super("KNITTING_WORKER_KILLED", message);
    this.reason = reason;
    this.task = task;
  }
}

/**
 * A task has called what would end its worker, such as `process.exit`. The call did nothing; unless the task catches this
 * error, it rejects the task's call, and the worker serves the next one.
 */
export class GuardedCallError extends KnittingError {
  /** @internal */
  constructor(message: string) {
    super("KNITTING_GUARDED", message);
  }
}

/** A worker wrote something into the shared memory that no honest worker writes. It was killed and replaced. */
export class ProtocolViolationError extends KnittingError {
  /** @internal */
  constructor(message: string) {
    super("KNITTING_PROTOCOL_VIOLATION", message);
  }
}

/** A value is larger than the option `payload.maxPayloadBytes` allows, or would take too much memory where it arrives. */
export class PayloadTooLargeError extends KnittingError {
  /** Bytes of the encoded value. */
  readonly byteLength: number;
  /** Bytes that would have been possible. */
  readonly maxByteLength: number;

  /** @internal */
  constructor(
    byteLength: number,
    maxByteLength: number,
    message = `the value takes ${byteLength} bytes, at most ${maxByteLength} are possible`,
  ) {
    super("KNITTING_PAYLOAD_TOO_LARGE", message);
    this.byteLength = byteLength;
    this.maxByteLength = maxByteLength;
  }
}

/**
 * A value holds something that can't be sent, or that the runtime it arrives in can't make, such as a `Float16Array` in
 * Node 20. `message` begins with its path: `$.user.callback is a function`. It rejects that call alone.
 */
export class UnsupportedPayloadError extends KnittingError {
  /** Where it stands inside the value: `"$"` is the value itself. */
  readonly path: string;

  /** @internal */
  constructor(path: string, reason: string, options?: ErrorOptions) {
    super("KNITTING_UNSUPPORTED_PAYLOAD", `${path} ${reason}`, options);
    this.path = path;
  }
}

/** Shared memory can't be had, or is there no more. */
export class SharedMemoryError extends KnittingError {
  /**
   * Why: the name `"exists"`, or what has it is `"missing"` or `"foreign"` (not memory, or not the memory that was meant); it has too
   * few bytes for that (`"size"`); it is `"closed"` here, `"lost"` since somebody has truncated it, `"unreachable"` for a worker whose
   * wrapper keeps no descriptor; the system has `"refused"`.
   */
  readonly reason: "exists" | "missing" | "foreign" | "size" | "closed" | "lost" | "unreachable" | "refused";

  /** @internal */
  constructor(reason: SharedMemoryError["reason"], message: string, options?: ErrorOptions) {
    super("KNITTING_SHARED_MEMORY", message, options);
    this.reason = reason;
  }
}

/** Nobody enforces a rule of the option `permission` for the pool's workers. `message` says why, and what to do. */
export class PermissionUnsupportedError extends KnittingError {
  /** The fields of the option that nobody enforces, such as `"net"`. */
  readonly rules: readonly string[];

  /** @internal */
  constructor(message: string, rules: readonly string[]) {
    super("KNITTING_PERMISSION_UNSUPPORTED", message);
    this.rules = rules;
  }
}

/** This package runs on Linux alone. */
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
