/** Poolifier, a pool of threads, or of processes of Node's cluster. */
import { fileURLToPath } from "node:url";
import { requirePeer } from "../require-peer.mjs";
import { Contender } from "./contender.mjs";
import { taskFunctions } from "./task-functions.mjs";

const POOLS = {
  thread: { Pool: "FixedThreadPool", worker: "./poolifier-thread.mjs" },
  process: { Pool: "FixedClusterPool", worker: "./poolifier-process.mjs" },
};

/** The options for workers that have only these variables. A cluster adds them to the host's, which are left out here. */
const VARIABLES = {
  thread: (env) => ({ workerOptions: { env } }),
  process: (env) => ({
    env: { ...Object.fromEntries(Object.keys(process.env).map((name) => [name, undefined])), ...env },
  }),
};

export class Poolifier extends Contender {
  #library = requirePeer("poolifier");
  #options;
  #pool;
  #exited;

  /** `options` are those of the pool. `env` are the variables of its workers. */
  constructor(name, kind, { env, ...options }) {
    super(name, kind, kind === "process" ? withoutEarlyMessages() : {});
    this.#options = { ...options, ...(env && VARIABLES[kind](env)) };
  }

  open(workers = 1) {
    const { Pool, worker } = POOLS[this.kind];
    const filename = fileURLToPath(new URL(worker, import.meta.url));
    let left = workers;
    this.#exited = new Promise((resolve) => {
      const exitHandler = () => {
        left--;
        if (left === 0) {
          resolve();
        }
      };
      this.#pool = new this.#library[Pool](workers, filename, { ...this.#options, exitHandler });
    });
    const pool = this.#pool;
    this.tasks = taskFunctions((name) => (argument) => pool.execute(argument, name));
  }

  /** `destroy` begins to wait for an exit that may have been already, and then never resolves. */
  async stop() {
    await Promise.race([this.#pool?.destroy(), this.#exited]);
  }
}

/** Why its processes never answer on an old Node: the pool greets a worker before the worker's module has run. */
function withoutEarlyMessages() {
  return Number.parseInt(process.versions.node, 10) < 22
    ? { start: "before Node 22 a cluster loses early messages to an ES module" }
    : {};
}
