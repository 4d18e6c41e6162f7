/**
 * The benchmark: what a call costs here and what it costs by what Node itself has.
 *
 * ```text
 *   node bench/main.mjs [--quick] [--json]
 * ```
 *
 * It runs under the Node that it is started with; `npm run bench` picks one. Time decides about nothing but the words
 * "pass" and "FAIL" at the end: the exit status is 0 unless a contender gave a wrong answer.
 */
import { parseArgs } from "node:util";
import { acceptance } from "./acceptance.mjs";
import { Fork } from "./contenders/fork.mjs";
import { Knitting } from "./contenders/knitting.mjs";
import { PostMessage } from "./contenders/post-message.mjs";
import { interleave } from "./interleave.mjs";
import { machine, watchOthers } from "./machine.mjs";
import { bytes, records, text } from "./payloads.mjs";
import { report } from "./report.mjs";
import { afterSilence, batches, echo, sequentialCalls } from "./scenarios.mjs";
import { summarize } from "./summary.mjs";

const SECONDS = 75;
const QUICK_SECONDS = 13;

const options = parseArgs({ options: { quick: { type: "boolean" }, json: { type: "boolean" } } }).values;

const knittingThread = new Knitting("knitting thread", { runtime: "thread" });
const knittingProcess = new Knitting("knitting process", { runtime: "process", processRuntime: "node" });
const postMessage = new PostMessage();
const fork = new Fork("fork", "json");
const advancedFork = new Fork("fork, advanced", "advanced");

const callers = [knittingThread, knittingProcess, postMessage, fork];
const echoers = [knittingThread, knittingProcess, postMessage, advancedFork];

const sequential = event(sequentialCalls, callers);
const batchesOf100 = event(batches(100), callers);
const batchesOf1000 = event(batches(1000), callers);
const events = [
  sequential,
  batchesOf100,
  batchesOf1000,
  event(afterSilence, callers),
  event(echo("string of 1 KiB", text), echoers),
  event(echo("array of 100 small objects", records), echoers),
  event(echo("Uint8Array of 1 MiB", bytes), echoers),
];

const othersBusy = watchOthers();
const contenders = [...new Set([...callers, ...echoers])];
await Promise.all(contenders.map((contender) => contender.start()));
const start = performance.now();
const rounds = await interleave(events, options.quick ? QUICK_SECONDS : SECONDS, progress);
const seconds = (performance.now() - start) / 1e3;
await Promise.all(contenders.map((contender) => contender.stop()));

const results = {
  machine: machine(),
  othersBusy: othersBusy(),
  rounds,
  seconds,
  tables: events.map((event) => summarize(event, postMessage)),
  acceptance: acceptance(
    { sequential, batchesOf100, batchesOf1000 },
    { knittingThread, knittingProcess, postMessage },
  ),
};
console.log(options.json ? JSON.stringify(results, undefined, 2) : report(results));

/** Shows a person that something happens. */
function progress(round) {
  if (process.stderr.isTTY) {
    process.stderr.write(round < 0 ? "\rwarming up" : `\rround ${round + 1}  `);
  }
}

/** A scenario, and for each of its contenders room for what it shows. */
function event(scenario, contenders) {
  return { scenario, figures: new Map(contenders.map((contender) => [contender, []])) };
}
