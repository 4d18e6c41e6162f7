/** Piscina, a pool of threads. */
import { fileURLToPath } from "node:url";
import { requirePeer } from "../require-peer.mjs";
import { Contender } from "./contender.mjs";
import { taskFunctions } from "./task-functions.mjs";

const filename = fileURLToPath(new URL("../tasks.mjs", import.meta.url));

export class Piscina extends Contender {
  #Pool = requirePeer("piscina").Piscina;
  #options;
  #pool;

  /** `options` are those of `Piscina`. */
  constructor(name, options) {
    super(name, "thread");
    this.#options = options;
  }

  open(workers = 1) {
    const pool = new this.#Pool({ filename, minThreads: workers, maxThreads: workers, ...this.#options });
    this.#pool = pool;
    this.tasks = taskFunctions((name) => {
      const options = { name };
      return (argument) => pool.run(argument, options);
    });
  }

  async stop() {
    await this.#pool?.destroy();
  }
}
