/**
 * Deno's modules of Node export the functions that they were made with: what is put in their place on the object `process`
 * does not reach `import { abort } from "node:process"`, and `syncBuiltinESMExports` does nothing. So that import is led to a
 * module in front of it, which exports what the object has.
 *
 * `require`, `process` without any import, and a module's default export give the object itself.
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

/** The module in front of each. */
const fronts = new Map<string, string>();

/** Has imports of a module, such as `node:process`, get what its default export has by these names now. */
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
