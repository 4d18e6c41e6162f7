/**
 * The public names as a worker has them, since a task's module imports `knitting-native` too. Functions that define a
 * task work as in the host; a pool is refused.
 */
import { KnittingError } from "../base/errors";
import { defineImported, defineLocal } from "../task/define";
import { carry, type Definition, type Task } from "../task/definition";

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
  SharedMemoryError,
  TaskNotFoundError,
  TaskTimeoutError,
  UnsupportedPayloadError,
  UnsupportedPlatformError,
  WorkerBootError,
  WorkerCrashedError,
  WorkerKilledError,
} from "../base/errors";
export { WorkerPoolPresets } from "../base/presets";
export { isMain, workerInfo } from "../base/side";
export { Envelope } from "../payload/value";
export { setModuleUrl } from "../task/caller";

export function task(definition: unknown): Task {
  return defined(defineLocal(definition));
}

export function importTask(definition: unknown): Task {
  return defined(defineImported(definition));
}

/** The options are not validated, because a worker may not even be allowed to look up what they name. */
export function createPool(): () => never {
  return refuse;
}

function defined(definition: Definition): Task {
  return carry(definition, { createPool: refuse });
}

/**
 * Workers can't create pools. A module that creates one when it is imported would make each worker import it again,
 * without end. A running task can't be told apart from that here.
 */
function refuse(): never {
  throw new KnittingError(
    "KNITTING_POOL_IN_WORKER",
    "createPool was called in a worker of a pool, and workers have no pools of their own. A worker " +
      "imports the module of its tasks: put what is meant for the host behind `if (isMain)`",
  );
}
