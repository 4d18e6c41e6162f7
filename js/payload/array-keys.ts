/**
 * The keys of arrays that are more than a row of elements: those with holes, and those with properties of their own,
 * such as the matches of regular expressions.
 *
 * The language has no quick question for that. `Object.keys` makes a string for each element: 50 ns for an array of two,
 * and half the time of encoding for an array of a thousand. Node's `isDeepStrictEqual` counts the properties of two
 * arrays, without their elements, before it compares the elements. So it never looks at the first element of an array
 * without properties, when that is compared with an array that has some. Where a runtime compares in another order, all
 * arrays are asked for their keys.
 */
import { isDeepStrictEqual } from "node:util";

/** Arrays up to this length are asked for their keys. */
const FEW_ELEMENTS = 128;

let isReached = false;
/** An array without properties, whose first element tells that it was looked at. */
const probe: unknown[] = [undefined];
const different = Symbol("different from any element");
Object.defineProperty(probe, 0, {
  enumerable: true,
  get(): unknown {
    isReached = true;
    return different;
  },
});

/** Whether an array that is not empty has no properties, as far as the runtime tells quickly. */
function isBare(array: readonly unknown[]): boolean {
  isReached = false;
  probe.length = array.length;
  isDeepStrictEqual(array, probe);
  return isReached;
}

let telling: boolean | undefined;

/** Whether the runtime compares in that order. Asked on first use: Node then loads what compares. */
function isTelling(): boolean {
  telling ??= isBare([0]) && !isBare(Object.assign([0], { key: 0 }));
  return telling;
}

/**
 * The keys of an array that has holes or properties of its own: first the indices of its elements, then the names of its
 * properties. `undefined` for any other array, whose keys are all indices up to its length.
 */
export function unusualKeys(array: readonly unknown[]): string[] | undefined {
  const { length } = array;
  if (length > FEW_ELEMENTS && isTelling() && isBare(array) && !hasHole(array)) {
    return undefined;
  }
  const keys = Object.keys(array);
  // The indices come first.
  return keys.length === length && (length === 0 || keys[length - 1] === lastKey(length)) ? undefined : keys;
}

const LAST_KEYS = Array.from({ length: FEW_ELEMENTS + 1 }, (_, length) => String(length - 1));

/** The index of the last element of an array of this length. */
function lastKey(length: number): string {
  return length <= FEW_ELEMENTS ? LAST_KEYS[length] : String(length - 1);
}

/** How many of the keys of an array are the indices of its elements. */
export function countIndices(keys: readonly string[], length: number): number {
  let count = keys.length;
  while (count > 0 && !isIndex(keys[count - 1], length)) {
    count--;
  }
  return count;
}

/** Whether a key is the index of an element of an array of this length. */
export function isIndex(key: string, length: number): boolean {
  const index = Number(key);
  return Number.isInteger(index) && index >= 0 && index < length && String(index) === key;
}

function hasHole(array: readonly unknown[]): boolean {
  for (let index = 0; index < array.length; index++) {
    if (array[index] === undefined && !(index in array)) {
      return true;
    }
  }
  return false;
}
