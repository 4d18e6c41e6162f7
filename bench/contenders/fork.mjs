/** A child process of Node alone: messages to it and back, over a pipe. */
import { fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { PendingCalls } from "./pending.mjs";

const CHILD = fileURLToPath(new URL("./fork-child.mjs", import.meta.url));

export class Fork {
  #pending = new PendingCalls();
  #options;
  #child;

  /**
   * `options` are those of `fork`. `serialization` is "json", Node's default, or "advanced", the structured clone,
   * which binary data needs.
   */
  constructor(name, options) {
    this.name = name;
    this.#options = options;
  }

  open() {
    this.#child = fork(CHILD, this.#options);
    this.#child.on("message", ({ id, answer }) => this.#pending.answered(id, answer));
  }

  async start() {
    this.open();
    await this.call(0);
  }

  call(argument) {
    return this.#pending.ask((id) => this.#child.send({ id, task: "inc", argument }));
  }

  echo(argument) {
    return this.#pending.ask((id) => this.#child.send({ id, task: "echo", argument }));
  }

  async stop() {
    this.#child.disconnect();
    await once(this.#child, "exit");
  }
}
