/**
 * Tells whether this code runs in the host. A worker's entry sets the mark on its own `globalThis` before it imports
 * anything else. A vitest worker, a cluster child or a worker thread of another library is therefore a host like any
 * other.
 */

import { MARK } from "./mark";

/**
 * `true` in your program, `false` in the workers of a pool.
 *
 * A worker imports the module that defines its tasks. Put code that only the host should run behind this condition:
 *
 * ```js
 * if (isMain) {
 *   using pool = createPool({ threads: 2 })({ add });
 * }
 * ```
 */
export const isMain: boolean = !(MARK in globalThis);
