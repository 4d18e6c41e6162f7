/** The other side of fork.mjs. It ends by itself when the channel does. */
import { echo, inc } from "../tasks.mjs";

const tasks = { inc, echo };

process.on("message", ({ id, task, argument }) => {
  process.send({ id, answer: tasks[task](argument) });
});
