/** The other side of fork.mjs. The process ends when its channel does. */
import * as tasks from "../tasks.mjs";
import { answerTo } from "./pending.mjs";

process.on("message", (call) => {
  process.send(answerTo(call, tasks));
});
