/** This package: one worker, a thread or a process. */
import { createPool, importTask } from "knitting-native";

const tasks = {
  inc: importTask({ href: "../tasks.mjs", name: "inc" }),
  echo: importTask({ href: "../tasks.mjs", name: "echo" }),
};

export class Knitting {
  #worker;
  #pool;

  constructor(name, worker) {
    this.name = name;
    this.#worker = worker;
  }

  async start() {
    this.#pool = createPool({ threads: 1, worker: this.#worker })(tasks);
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
