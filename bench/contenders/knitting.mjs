/** A build of this package, by default this one, with one worker: a thread or a process. */
const href = new URL("../tasks.mjs", import.meta.url);

export class Knitting {
  #build;
  #options;
  #tasks;
  #pool;

  /** `build` holds the exports of the package. `options` are those of `createPool`. */
  constructor(name, build, options) {
    this.name = name;
    this.#build = build;
    this.#options = options;
    this.#tasks = Object.fromEntries(["inc", "echo"].map((name) => [name, build.importTask({ href, name })]));
  }

  open() {
    this.#pool = this.#build.createPool({ threads: 1, ...this.#options })(this.#tasks);
  }

  async start() {
    this.open();
    await this.call(0);
  }

  call(x) {
    return this.#pool.call.inc(x);
  }

  echo(value) {
    return this.#pool.call.echo(value);
  }

  async stop() {
    await this.#pool.shutdown();
  }
}
