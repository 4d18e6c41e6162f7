/** Creating a pool. */
import { preparePool } from "../pool/create-pool";
import type { PoolOptions } from "../pool/options";
import type { Pool, Tasks } from "../pool/types";
import { callerFile } from "../task/caller";

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
export function createPool(options: PoolOptions = {}): <T extends Tasks>(tasks: T) => Pool<T> {
  const create = preparePool(options);
  return (tasks) => create(tasks, callerFile()) as unknown as Pool<typeof tasks>;
}
