/** Child processes of Node alone: messages to them and back, over a pipe. */
import { fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { Contender } from "./contender.mjs";
import { PendingCalls } from "./pending.mjs";
import { taskFunctions } from "./task-functions.mjs";

const CHILD = fileURLToPath(new URL("./fork-child.mjs", import.meta.url));

export class Fork extends Contender {
  #options;
  #children = [];

  /**
   * `options` are those of `fork`. `serialization` is "json", Node's default, or "advanced", the structured clone,
   * which binary data needs.
   */
  constructor(name, options) {
    super(name, "process", options.serialization === "advanced" ? {} : { bytes: "JSON has no bytes" });
    this.#options = options;
  }

  open(workers = 1) {
    this.#children = Array.from({ length: workers }, () => fork(CHILD, this.#options));
    const calls = new PendingCalls(this.#children.map((child) => (message) => child.send(message)));
    for (const child of this.#children) {
      child.on("message", (message) => calls.answered(message));
      child.on("error", (error) => calls.failed(error));
      child.on("exit", () => calls.failed(new Error("a child process has ended")));
    }
    this.tasks = taskFunctions((task) => (argument) => calls.ask(task, argument));
  }

  async stop() {
    await Promise.all(this.#children.map(end));
  }
}

async function end(child) {
  if (child.exitCode === null && child.signalCode === null) {
    const exit = once(child, "exit");
    child.kill();
    await exit;
  }
}
