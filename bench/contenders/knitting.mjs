/** A pool of this package, or of another build of it. Its workers are threads or processes. */
import { Contender } from "./contender.mjs";
import { taskFunctions } from "./task-functions.mjs";

const href = new URL("../tasks.mjs", import.meta.url).href;

export class Knitting extends Contender {
  ours = true;
  #build;
  #options;
  #tasks;
  #pool;

  /**
   * `build` holds the exports of the package. `options` are those of `createPool`. `more` are
   * tasks beside those that every contender has.
   */
  constructor(name, build, options, { cannot, more } = {}) {
    super(name, options.worker.runtime, cannot);
    this.#build = build;
    this.#options = options;
    this.#tasks = { ...taskFunctions((task) => build.importTask({ href, name: task })), ...more };
  }

  open(workers = 1) {
    this.#pool = this.#build.createPool({ threads: workers, ...this.#options })(this.#tasks);
    this.tasks = this.#pool.call;
  }

  /** The pool of this package. */
  get pool() {
    return this.#pool;
  }

  async stop() {
    await this.#pool?.shutdown();
  }
}
