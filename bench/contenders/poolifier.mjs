/** Poolifier, a pool of threads, or of processes of Node's cluster. */
import { fileURLToPath } from "node:url";
import { Contender } from "./contender.mjs";
import { requirePeer } from "./require-peer.mjs";
import { taskFunctions } from "./task-functions.mjs";

const POOLS = {
  thread: { Pool: "FixedThreadPool", worker: "./poolifier-thread.mjs" },
  process: { Pool: "FixedClusterPool", worker: "./poolifier-process.mjs" },
};

export class Poolifier extends Contender {
  #library = requirePeer("poolifier");
  #options;
  #pool;

  /** `options` are those of the pool. */
  constructor(name, kind, options) {
    super(name, kind);
    this.#options = options;
  }

  open(workers = 1) {
    const { Pool, worker } = POOLS[this.kind];
    const filename = fileURLToPath(new URL(worker, import.meta.url));
    const pool = new this.#library[Pool](workers, filename, this.#options);
    this.#pool = pool;
    this.tasks = taskFunctions((name) => (argument) => pool.execute(argument, name));
  }

  async stop() {
    await this.#pool?.destroy();
  }
}
