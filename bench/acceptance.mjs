/** What the figures must show: ratios within one run, never absolute times. */
import { ratio } from "./summary.mjs";

/** A worker thread has no more work than a process. If its ratio is lower than this, the difference is not noise. */
const NO_SLOWER = 0.95;

export function acceptance(
  { sequential, batchesOf100, batchesOf1000 },
  { knittingThread, knittingProcess, postMessage },
) {
  return [
    claim("process worker, sequential p50 below postMessage", sequential, knittingProcess, postMessage, 12),
    claim(
      "process worker, batches of 100, throughput of postMessage",
      batchesOf100,
      knittingProcess,
      postMessage,
      6,
    ),
    claim(
      "thread worker against process worker, sequential p50",
      sequential,
      knittingThread,
      knittingProcess,
      NO_SLOWER,
    ),
    claim(
      "thread worker against process worker, batches of 100",
      batchesOf100,
      knittingThread,
      knittingProcess,
      NO_SLOWER,
    ),
    claim(
      "thread worker against process worker, batches of 1000",
      batchesOf1000,
      knittingThread,
      knittingProcess,
      NO_SLOWER,
    ),
  ];
}

function claim(what, { scenario, figures }, contender, other, atLeast) {
  const measured = ratio(scenario.ratioOf, figures.get(contender), figures.get(other));
  return { passed: measured.median >= atLeast, what, ratio: measured, atLeast };
}
