/**
 * A worker pool for Node.js over shared memory.
 *
 * @packageDocumentation
 */
export {
  GuardedCallError,
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
  WorkerKilledError,
} from "./errors";
export { isMain } from "./main";
export type { PoolOptions } from "./options";
export type { PoolEvents, PoolListener } from "./pool/events";
export type { WorkerInfo, WorkerStart } from "./pool/info";
export { createPool, type Pool, type TaskCall, type Tasks } from "./pool/pool";
export { importTask, type Payload, type Task, type TaskFunction, task } from "./task";
export type {
  EnvironmentChoice,
  ResourceLimits,
  SharedMemoryOptions,
  WorkerOptions,
} from "./worker-options";
