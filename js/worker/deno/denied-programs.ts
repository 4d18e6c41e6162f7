/**
 * For a program that Deno's flags deny, `spawnSync` of `node:child_process` returns an empty object, and `execFileSync`
 * and `execSync` throw without a reason. With these replacements they report Deno's own error, as `spawn` and
 * `execFile` do.
 */
import { exportFromObject } from "./modules";
import { isLimited } from "./permissions";

type Start = (program: unknown, ...rest: unknown[]) => unknown;

const { errors } =
  (globalThis as { Deno?: { errors?: { NotCapable?: new (message: string) => Error } } }).Deno ?? {};

/** Installs the replacements; must be called once, in Deno. Does nothing if all programs are allowed. */
export function tellOfDeniedPrograms(): void {
  if (!isLimited("run")) {
    return;
  }
  const module = require("node:child_process") as Record<string, Start>;
  const { spawnSync, execFileSync, execSync } = module;
  Object.assign(module, {
    spawnSync(program: unknown, ...rest: unknown[]): unknown {
      const result = spawnSync(program, ...rest) as { error?: Error };
      return isEmpty(result) ? Object.assign(result, { error: denial(program) }) : result;
    },
    execFileSync: telling(execFileSync),
    execSync: telling(execSync),
  });
  exportFromObject("node:child_process", ["spawnSync", "execFileSync", "execSync"]);
}

function telling(start: Start): Start {
  return (program, ...rest) => {
    try {
      return start(program, ...rest);
    } catch (error) {
      throw isEmpty(error as Error) ? denial(program) : error;
    }
  };
}

/** Whether the result has neither the program's end nor the error that kept it from starting. */
function isEmpty(outcome: object): boolean {
  return Object.keys(outcome).length === 0;
}

function denial(program: unknown): Error {
  const { NotCapable = Error } = errors ?? {};
  return new NotCapable(
    `Requires run access to "${program}", which the pool's option "permission" does not allow`,
  );
}
