/** The class that a decoded error has. */
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

/** The prototype of a decoded error of this class; `undefined` if errors are never decoded as that class. */
export function errorPrototype(className: string): object | undefined {
  return PROTOTYPE_BY_CLASS.get(className);
}

/**
 * The class that an error has after decoding: its own class if that is built in or one of this package's, otherwise
 * `Error`. Classes that Node derives from built-in ones without a name of their own count as their base class: its
 * `TypeError [ERR_INVALID_ARG_TYPE]` is a `TypeError`.
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

/** The name of this package's class that has this prototype in another copy of the package. */
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
  // Anybody can choose a name, but only built-in classes have no source.
  const source = Function.prototype.toString.call(make);
  const name = /^function (\w+)\(\) \{ \[native code\] \}$/.exec(source)?.[1];
  return name !== undefined && BUILT_IN_NAMES.has(name) ? name : undefined;
}
