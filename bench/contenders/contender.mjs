/**
 * Who is measured: a library, or a means of Node, with so many workers, each of which has the tasks of bench/tasks.mjs.
 * A class for each has `open(workers)`, which begins their start without waiting, and `stop()`, which resolves when
 * nothing of them is left.
 */
import { everyAnswer } from "./task-functions.mjs";

export class Contender {
  /** Whether it is this package. */
  ours = false;
  /** A function for each task, from `open` on: it takes one argument, and returns the promise of the answer. */
  tasks;

  /**
   * `kind` is what its workers are, "thread" or "process". `cannot` says in a few words why it can't do something by
   * design. Its keys are what rows need: "start" is needed by all of them.
   */
  constructor(name, kind, cannot = {}) {
    this.name = name;
    this.kind = kind;
    this.cannot = cannot;
  }

  /** Resolves when each worker has answered. */
  async start(workers = 1) {
    this.open(workers);
    await everyAnswer(this.tasks, workers);
  }
}
