/**
 * The objects that an encoder has met in a value, and where it has put them.
 *
 * Every object of every value is looked up here. The first ones stand in a list that is walked, which for so few takes half
 * the time of a Map, and no memory that is not there already.
 */

/** Objects in the list; with more, all of them move to a Map. */
const LISTED = 16;

export class Seen {
  readonly #objects: (object | undefined)[] = new Array(LISTED).fill(undefined);
  readonly #positions: number[] = new Array(LISTED).fill(0);
  #listed = 0;
  #mapped: Map<object, number> | undefined;

  /** Where the object was put before; -1 if it is met for the first time, and put at `position`. Positions only grow. */
  put(object: object, position: number): number {
    if (this.#mapped !== undefined) {
      return putInto(this.#mapped, object, position);
    }
    const listed = this.#listed;
    for (let index = 0; index < listed; index++) {
      if (this.#objects[index] === object) {
        return this.#positions[index];
      }
    }
    if (listed === LISTED) {
      this.#mapped = new Map();
      for (let index = 0; index < listed; index++) {
        this.#mapped.set(this.#objects[index] as object, this.#positions[index]);
      }
      return putInto(this.#mapped, object, position);
    }
    this.#objects[listed] = object;
    this.#positions[listed] = position;
    this.#listed = listed + 1;
    return -1;
  }

  /** Forgets what was put at `position` and behind it. */
  forgetFrom(position: number): void {
    for (const [object, at] of this.#mapped ?? []) {
      if (at >= position) {
        this.#mapped?.delete(object);
      }
    }
    while (this.#listed > 0 && this.#positions[this.#listed - 1] >= position) {
      this.#objects[--this.#listed] = undefined;
    }
  }

  /** Forgets everything. */
  clear(): void {
    this.#mapped = undefined;
    while (this.#listed > 0) {
      this.#objects[--this.#listed] = undefined;
    }
  }
}

function putInto(map: Map<object, number>, object: object, position: number): number {
  const before = map.get(object);
  if (before !== undefined) {
    return before;
  }
  map.set(object, position);
  return -1;
}
