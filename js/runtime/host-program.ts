/** What runs this process, the host of its pools: it must be Node. */
import { UnsupportedPlatformError } from "../base/errors";

/** Other runtimes by their names in `process.versions`. They say there that they are Node as well. */
const OTHERS = { bun: "Bun", deno: "Deno" };

/**
 * Throws in a runtime other than Node. Threads of Bun and Deno ignore the flags that keep a worker within its
 * permissions, so the pool would claim what nobody enforces.
 */
export function assertNodeHost(): void {
  for (const [key, name] of Object.entries(OTHERS)) {
    const version = process.versions[key];
    if (version !== undefined) {
      throw new UnsupportedPlatformError(
        `createPool: the host of a pool runs on Node, and this is ${name} ${version}. Start this program ` +
          `with Node 20.9 or later; its workers can run on ${name}: worker: { runtime: "process", ` +
          `processRuntime: "${key}" }`,
      );
    }
  }
}
