/**
 * The public names as a worker has them: a task's module imports `knitting-native` too. What defines a task works as in the host;
 * a pool is refused.
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
  SharedMemoryError,
  TaskNotFoundError,
  TaskTimeoutError,
  UnsupportedPayloadError,
  UnsupportedPlatformError,
  WorkerBootError,
  WorkerCrashedError,
  WorkerKilledError,
} from "../base/errors";
export { isMain } from "../base/side";
export { Envelope } from "../payload/value";
export { setModuleUrl } from "../task/caller";

export function task(definition: unknown): Task {
  return defined(defineLocal(definition));
}

export function importTask(definition: unknown): Task {
  return defined(defineImported(definition));
}

/** What the options ask for, a worker may not even be able to look up: they are not checked. */
export function createPool(): () => never {
  return refuse;
}

function defined(definition: Definition): Task {
  return carry(definition, { createPool: refuse });
}

/**
 * Workers have no pools of their own: a module that creates one as it is imported would make each worker import it again,
 * without end. From here a running task looks no different.
 */
function refuse(): never {
  throw new KnittingError(
    "KNITTING_POOL_IN_WORKER",
    "createPool was called in a worker of a pool, and workers have no pools of their own. A worker imports the module of its tasks: put what is meant for the host behind `if (isMain)`",
  );
}
