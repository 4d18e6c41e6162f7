/** The public function `createPool`. */
import { preparePool } from "../pool/create-pool";
import type { PoolOptions } from "../pool/options";
import type { Pool, Tasks } from "../pool/types";
import { callerFile } from "../task/caller";

/**
 * Creates a pool. The first call takes the options, the second the tasks: `createPool(options)({ add })`.
 *
 * `createPool` returns at once. The workers start in the background, and calls wait until a worker is ready. A task is
 * an exported function: each worker imports the module that called `createPool` and takes the export that has the
 * task's name in `tasks`. `task` and `importTask` can name another module or export.
 *
 * @throws InvalidOptionError
 * @throws TaskNotFoundError if it is certain that a task can't be found
 * @throws PermissionUnsupportedError if a rule of `permission` can't be enforced
 * @throws UnsupportedPlatformError
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
  return function createWith(tasks) {
    return create(tasks, () => callerFile(createWith)) as unknown as Pool<typeof tasks>;
  };
}
