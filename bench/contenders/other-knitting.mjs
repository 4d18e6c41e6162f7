/** A checkout of Knitting, the project whose documents inspired this one: a pool of threads or processes. */
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { fileURLToPath } from "node:url";
import * as tasks from "../tasks.mjs";
import { Contender } from "./contender.mjs";

/** Its workers import the module that calls `createPool`, and find the tasks among the exports. */
export * from "../tasks.mjs";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
/** Node tells here of each process that it starts. */
const PROCESSES = "child_process";
const MEBIBYTE = 1024 * 1024;
/** It refuses payloads above 8 MiB by default. */
const PAYLOAD = { payloadMaxByteLength: 256 * MEBIBYTE, maxPayloadBytes: 32 * MEBIBYTE };

export class OtherKnitting extends Contender {
  #createPool;
  #options;
  #pool;
  #exits = [];
  #started = ({ process }) => this.#exits.push(new Promise((resolve) => process.once("exit", resolve)));

  /** `checkout` is what bench/other-knitting.mjs loads. `worker` is an option of `createPool`. */
  constructor(name, { folder, createPool }, worker) {
    super(name, worker.runtime);
    this.#createPool = createPool;
    // Its own default policy, but for its worker's files, which need not lie in the working directory.
    const permission = { mode: "strict", allowImport: true, read: [ROOT, folder], env: { files: [] } };
    this.#options = { worker, permission, payload: PAYLOAD };
  }

  open(workers = 1) {
    this.#exits = [];
    subscribe(PROCESSES, this.#started);
    try {
      this.#pool = this.#createPool({ threads: workers, ...this.#options })({ ...tasks });
    } finally {
      unsubscribe(PROCESSES, this.#started);
    }
    this.tasks = this.#pool.call;
  }

  /** Its own promise resolves before the processes have exited. */
  async stop() {
    await this.#pool?.shutdown();
    await Promise.all(this.#exits);
  }
}
