/** Whether a value has come back as it was sent. */

/**
 * Whether two values are equal in class and structure: by Object.is in the leaves, with holes as holes, and in the
 * parts of errors that are not enumerable. Two places with the same object on one side must have the same object on the
 * other side too. Node's own comparison takes two invalid dates for different ones, and ignores object identity.
 */
export function same(actual: unknown, expected: unknown): boolean {
  return new Comparison().same(actual, expected);
}

class Comparison {
  /** The object that corresponds to each object. */
  readonly #actuals = new Map<object, object>();
  readonly #expecteds = new Map<object, object>();
  readonly #binaries: { actual: Uint8Array; expected: Uint8Array }[] = [];

  same(actual: unknown, expected: unknown): boolean {
    if (typeof expected !== "object" || expected === null || typeof actual !== "object" || actual === null) {
      return Object.is(actual, expected);
    }
    if (this.#expecteds.has(actual) || this.#actuals.has(expected)) {
      return this.#expecteds.get(actual) === expected && this.#actuals.get(expected) === actual;
    }
    this.#expecteds.set(actual, expected);
    this.#actuals.set(expected, actual);
    return Object.getPrototypeOf(actual) === Object.getPrototypeOf(expected) && this.#alike(actual, expected);
  }

  #alike(actual: object, expected: object): boolean {
    if (expected instanceof Date) {
      return Object.is((actual as Date).getTime(), expected.getTime());
    }
    if (expected instanceof RegExp) {
      const { source, flags, lastIndex } = actual as RegExp;
      return source === expected.source && flags === expected.flags && lastIndex === expected.lastIndex;
    }
    if (expected instanceof ArrayBuffer || ArrayBuffer.isView(expected)) {
      return this.#showSame(bytesOf(actual as ArrayBuffer), bytesOf(expected));
    }
    if (expected instanceof Map) {
      return this.#inOrder([...(actual as Map<unknown, unknown>)].flat(), [...expected].flat());
    }
    if (expected instanceof Set) {
      return this.#inOrder([...(actual as Set<unknown>)], [...expected]);
    }
    const keys = expected instanceof Error ? ERROR_KEYS.filter((key) => Object.hasOwn(expected, key)) : [];
    keys.push(...Object.keys(expected));
    const [actuals, expecteds] = [actual, expected] as Record<string, unknown>[];
    return (
      Object.keys(actual).length === Object.keys(expected).length &&
      (!Array.isArray(expected) || (actual as unknown[]).length === expected.length) &&
      keys.every((key) => Object.hasOwn(actuals, key) && this.same(actuals[key], expecteds[key]))
    );
  }

  /** Whether two views show the same bytes, and the same memory wherever others show some of it. */
  #showSame(actual: Uint8Array, expected: Uint8Array): boolean {
    const met = this.#binaries.filter((other) => overlap(other.expected, expected));
    this.#binaries.push({ actual, expected });
    return (
      Buffer.compare(actual, expected) === 0 &&
      met.every(
        (other) =>
          other.actual.buffer === actual.buffer &&
          other.actual.byteOffset - actual.byteOffset === other.expected.byteOffset - expected.byteOffset,
      )
    );
  }

  #inOrder(actuals: readonly unknown[], expecteds: readonly unknown[]): boolean {
    return (
      actuals.length === expecteds.length &&
      expecteds.every((expected, index) => this.same(actuals[index], expected))
    );
  }
}

const ERROR_KEYS = ["message", "stack", "cause", "errors"];

function overlap(a: Uint8Array, b: Uint8Array): boolean {
  return (
    a.buffer === b.buffer &&
    a.byteLength > 0 &&
    b.byteLength > 0 &&
    a.byteOffset < b.byteOffset + b.byteLength &&
    b.byteOffset < a.byteOffset + a.byteLength
  );
}

function bytesOf(value: ArrayBuffer | ArrayBufferView): Uint8Array {
  return ArrayBuffer.isView(value)
    ? new Uint8Array(value.buffer, value.byteOffset, value.byteLength)
    : new Uint8Array(value);
}
