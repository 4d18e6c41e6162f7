/**
 * Brands, by which one copy of this package recognises the classes of another copy in the same process.
 *
 * A brand is an own property of a class's prototype. A class that a user derives has no brand of its own, so it is not
 * mistaken for a class of this package.
 */
const BRAND = Symbol.for("knitting-native.brand");

const isOrdinaryInstance = Function.prototype[Symbol.hasInstance];

/** Brands a class with its name, so that `instanceof` also recognises instances of the same class of another copy. */
export function brand(Class: { readonly name: string; readonly prototype: object }): void {
  Object.defineProperty(Class.prototype, BRAND, { value: Class.name });
  Object.defineProperty(Class, Symbol.hasInstance, {
    value(this: unknown, value: unknown): boolean {
      return isOrdinaryInstance.call(this, value) || (this === Class && isBranded(value, Class.name));
    },
  });
}

/** The brand that is an own property of a prototype. */
export function brandOf(prototype: object): string | undefined {
  const name: unknown = Object.getOwnPropertyDescriptor(prototype, BRAND)?.value;
  return typeof name === "string" ? name : undefined;
}

/** Whether a value is an instance of a class with this brand, or of a class derived from it. */
function isBranded(value: unknown, name: string): boolean {
  if (typeof value !== "object" || value === null) {
    return false;
  }
  for (
    let prototype = Object.getPrototypeOf(value);
    prototype !== null;
    prototype = Object.getPrototypeOf(prototype)
  ) {
    if (brandOf(prototype) === name) {
      return true;
    }
  }
  return false;
}
