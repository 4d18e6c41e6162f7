/**
 * A worker pool for Node.js over shared memory.
 *
 * @packageDocumentation
 */
export {
  InvalidOptionError,
  KnittingError,
  PayloadTooLargeError,
  PoolClosedError,
  ProtocolViolationError,
  TaskNotFoundError,
  UnsupportedPayloadError,
  UnsupportedPlatformError,
  WorkerBootError,
  WorkerCrashedError,
} from "./errors";
export { isMain } from "./main";
export type { PoolOptions, WorkerOptions } from "./options";
export { createPool, type Pool, type TaskCall, type Tasks } from "./pool/pool";
export { importTask, type Payload, type Task, type TaskFunction, task } from "./task";
