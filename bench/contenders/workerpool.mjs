/** Workerpool, a pool of threads or processes. */
import { fileURLToPath } from "node:url";
import { requirePeer } from "../require-peer.mjs";
import { Contender } from "./contender.mjs";
import { taskFunctions } from "./task-functions.mjs";

const WORKER = fileURLToPath(new URL("./workerpool-worker.mjs", import.meta.url));

export class Workerpool extends Contender {
  #library = requirePeer("workerpool");
  #options;
  #pool;

  /** `options` are those of `workerpool.pool`. */
  constructor(name, options) {
    super(name, options.workerType);
    this.#options = options;
  }

  open(workers = 1) {
    const pool = this.#library.pool(WORKER, { minWorkers: workers, maxWorkers: workers, ...this.#options });
    this.#pool = pool;
    this.tasks = taskFunctions((name) => (argument) => pool.exec(name, [argument]));
  }

  async stop() {
    await this.#pool?.terminate(true);
  }
}
