/**
 * The contenders of each scenario. The events of a group take turns with one another for `seconds`. The contenders of a
 * `standing` group start once, before the group; those of another group start in each turn. A group with `rounds` plays
 * that many rounds instead.
 *
 * An event between two builds has `pairs`: workers of one kind from `mine` and `other`, and their `anchor`, which is
 * Node's own counterpart.
 */

import { PARTS, shortCalls, someLongCalls } from "./arrivals.mjs";
import { THIS } from "./builds.mjs";
import { Fork } from "./contenders/fork.mjs";
import { Fresh } from "./contenders/fresh.mjs";
import { Knitting } from "./contenders/knitting.mjs";
import { Piscina } from "./contenders/piscina.mjs";
import { PostMessage } from "./contenders/post-message.mjs";
import { Recycled } from "./contenders/recycled.mjs";
import { Tinypool } from "./contenders/tinypool.mjs";
import { bytes, records, text } from "./payloads.mjs";
import { REPLACED, replacedWorkers } from "./recycling.mjs";
import { afterSilence, batches, echo, firstStart, laterStart, sequentialCalls } from "./scenarios.mjs";

const KINDS = {
  thread: { runtime: "thread" },
  process: { runtime: "process", processRuntime: "node" },
};
/**
 * Variables such as NODE_EXTRA_CA_CERTS cost time at a start, and a policy removes them. So no contender gets any
 * variables.
 */
const NO_VARIABLES = { env: {} };

const CALLS = [sequentialCalls, batches(100), batches(1000), afterSilence];
const ECHOES = [
  echo("string of 1 KiB", text),
  echo("array of 100 small objects", records),
  echo("Uint8Array of 1 MiB", bytes),
];

/** One build beside Node's own means: the group of their calls, and the claims of the acceptance. */
export function besideNode(build) {
  const knittingThread = new Knitting("knitting thread", build, { worker: KINDS.thread });
  const knittingProcess = new Knitting("knitting process", build, { worker: KINDS.process });
  const postMessage = new PostMessage("postMessage");
  const ours = [knittingThread, knittingProcess, postMessage];
  const callers = [...ours, new Fork("fork", { serialization: "json" })];
  const echoers = [...ours, new Fork("fork, advanced", { serialization: "advanced" })];

  const calls = CALLS.map((scenario) => event(scenario, callers));
  const echoes = ECHOES.map((scenario) => event(scenario, echoers));
  const [sequential, batchesOf100, batchesOf1000] = calls;
  return {
    groups: [
      { name: "calls", standing: true, seconds: 75, quickSeconds: 13, events: [...calls, ...echoes] },
      besidePeers(build),
      recycled(build),
    ],
    claims: { sequential, batchesOf100, batchesOf1000 },
    contenders: { knittingThread, knittingProcess, postMessage },
  };
}

/** One build beside other packages: the group of calls that arrive one by one. An event between them has `peers`. */
function besidePeers(build) {
  const peers = [new Piscina("piscina"), new Tinypool("tinypool", { runtime: "worker_threads" })];
  const pools = [
    new Knitting("knitting thread", build, { worker: KINDS.thread }),
    new Knitting("knitting process", build, { worker: KINDS.process }),
    ...peers,
  ];
  const events = [shortCalls, someLongCalls].map((scenario) => ({ ...event(scenario, pools), peers }));
  return { name: "arrivals", standing: false, rounds: PARTS, quickRounds: 1, events };
}

/** One build, with and without what replaces its workers. Such an event has `kinds`. */
function recycled(build) {
  const kinds = Object.entries(KINDS).map(([kind, worker]) => ({
    kind,
    calm: new Recycled(`${kind}, calm`, build, { worker }),
    replaced: new Recycled(`${kind}, replaced`, build, { worker, ...REPLACED }),
  }));
  const contenders = kinds.flatMap(({ calm, replaced }) => [calm, replaced]);
  const events = [{ ...event(replacedWorkers, contenders), kinds }];
  return { name: "recycling", standing: false, rounds: 3, quickRounds: 1, events };
}

/**
 * Two builds, in the order in which they are loaded: the group of their calls, and the group of their workers' starts.
 */
export function besideEachOther(builds) {
  const postMessage = new PostMessage("postMessage");
  const bareWorker = new PostMessage("bare Worker", NO_VARIABLES);
  const fork = new Fork("fork", NO_VARIABLES);
  const thread = { ...KINDS.thread, ...NO_VARIABLES };
  const process = { ...KINDS.process, ...NO_VARIABLES };

  const callers = [
    pair("thread", builds, Knitting, { worker: KINDS.thread }, postMessage),
    pair("process", builds, Knitting, { worker: KINDS.process }, postMessage),
  ];
  const starters = [
    pair("thread", builds, Knitting, { worker: thread }, bareWorker),
    pair("thread, unsafe", builds, Knitting, { worker: thread, permission: "unsafe" }, bareWorker),
    pair("process", builds, Knitting, { worker: process }, fork),
    pair("process, unsafe", builds, Knitting, { worker: process, permission: "unsafe" }, fork),
  ];
  const firstStarters = [
    pair("thread", builds, Fresh, { worker: thread }),
    pair("process", builds, Fresh, { worker: process }),
  ];
  return [
    {
      name: "calls",
      standing: true,
      seconds: 150,
      quickSeconds: 48,
      events: [...CALLS, ...ECHOES].map((scenario) => duel(scenario, callers)),
    },
    {
      name: "start",
      standing: false,
      seconds: 150,
      quickSeconds: 56,
      events: [duel(laterStart, starters), duel(firstStart, firstStarters)],
    },
  ];
}

function pair(kind, builds, Contender, options, anchor) {
  const contenders = builds.map((build) => new Contender(`${build.name} ${kind}`, build, options));
  const [mine, other] = builds[0].name === THIS ? contenders : contenders.toReversed();
  return { kind, contenders, mine, other, anchor };
}

function duel(scenario, pairs) {
  const all = pairs.flatMap(({ contenders, anchor }) => (anchor ? [...contenders, anchor] : contenders));
  return { ...event(scenario, all), pairs };
}

/** A scenario, with a place for the figures of each of its contenders. */
function event(scenario, contenders) {
  return { scenario, figures: new Map(contenders.map((contender) => [contender, []])) };
}
