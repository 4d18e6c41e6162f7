/** A build of this package with several workers. */
const arrivals = new URL("../arrival-tasks.mjs", import.meta.url);
const recycling = new URL("../recycling-tasks.mjs", import.meta.url);

export class KnittingPool {
  #build;
  #pool;

  /** `build` holds the exports of the package. `options` are those of `createPool`. */
  constructor(name, build, options) {
    this.name = name;
    this.options = options;
    this.#build = build;
  }

  start(workers) {
    const { createPool, importTask } = this.#build;
    this.#pool = createPool({ threads: workers, ...this.options })({
      serve: importTask({ href: arrivals, name: "serve" }),
      derive: importTask({ href: recycling, name: "derive" }),
    });
  }

  serve(argument) {
    return this.#pool.call.serve(argument);
  }

  derive(argument) {
    return this.#pool.call.derive(argument);
  }

  /** Kills one of the workers that take calls: `choose(count)` is its place among them. Returns whether there was one. */
  kill(choose) {
    const ready = this.#pool.workers.filter(({ state }) => state === "ready");
    if (ready.length > 0) {
      this.#pool.kill(ready[choose(ready.length)]);
    }
    return ready.length > 0;
  }

  /** How many workers were replaced, by reason. */
  get recycled() {
    return this.#pool.stats().recycled;
  }

  async stop() {
    await this.#pool?.shutdown();
  }
}
