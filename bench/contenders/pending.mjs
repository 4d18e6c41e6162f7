/** Matches answers to their calls by id, with the few lines that every user of a message channel writes. */

export class PendingCalls {
  #resolvers = new Map();
  #nextId = 0;

  /** Passes an id to `send` and returns the promise of the answer. */
  ask(send) {
    return new Promise((resolve) => {
      const id = this.#nextId++;
      this.#resolvers.set(id, resolve);
      send(id);
    });
  }

  answered(id, value) {
    const resolve = this.#resolvers.get(id);
    this.#resolvers.delete(id);
    resolve(value);
  }
}
