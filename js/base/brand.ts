/**
 * Brands: how one copy of this package recognises the classes of another copy in the same process.
 *
 * A brand stands on the prototype of its class, as an own property. A class that a user derives has none of its own: it is not
 * taken for ours.
 */
const BRAND = Symbol.for("knitting-native.brand");

const isOrdinaryInstance = Function.prototype[Symbol.hasInstance];

/** Brands a class by its name: `instanceof` also knows instances of the class of another copy then. */
export function brand(Class: { readonly name: string; readonly prototype: object }): void {
  Object.defineProperty(Class.prototype, BRAND, { value: Class.name });
  Object.defineProperty(Class, Symbol.hasInstance, {
    value(this: unknown, value: unknown): boolean {
      return isOrdinaryInstance.call(this, value) || (this === Class && isBranded(value, Class.name));
    },
  });
}

/** The brand that stands on a prototype itself. */
export function brandOf(prototype: object): string | undefined {
  const name: unknown = Object.getOwnPropertyDescriptor(prototype, BRAND)?.value;
  return typeof name === "string" ? name : undefined;
}

/** Whether a value is of a class with this brand, or of one that is derived from it. */
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
