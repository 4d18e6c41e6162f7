/**
 * The thread that says when calls arrive: for each list of times it sends the index of each time when it has come. So
 * calls reach the host's event loop as a server's requests do. The loop's own timers are late by up to a millisecond.
 */
import { parentPort } from "node:worker_threads";
import { blockUntil } from "./arrival-tasks.mjs";

parentPort.on("message", (times) => {
  for (const [index, time] of times.entries()) {
    blockUntil(time);
    parentPort.postMessage(index);
  }
});
