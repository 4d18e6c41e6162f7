/**
 * The objects that an encoder has met in a value, and their positions in the encoding.
 *
 * Every object of every value is looked up here. The first ones stand in a list that is searched one by one: for so few
 * objects that takes half the time of a hash table and no additional memory. Further objects also go into a Set, which
 * takes one look-up for a new object where a Map takes two. Only when an object is met again is a Map made of them.
 */

/** Number of objects that are found by searching the list. */
const WALKED = 16;

export class Seen {
  #objects: (object | undefined)[] = new Array(WALKED).fill(undefined);
  /** The position of each of them. */
  #positions: number[] = new Array(WALKED).fill(0);
  #count = 0;
  /** All objects, once there are more than `WALKED`. */
  #set: Set<object> | undefined;
  /** All objects with their indices in the list, once one of them has been met again. */
  #places: Map<object, number> | undefined;

  /**
   * Looks an object up. Returns its earlier position, or -1 if it is new; it is then recorded at `position`. Positions
   * only grow.
   */
  put(object: object, position: number): number {
    const count = this.#count;
    if (this.#set === undefined) {
      const objects = this.#objects;
      for (let index = 0; index < count; index++) {
        if (objects[index] === object) {
          return this.#positions[index];
        }
      }
      if (count === WALKED) {
        this.#set = new Set(objects as object[]);
        this.#set.add(object);
      }
    } else if (this.#set.add(object).size === count) {
      return this.#positions[this.#placeOf(object)];
    }
    this.#objects[count] = object;
    this.#positions[count] = position;
    this.#places?.set(object, count);
    this.#count = count + 1;
    return -1;
  }

  #placeOf(object: object): number {
    this.#places ??= new Map(this.#objects.map((each, place) => [each as object, place]));
    return this.#places.get(object) as number;
  }

  /** Forgets the objects recorded at `position` and later. */
  forgetFrom(position: number): void {
    while (this.#count > 0 && this.#positions[this.#count - 1] >= position) {
      const object = this.#objects[--this.#count] as object;
      this.#objects[this.#count] = undefined;
      this.#set?.delete(object);
      this.#places?.delete(object);
    }
  }

  /** Forgets all objects. */
  clear(): void {
    if (this.#count <= WALKED) {
      while (this.#count > 0) {
        this.#objects[--this.#count] = undefined;
      }
    } else {
      this.#objects = new Array(WALKED).fill(undefined);
      this.#positions = new Array(WALKED).fill(0);
      this.#count = 0;
    }
    this.#set = undefined;
    this.#places = undefined;
  }
}
