/** The tasks of the workers of streams.mjs. */
import { parentPort, workerData } from "node:worker_threads";

export const item = ({ index, long }) => (long ? { index, text: "x".repeat(1_000) } : index);

export async function* count({ items, long }) {
  for (let index = 0; index < items; index++) {
    yield item({ index, long });
  }
}

export const read = async (values) => {
  let count = 0;
  for await (const _ of values) {
    count++;
  }
  return count;
};

if (workerData === "port") {
  parentPort.on("message", ({ items, long }) => {
    for (let index = 0; index < items; index++) {
      parentPort.postMessage(item({ index, long }));
    }
  });
}
