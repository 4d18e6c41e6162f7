/**
 * Deno's module `node:process` exports the functions that it was made with: what is put in their place on the object
 * `process` does not reach `import { abort } from "node:process"`, and `syncBuiltinESMExports` does nothing. So that import is
 * led to a module in front of it, which exports what the object has.
 *
 * `require`, and `process` without any import, give the object itself.
 */
import * as nodeModule from "node:module";

/** Of Node 22.15 and later, and of Deno; younger than the types here. */
interface Resolved {
  url: string;
  shortCircuit?: boolean;
  format?: string;
}
interface Context {
  conditions: readonly string[];
  parentURL?: string;
}
type Resolve = (
  specifier: string,
  context: Context,
  next: (specifier: string, context: Context) => Resolved,
) => Resolved;
const { registerHooks } = nodeModule as { registerHooks?: (hooks: { resolve: Resolve }) => void };

/** Those of the guarded functions that the module exports. */
const SOURCE = `import process from "node:process";
export * from "node:process";
export default process;
export const { abort, exit, kill } = process;
`;
const FRONT = `data:text/javascript,${encodeURIComponent(SOURCE)}`;

export function guardDenoProcessModule(): void {
  registerHooks?.({
    resolve(specifier, context, next) {
      const resolved = next(specifier, context);
      const isGuarded =
        resolved.url === "node:process" &&
        context.conditions.includes("import") &&
        context.parentURL !== FRONT;
      return isGuarded ? { url: FRONT, shortCircuit: true, format: "module" } : resolved;
    },
  });
}
