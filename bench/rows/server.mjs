/**
 * A web server whose handler does about a millisecond of work on JSON, in line or in a pool of two workers. The server
 * is a process of its own, and the load comes from another one (server-load.mjs): autocannon with a number of clients
 * that each wait for their answer, and beside them a client of the short route /health, which is what a pool is for.
 *
 * The work is on JSON because that is what servers do, its answers are checked in passing, and it runs for as long on
 * every contender's Node. Work that imports something, such as a hash, would lengthen the start of all workers.
 */
import { fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { InLine } from "../contenders/in-line.mjs";
import { withHost } from "./host.mjs";
import { oncePerRound } from "./once-per-round.mjs";

const LOAD = fileURLToPath(new URL("./server-load.mjs", import.meta.url));
const WORKERS = 2;
/** About 1 ms of work on the machine of our figures. */
const RECORDS = 2500;
const CLIENTS = 16;
const WARM_MILLIS = 250;
const MILLIS = 1000;
const QUICK_MILLIS = 500;
const PATIENCE_MILLIS = 20_000;

const IN_LINE = new InLine();
const PISCINA = "piscina";
/** A turn takes two seconds, so not all contenders play. */
const SERVERS = [IN_LINE.name, PISCINA, "knitting thread", "knitting process"];

const serve = oncePerRound(({ name }, { lineUp, quick }) =>
  withHost({ lineUp }, async (host) => {
    const port = await host.ask("serve", { name, workers: WORKERS, records: RECORDS });
    return load({
      port,
      records: RECORDS,
      clients: CLIENTS,
      warmMillis: WARM_MILLIS,
      millis: quick ? QUICK_MILLIS : MILLIS,
    });
  }),
);

export const serverRows = [
  row("web server, requests per second", "calls/s", IN_LINE.name, ({ perSecond, p50, p99 }) => ({
    value: perSecond,
    p50,
    p99,
  })),
  row("web server, requests per second beside piscina", "calls/s", PISCINA, ({ perSecond }) => ({
    value: perSecond,
  })),
  row("web server, p99 of requests", "ms", IN_LINE.name, ({ p99 }) => ({ value: p99 / 1e3 })),
  row("web server, p99 of requests beside piscina", "ms", PISCINA, ({ p99 }) => ({ value: p99 / 1e3 })),
  row("web server, p99 of /health", "ms", IN_LINE.name, ({ healthP99 }) => ({ value: healthP99 / 1e3 })),
];

function row(title, unit, baseline, pick) {
  return {
    id: title,
    group: "server",
    title,
    unit,
    better: unit === "ms" ? "lower" : "higher",
    contenders: (all) =>
      baseline === PISCINA ? all.filter(({ name }) => SERVERS.includes(name)) : [IN_LINE, ...all],
    excluded: (name) => (SERVERS.includes(name) ? undefined : "a turn takes seconds"),
    baseline: () => baseline,
    turn: async (contender, context) => pick(await serve(contender, context)),
  };
}

/** Runs the load. Rejects if an answer is wrong. */
async function load(what) {
  const child = fork(LOAD, [JSON.stringify(what)], { timeout: PATIENCE_MILLIS, killSignal: "SIGKILL" });
  let result;
  child.on("message", (message) => {
    result = message;
  });
  const [status, signal] = await once(child, "exit");
  if (result === undefined) {
    throw new Error(`the load's process has ended with ${signal ?? status}`);
  }
  if (result.failure !== undefined) {
    throw new Error(result.failure);
  }
  return result;
}
