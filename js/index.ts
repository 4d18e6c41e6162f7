/**
 * A worker pool for Node.js over shared memory.
 *
 * @packageDocumentation
 */
import "./api/unbundled";

export { createPool } from "./api/create-pool";
export type { DefinedTask, TaskOptions } from "./api/defined-task";
export { type ImportDefinition, importTask } from "./api/import-task";
export { type TaskDefinition, task } from "./api/task";
export type { DebugNamespace } from "./base/debug-log";
export {
  AbortCapacityError,
  GuardedCallError,
  InvalidOptionError,
  KnittingError,
  PayloadTooLargeError,
  PermissionUnsupportedError,
  PoolClosedError,
  ProtocolViolationError,
  QueueFullError,
  QueueTimeoutError,
  type RecycleReason,
  SharedMemoryError,
  TaskNotFoundError,
  TaskTimeoutError,
  UnsupportedPayloadError,
  UnsupportedPlatformError,
  WorkerBootError,
  WorkerCrashedError,
  type WorkerEndReason,
  WorkerKilledError,
} from "./base/errors";
export { type WorkerPoolPreset, WorkerPoolPresets } from "./base/presets";
export { isMain, type WorkerIdentity, workerInfo } from "./base/side";
export type { AbortablePromise, CallOptions } from "./call/options";
export type { CallPromise } from "./call/promise";
export { Envelope, type EnvelopePayload, type Payload } from "./payload/value";
export type { PoolPermissions } from "./permission/enforce";
export type { PermissionNeed } from "./permission/needs";
export type { EnvironmentPermission, PermissionOptions } from "./permission/options";
export type { Enforcer, PermissionRule } from "./permission/rules";
export type { WorkerPoolConfig } from "./pool/config";
export type { PoolEvents, PoolListener } from "./pool/events";
export type { PoolOptions } from "./pool/options";
export type { PoolStats, WorkerStats } from "./pool/stats";
export type { Pool, ShutdownResult, TaskCall, TaskPool, Tasks, Workers } from "./pool/types";
export type {
  BootstrapOptions,
  EnvironmentChoice,
  ResourceLimits,
  SharedMemoryOptions,
  TeardownOptions,
  TimerOptions,
  WorkerOptions,
} from "./runtime/options";
export type { WorkerInfo, WorkerStart } from "./runtime/worker-info";
export type { TaskStream } from "./stream/task-stream";
export { setModuleUrl } from "./task/caller";
export type { Task, TaskFunction } from "./task/definition";
export type { Timeout } from "./task/time-limit";
export type { TaskToolkit } from "./task/toolkit";
