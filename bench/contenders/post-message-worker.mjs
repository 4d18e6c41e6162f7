/** The other side of post-message.mjs. */
import { parentPort } from "node:worker_threads";
import * as tasks from "../tasks.mjs";
import { answerTo } from "./pending.mjs";

parentPort.on("message", (call) => {
  parentPort.postMessage(answerTo(call, tasks));
});
