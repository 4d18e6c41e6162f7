/** A worker thread of Node alone: postMessage to it, postMessage back. */
import { Worker } from "node:worker_threads";
import { PendingCalls } from "./pending.mjs";

export class PostMessage {
  #pending = new PendingCalls();
  #options;
  #worker;

  /** `options` are those of `Worker`. */
  constructor(name, options) {
    this.name = name;
    this.#options = options;
  }

  open() {
    this.#worker = new Worker(new URL("./post-message-worker.mjs", import.meta.url), this.#options);
    this.#worker.on("message", ({ id, answer }) => this.#pending.answered(id, answer));
  }

  async start() {
    this.open();
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
