/** A worker thread as Node gives it: postMessage there, postMessage back. */
import { Worker } from "node:worker_threads";
import { PendingCalls } from "./pending.mjs";

export class PostMessage {
  name = "postMessage";
  #pending = new PendingCalls();
  #worker;

  async start() {
    this.#worker = new Worker(new URL("./post-message-worker.mjs", import.meta.url));
    this.#worker.on("message", ({ id, answer }) => this.#pending.answered(id, answer));
    await this.call(0);
  }

  call(argument) {
    return this.#pending.ask((id) => this.#worker.postMessage({ id, task: "inc", argument }));
  }

  echo(argument) {
    return this.#pending.ask((id) => this.#worker.postMessage({ id, task: "echo", argument }));
  }

  async stop() {
    await this.#worker.terminate();
  }
}
