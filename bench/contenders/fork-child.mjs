/** The other side of fork.mjs. The process ends when its channel does. */
import { echo, inc } from "../tasks.mjs";

const tasks = { inc, echo };

process.on("message", ({ id, task, argument }) => {
  process.send({ id, answer: tasks[task](argument) });
});
