/**
 * Removes the data with which a process worker was started, before any task runs. The addon has removed the variables
 * from the C library's environment and overwritten the block that `/proc/self/environ` shows. The runtimes' own copies
 * are left.
 *
 * Bun has a copy that JavaScript can't write, and passes it to what `Bun.spawn` starts without an `env`
 * (`node:child_process` and the shell use `process.env`). This module can't reach `Bun.build({ env: "inline" })`, nor
 * `Bun.spawn` in a thread that a task has started itself.
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

/** The same function, but with `process.env` as the default for `env`, as Bun documents it. */
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
