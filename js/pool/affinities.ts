/**
 * Which worker has which affinity: calls with the same word go to the same worker while it lives. The pool remembers the
 * words that were used last.
 */

/** Number of words that are remembered. */
const REMEMBERED = 65_536;

export class Affinities<Worker extends object> {
  /** The words in the order of their last use. */
  readonly #workers = new Map<string, Worker>();

  /** The worker that has this word. */
  workerOf(word: string): Worker | undefined {
    const worker = this.#workers.get(word);
    if (worker !== undefined) {
      this.bind(word, worker);
    }
    return worker;
  }

  /** A call with this word goes to this worker. */
  bind(word: string, worker: Worker): void {
    this.#workers.delete(word);
    this.#workers.set(word, worker);
    if (this.#workers.size > REMEMBERED) {
      for (const oldest of this.#workers.keys()) {
        this.#workers.delete(oldest);
        break;
      }
    }
  }

  /** The worker takes no more calls. */
  release(worker: Worker): void {
    for (const [word, other] of this.#workers) {
      if (other === worker) {
        this.#workers.delete(word);
      }
    }
  }
}
