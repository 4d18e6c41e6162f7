/** Answers matched to their calls by id: the few lines that everybody writes around a message channel. */

export class PendingCalls {
  #resolvers = new Map();
  #nextId = 0;

  /** Hands an id to `send` and returns the promise of its answer. */
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
