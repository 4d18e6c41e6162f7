/**
 * Deno's Node modules export the functions with which they were created: a replacement on the object `process` doesn't
 * reach `import { abort } from "node:process"`, and `syncBuiltinESMExports` does nothing. So that import is redirected
 * to a front module, which exports what the object has.
 *
 * `require`, `process` without any import, and a module's default export give the object itself.
 */

/** In Node 22.15 and later, and in Deno; the installed types don't have it. */
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
const { registerHooks } = require("node:module") as {
  registerHooks?: (hooks: { resolve: Resolve }) => void;
};

/** The front module of each module. */
const fronts = new Map<string, string>();

/** Makes imports of a module, such as `node:process`, get what its default export now has under these names. */
export function exportFromObject(module: string, names: readonly string[]): void {
  if (fronts.size === 0) {
    registerHooks?.({ resolve });
  }
  const source = `import object from "${module}";
export * from "${module}";
export default object;
export const { ${names.join(", ")} } = object;
`;
  fronts.set(module, `data:text/javascript,${encodeURIComponent(source)}`);
}

const resolve: Resolve = (specifier, context, next) => {
  const resolved = next(specifier, context);
  const front = fronts.get(resolved.url);
  const isLed = front !== undefined && context.conditions.includes("import") && context.parentURL !== front;
  return isLed ? { url: front, shortCircuit: true, format: "module" } : resolved;
};
