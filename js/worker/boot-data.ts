/**
 * Forgetting what a process worker was started with, before any task runs. The addon has taken the variables out of the C
 * library's environment and overwritten the block that `/proc/self/environ` shows; what is left are the runtimes' own copies.
 *
 * Bun has one that JavaScript can't write, and gives it to what `Bun.spawn` starts without an `env` (`node:child_process` and
 * the shell go by `process.env`). Out of reach are `Bun.build({ env: "inline" })`, and `Bun.spawn` in a thread that a task has
 * started itself.
 */
import { BOOT_VARIABLES } from "../task/program";

type Spawn = (...args: unknown[]) => unknown;

const { Bun: bun } = globalThis as { Bun?: Record<"spawn" | "spawnSync", Spawn> };

export function forgetBootData(): void {
  for (const name of BOOT_VARIABLES) {
    delete process.env[name];
  }
  if (bun !== undefined) {
    bun.spawn = withEnvironment(bun.spawn);
    bun.spawnSync = withEnvironment(bun.spawnSync);
  }
}

/** The same function, but without an `env` it is `process.env`: what Bun documents. */
function withEnvironment(spawn: Spawn): Spawn {
  return (...args) => {
    // The command is the first argument, or one of the options.
    const at = Array.isArray(args[0]) ? 1 : 0;
    const options = args[at] as { env?: unknown } | undefined;
    if (at === 1 || typeof options === "object") {
      args[at] = { ...options, env: options?.env ?? process.env };
    }
    return spawn(...args);
  };
}
