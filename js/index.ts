/**
 * A worker pool for Node.js over shared memory.
 *
 * @packageDocumentation
 */
import "./unbundled";

export { setModuleUrl } from "./caller";
export type { DebugNamespace } from "./debug";
export type { Task, TaskFunction } from "./definition";
export { Envelope, type EnvelopePayload, type Payload } from "./envelope";
export {
  AbortCapacityError,
  GuardedCallError,
  InvalidOptionError,
  KnittingError,
  PayloadTooLargeError,
  PermissionUnsupportedError,
  PoolClosedError,
  ProtocolViolationError,
  SharedMemoryError,
  TaskNotFoundError,
  TaskTimeoutError,
  UnsupportedPayloadError,
  UnsupportedPlatformError,
  WorkerBootError,
  WorkerCrashedError,
  WorkerKilledError,
} from "./errors";
export type { TaskStream } from "./lane/task-stream";
export type { TaskToolkit } from "./lane/toolkit";
export { isMain } from "./main";
export type { PoolOptions } from "./options";
export type { PoolPermissions } from "./permission/enforce";
export type { PermissionNeed } from "./permission/needs";
export type { EnvironmentPermission, PermissionOptions } from "./permission/options";
export type { Enforcer, PermissionRule } from "./permission/rules";
export type { AbortablePromise, CallOptions } from "./pool/call-options";
export type { CallPromise } from "./pool/call-promise";
export type { PoolEvents, PoolListener } from "./pool/events";
export type { WorkerInfo, WorkerStart } from "./pool/info";
export { createPool, type Pool, type TaskCall, type TaskPool, type Tasks, type Workers } from "./pool/pool";
export {
  type DefinedTask,
  type ImportDefinition,
  importTask,
  type TaskDefinition,
  type TaskOptions,
  task,
} from "./task";
export type { Timeout } from "./time-limit";
export type {
  BootstrapOptions,
  EnvironmentChoice,
  ResourceLimits,
  SharedMemoryOptions,
  TimerOptions,
  WorkerOptions,
} from "./worker-options";
