/**
 * Guards the functions that end the worker, and with it the calls of others. They throw instead, and the worker lives
 * on.
 *
 * The guards are a guardrail against accidents, such as a library that calls `process.exit` when it dislikes its input.
 * They are no security boundary: code that means to end its worker can do so, by a child that kills it, a native
 * module, `process.binding`, a debugger, or an endless loop. The boundary is the process. Threads and processes that a
 * task has started itself have no guards.
 *
 * - `process.exitCode` and the events `exit` and `beforeExit` are unchanged.
 * - Signal 0 is allowed: it kills nobody and only asks whether a process exists. Every other signal is refused, also
 *   for another process, because nobody can tell which process a number or a group stands for. A child has its own
 *   `kill()`.
 * - A worker that is already exiting is let go: a runtime's own `process.exit` goes through `process.reallyExit` (in
 *   Deno through `Deno.exit` too), and a listener of `exit` may choose the status.
 * - An exception from a timer or a listener is uncaught, even if a guard has thrown it. It still ends the worker, with
 *   the message.
 */
import { syncBuiltinESMExports } from "node:module";
import { GuardedCallError } from "../base/errors";
import { tellOfDeniedSockets } from "./denied-sockets";
import { tellOfDeniedPrograms } from "./deno/denied-programs";
import { exportFromObject } from "./deno/modules";

/** Whether a call that would be refused is harmless in this case. */
type Exception = (args: readonly unknown[]) => boolean;

const never: Exception = () => false;
const whenLeaving: Exception = () => (process as { _exiting?: unknown })._exiting === true;
const asProbe: Exception = ([, signal]) => signal === 0;

const { Deno: deno } = globalThis as { Deno?: object };

/**
 * Installs the guards. Must be called once, after all code of this package has taken the real functions that it needs.
 */
export function installGuards(): void {
  guard(process, "process.", {
    exit: whenLeaving,
    reallyExit: whenLeaving,
    abort: never,
    // Replaces this program with another.
    execve: never,
    kill: asProbe,
    _kill: asProbe,
  });
  // What imports from `node:process` and `node:os` get in Node and Bun.
  syncBuiltinESMExports();
  tellOfDeniedSockets();
  if (deno !== undefined) {
    guard(deno, "Deno.", { exit: whenLeaving, kill: asProbe });
    // Ends the process in Deno, as it closes the window in a browser.
    guard(globalThis, "", { close: never });
    exportFromObject("node:process", ["abort", "exit", "kill"]);
    tellOfDeniedPrograms();
  }
}

function guard(owner: object, prefix: string, exceptions: Readonly<Record<string, Exception>>): void {
  const functions = owner as Record<string, unknown>;
  for (const [name, isHarmless] of Object.entries(exceptions)) {
    const original = functions[name];
    if (typeof original === "function") {
      const guarded = {
        [name](...args: unknown[]): unknown {
          if (isHarmless(args)) {
            return Reflect.apply(original, owner, args);
          }
          throw new GuardedCallError(message(prefix + name));
        },
      };
      fix(functions, name, guarded[name]);
    }
  }
}

/**
 * Defines a property that can't be changed back. Assignments are ignored, not refused: signal-exit, which many packages
 * use, assigns a function of its own to `process.reallyExit`, and would throw.
 */
function fix(owner: object, name: string, value: unknown): void {
  const enumerable = Object.getOwnPropertyDescriptor(owner, name)?.enumerable ?? false;
  Object.defineProperty(owner, name, { get: () => value, set() {}, enumerable, configurable: false });
}

function message(name: string): string {
  const child = name.endsWith("kill") ? ". A process that the task has started has its own kill()" : "";
  return (
    `${name}() is guarded in a worker, which has other calls to serve: to end this call, return or ` +
    `throw; to end the worker, shut the pool down in the host${child}`
  );
}
