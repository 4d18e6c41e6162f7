/**
 * The benchmark: the cost of a call with this package and with Node's own means, how long calls wait here and in the
 * pools of other packages, or this package and another build of it.
 *
 * ```text
 *   node bench/main.mjs [--quick] [--json] [--only <what>] [--against <path>]
 * ```
 *
 * It runs under the Node that starts it; `npm run bench` picks one. Times decide only the wording of its verdicts: the
 * exit status is 0 unless a contender gave a wrong answer or failed.
 */
import { acceptance } from "./acceptance.mjs";
import { describeBuild, otherBuild, thisBuild } from "./builds.mjs";
import { compare } from "./comparison.mjs";
import { comparisonReport } from "./comparison-report.mjs";
import { besideEachOther, besideNode } from "./line-up.mjs";
import { machine, watchOthers } from "./machine.mjs";
import { only } from "./only.mjs";
import { readOptions } from "./options.mjs";
import { ensurePeers } from "./peers.mjs";
import { play } from "./play.mjs";
import { replacing } from "./replacing.mjs";
import { report } from "./report.mjs";
import { playInSittings } from "./sittings.mjs";
import { summarize } from "./summary.mjs";
import { waiting } from "./waiting.mjs";

const options = readOptions();
const othersBusy = watchOthers();
const [results, write] = options.against === undefined ? await alone() : await against(options.against);
console.log(options.json ? JSON.stringify(results, undefined, 2) : write(results));

async function alone() {
  ensurePeers();
  const { groups, claims, contenders } = besideNode(thisBuild());
  const chosen = only(options.only, groups);
  const eventsOf = (group) => chosen.flatMap(({ name, events }) => (name === group ? events : []));
  const played = await play(chosen, options.quick);
  const results = {
    ...conditions(played),
    tables: eventsOf("calls").map((event) => summarize(event, contenders.postMessage)),
    waiting: eventsOf("arrivals").map(waiting),
    replacing: eventsOf("recycling").map(replacing),
    // Nothing is claimed about scenarios that were left out.
    ...(options.only === undefined && { acceptance: acceptance(claims, contenders) }),
  };
  const rows = [...results.waiting, ...results.replacing].flatMap((table) => table.rows);
  if (rows.some(({ failure }) => failure !== undefined)) {
    process.exitCode = 1;
  }
  return [results, report];
}

async function against(path) {
  const builds = [thisBuild(), otherBuild(path)];
  const played = playInSittings(only(options.only, besideEachOther(builds)), options);
  const [mine, other] = builds.map(describeBuild);
  const results = {
    ...conditions(played),
    builds: { this: mine, other },
    tables: played.events.flatMap(compare),
  };
  return [results, comparisonReport];
}

function conditions({ rounds, seconds }) {
  return { machine: machine(), othersBusy: othersBusy(), rounds, seconds };
}
