/**
 * Whether this is the host. A worker's entry sets the mark before it imports anything else, on its own `globalThis`: a
 * vitest worker, a cluster child or a thread of somebody else's is therefore a host like any other.
 */

import { MARK } from "./mark";

/**
 * `true` in your program, `false` in the workers of a pool.
 *
 * A worker imports the module that defines its tasks, so what only the host should do stands behind it:
 *
 * ```js
 * if (isMain) {
 *   using pool = createPool({ threads: 2 })({ add });
 * }
 * ```
 */
export const isMain: boolean = !(MARK in globalThis);
