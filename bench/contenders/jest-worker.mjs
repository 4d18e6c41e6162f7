/** Jest's pool of threads or processes. */
import { fileURLToPath } from "node:url";
import { requirePeer } from "../require-peer.mjs";
import * as tasks from "../tasks.mjs";
import { Contender } from "./contender.mjs";
import { taskFunctions } from "./task-functions.mjs";

const filename = fileURLToPath(new URL("../tasks.mjs", import.meta.url));

export class JestWorker extends Contender {
  #Pool = requirePeer("jest-worker").Worker;
  #options;
  #pool;

  /** `options` are those of `Worker`. */
  constructor(name, options) {
    super(name, options.enableWorkerThreads ? "thread" : "process");
    this.#options = options;
  }

  open(workers = 1) {
    const pool = new this.#Pool(filename, {
      numWorkers: workers,
      exposedMethods: Object.keys(tasks),
      ...this.#options,
    });
    this.#pool = pool;
    this.tasks = taskFunctions((name) => pool[name]);
  }

  async stop() {
    await this.#pool?.end();
  }
}
