/**
 * Rows about the start of a worker: until its first answer, and how long the host's event loop is blocked by what
 * creates it. They are measured in a process that has started the contender's workers before, and for this package also
 * in a fresh one, where the first pool loads the addon and V8 has compiled nothing.
 */
import { Host, withHost } from "./host.mjs";
import { oncePerRound } from "./once-per-round.mjs";

const GROUP = "start";
/** Starts before the first measured one in a process. */
const WARM_STARTS = 1;

/** One process for each contender, for as long as the sitting lasts. */
const hosts = new Map();

const inUsedProcess = oncePerRound(async ({ name }, { lineUp }) => {
  let host = hosts.get(name);
  let starts = 1;
  if (!host?.isAlive) {
    await host?.end();
    host = new Host({ lineUp });
    hosts.set(name, host);
    starts += WARM_STARTS;
  }
  return lastOf(host, name, starts);
});

const inFreshProcess = oncePerRound(({ name }, { lineUp }) =>
  withHost({ lineUp }, (host) => lastOf(host, name, 1)),
);

async function endHosts() {
  await Promise.all([...hosts.values()].map((host) => host.end()));
  hosts.clear();
}

export const startRows = [
  row("start of a worker, to its first answer", inUsedProcess, ({ answered }) => answered),
  row("start of a worker, event loop blocked", inUsedProcess, ({ blocked }) => blocked),
  row("first start in a process, to the first answer", inFreshProcess, ({ answered }) => answered, {
    contenders: oursAndBaselines,
  }),
  row("first start in a process, event loop blocked", inFreshProcess, ({ blocked }) => blocked, {
    contenders: oursAndBaselines,
  }),
];

function row(title, measure, pick, more) {
  return {
    id: title,
    group: GROUP,
    title,
    unit: "ms",
    better: "lower",
    baseline,
    turn: async (contender, context) => ({ value: pick(await measure(contender, context)) }),
    end: endHosts,
    ...more,
  };
}

function baseline({ kind }) {
  return kind === "thread" ? "postMessage" : "fork";
}

/** How much a process adds the first time is of interest for this package alone. */
function oursAndBaselines(contenders) {
  const baselines = new Set(contenders.map(baseline));
  return contenders.filter(({ name, ours }) => ours || baselines.has(name));
}

async function lastOf(host, name, starts) {
  let figures;
  for (let count = 0; count < starts; count++) {
    figures = await host.ask("timeStart", { name });
  }
  return figures;
}
