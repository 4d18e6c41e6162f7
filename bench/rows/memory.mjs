/**
 * The memory of an idle worker: anonymous pages, and its part of memory that it shares with its host (see
 * processes.mjs). That of a process is its own, with the processes of its wrapper. That of a thread is how much the
 * host's grows when it starts a second pool of one worker: the first one has loaded the library.
 */
import { ok } from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { bareRuntimeOf, bareRuntimes } from "../contenders/bare.mjs";
import { withHost } from "./host.mjs";
import { descendantsOf, memoryOf } from "./processes.mjs";

const CALLS = 100;
const REST_MILLIS = 300;
const QUICK_REST_MILLIS = 200;

export const memoryRows = [
  {
    id: "memory of an idle worker",
    group: "memory",
    title: "memory of an idle worker",
    unit: "MiB",
    better: "lower",
    contenders: (all) => [
      ...all,
      ...bareRuntimes().filter(({ name }) => all.some((each) => baseline(each) === name)),
    ],
    baseline,
    turn: ({ name, kind }, { lineUp, quick }) =>
      withHost({ lineUp }, async (host) => {
        const startAndRest = async () => {
          await host.ask("start", { name, calls: CALLS });
          await host.ask("collectGarbage");
          await sleep(quick ? QUICK_REST_MILLIS : REST_MILLIS);
        };
        return { value: await (kind === "thread" ? growth : ofWorker)(host, startAndRest) };
      }),
  },
];

function baseline(contender) {
  if (contender.kind === "thread") {
    return "postMessage";
  }
  const bare = bareRuntimeOf(contender);
  return bare === "bare node" ? "fork" : bare;
}

async function ofWorker(host, startAndRest) {
  await startAndRest();
  const pids = descendantsOf(host.pid);
  ok(pids.length > 0, "its worker's process was not found");
  return memoryOf(pids);
}

async function growth(host, startAndRest) {
  await startAndRest();
  const before = memoryOf([host.pid]);
  await startAndRest();
  return memoryOf([host.pid]) - before;
}
