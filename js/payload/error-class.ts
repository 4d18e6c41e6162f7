/** The class that an error arrives as. */
import { brandOf } from "../base/brand";
import { KNITTING_ERRORS } from "../base/errors";

const BUILT_IN_ERRORS = [
  Error,
  TypeError,
  RangeError,
  SyntaxError,
  ReferenceError,
  EvalError,
  URIError,
  AggregateError,
] as const;

const CLASSES = [...BUILT_IN_ERRORS, ...Object.values(KNITTING_ERRORS)];
const CLASS_BY_PROTOTYPE = new Map<object, string>(CLASSES.map(({ prototype, name }) => [prototype, name]));
const PROTOTYPE_BY_CLASS = new Map<string, object>(CLASSES.map(({ prototype, name }) => [name, prototype]));
const BUILT_IN_NAMES = new Set<string>(BUILT_IN_ERRORS.map(({ name }) => name));

/** What an error of this class inherits from; `undefined` if that is no class that errors arrive as. */
export function errorPrototype(className: string): object | undefined {
  return PROTOTYPE_BY_CLASS.get(className);
}

/**
 * The class an error arrives as: its own if it is built in or ours, else `Error`. Classes that Node derives from built-in
 * ones and gives no name of their own count as what they are derived from: its `TypeError [ERR_INVALID_ARG_TYPE]` is one.
 */
export function errorClass(error: Error, name: string): string {
  const own: object | null = Object.getPrototypeOf(error);
  for (let prototype = own; prototype !== null; prototype = Object.getPrototypeOf(prototype)) {
    const found = CLASS_BY_PROTOTYPE.get(prototype) ?? brandedClass(prototype) ?? foreignClass(prototype);
    if (found !== undefined) {
      return prototype === own || found === name ? found : "Error";
    }
  }
  return "Error";
}

/** The name of the class of ours that has this prototype in another copy of this package. */
function brandedClass(prototype: object): string | undefined {
  const name = brandOf(prototype);
  return name !== undefined && PROTOTYPE_BY_CLASS.has(name) ? name : undefined;
}

/** The name of the built-in error class that has this prototype in another realm. */
function foreignClass(prototype: object): string | undefined {
  const make: unknown = Object.getOwnPropertyDescriptor(prototype, "constructor")?.value;
  if (typeof make !== "function") {
    return undefined;
  }
  // Names can be chosen; only what is built in has no source.
  const source = Function.prototype.toString.call(make);
  const name = /^function (\w+)\(\) \{ \[native code\] \}$/.exec(source)?.[1];
  return name !== undefined && BUILT_IN_NAMES.has(name) ? name : undefined;
}
