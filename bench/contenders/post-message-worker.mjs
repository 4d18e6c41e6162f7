/** The other side of post-message.mjs. */
import { parentPort } from "node:worker_threads";
import { echo, inc } from "../tasks.mjs";

const tasks = { inc, echo };

parentPort.on("message", ({ id, task, argument }) => {
  parentPort.postMessage({ id, answer: tasks[task](argument) });
});
