/** Worker threads of Node alone: postMessage to them, postMessage back. */
import { Worker } from "node:worker_threads";
import { Contender } from "./contender.mjs";
import { PendingCalls } from "./pending.mjs";
import { taskFunctions } from "./task-functions.mjs";

const WORKER = new URL("./post-message-worker.mjs", import.meta.url);

export class PostMessage extends Contender {
  #options;
  #workers = [];

  /** `options` are those of `Worker`. */
  constructor(name, options) {
    super(name, "thread");
    this.#options = options;
  }

  open(workers = 1) {
    this.#workers = Array.from({ length: workers }, () => new Worker(WORKER, this.#options));
    const calls = new PendingCalls(this.#workers.map((worker) => (message) => worker.postMessage(message)));
    for (const worker of this.#workers) {
      worker.on("message", (message) => calls.answered(message));
      worker.on("error", (error) => calls.failed(error));
      worker.on("exit", () => calls.failed(new Error("a worker thread has ended")));
    }
    this.tasks = taskFunctions((task) => (argument) => calls.ask(task, argument));
  }

  async stop() {
    await Promise.all(this.#workers.map((worker) => worker.terminate()));
  }
}
