/**
 * Matches answers to their calls by id, with the few lines that every user of a message channel writes. Calls go to the
 * workers in turn.
 */

export class PendingCalls {
  #calls = new Map();
  #senders;
  #nextId = 0;

  /** A function for each worker that sends it a message. */
  constructor(senders) {
    this.#senders = senders;
  }

  ask(task, argument) {
    return new Promise((resolve, reject) => {
      const id = this.#nextId++;
      this.#calls.set(id, { resolve, reject });
      this.#senders[id % this.#senders.length]({ id, task, argument });
    });
  }

  answered({ id, answer, error }) {
    const { resolve, reject } = this.#calls.get(id);
    this.#calls.delete(id);
    if (error === undefined) {
      resolve(answer);
    } else {
      reject(Object.assign(new Error(error.message), error));
    }
  }

  /** Rejects all calls. */
  failed(error) {
    for (const { reject } of this.#calls.values()) {
      reject(error);
    }
    this.#calls.clear();
  }
}

/** The worker's part: what it sends back. JSON would drop all of an error, so it goes as a plain object. */
export function answerTo({ id, task, argument }, tasks) {
  try {
    return { id, answer: tasks[task](argument) };
  } catch ({ name, message, stack }) {
    return { id, error: { name, message, stack } };
  }
}
