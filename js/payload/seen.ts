/**
 * The objects that an encoder has met in a value, and where it has put them.
 *
 * Every object of every value is looked up here. The first ones stand in a list that is walked, which for so few takes half
 * the time of a hash table, and no memory that is not there already. More of them go into a Set as well, which takes one
 * look-up for an object that is new where a Map takes two. Only when one is met again is a Map made of them.
 */

/** Objects that are found by walking the list. */
const WALKED = 16;

export class Seen {
  #objects: (object | undefined)[] = new Array(WALKED).fill(undefined);
  /** Where each of them is. */
  #positions: number[] = new Array(WALKED).fill(0);
  #count = 0;
  /** All of them, once there are more than are walked. */
  #set: Set<object> | undefined;
  /** The same with their places in the list, once one of them has been met again. */
  #places: Map<object, number> | undefined;

  /** Where the object was put before; -1 if it is met for the first time, and put at `position`. Positions only grow. */
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

  /** Forgets what was put at `position` and behind it. */
  forgetFrom(position: number): void {
    while (this.#count > 0 && this.#positions[this.#count - 1] >= position) {
      const object = this.#objects[--this.#count] as object;
      this.#objects[this.#count] = undefined;
      this.#set?.delete(object);
      this.#places?.delete(object);
    }
  }

  /** Forgets everything. */
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
