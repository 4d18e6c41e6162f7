/** Calls with a little work, by the number of workers. */
import { strictEqual } from "node:assert/strict";
import { attempt } from "../failures.mjs";

const WORK_MICROS = 50;
const BATCH = 100;
const WORKERS = [1, 2, 4, 8];
const WARM_BATCHES = 3;

export const workerRows = WORKERS.map((workers) => ({
  id: `${WORK_MICROS} us of work, ${workers} workers`,
  group: "workers",
  title: `batches of ${BATCH} calls with ${WORK_MICROS} us of work, ${workers} ${workers === 1 ? "worker" : "workers"}`,
  unit: "calls/s",
  better: "higher",
  slow: workers === WORKERS.at(-1),
  baseline: () => "postMessage",
  turn: (contender, { millis }) => attempt(contender, workers, () => callInBatches(contender, millis)),
}));

async function callInBatches({ tasks: { work } }, millis) {
  const batch = async () => {
    const answers = await Promise.all(Array.from({ length: BATCH }, () => work(WORK_MICROS)));
    for (const answer of answers) {
      strictEqual(answer, WORK_MICROS);
    }
  };
  for (let count = 0; count < WARM_BATCHES; count++) {
    await batch();
  }
  const start = performance.now();
  let calls = 0;
  do {
    await batch();
    calls += BATCH;
  } while (performance.now() - start < 4 * millis);
  return { value: (calls / (performance.now() - start)) * 1e3 };
}
