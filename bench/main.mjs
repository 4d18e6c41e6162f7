/**
 * The benchmark: what a call costs with this package, with Node's own means and with the pools of other packages, on
 * idle and on busy machines; how soon workers start, what they cost at rest; or this package and another build of it.
 *
 * ```text
 *   node bench/main.mjs [--quick] [--json] [--docs] [--only <what>] [--against <path>] [--knitting <path>]
 * ```
 *
 * It runs under the Node that starts it; `npm run bench` picks one. Times decide nothing: the exit status is 0 unless a
 * contender gave a wrong answer or failed.
 */
import { describeBuild, otherBuild, thisBuild } from "./builds.mjs";
import { compare } from "./comparison.mjs";
import { comparisonReport } from "./comparison-report.mjs";
import { checkPages, writeDocs } from "./docs.mjs";
import { measureFloors } from "./floors.mjs";
import { contendersOf, PAIRS } from "./line-up.mjs";
import { whyNoLoad, withLoad } from "./load.mjs";
import { machine, watchOthers } from "./machine.mjs";
import { only } from "./only.mjs";
import { readOptions, refuse } from "./options.mjs";
import { plan } from "./plan.mjs";
import { playersOf, reasonsAgainst } from "./play.mjs";
import { endProgress, showProgress } from "./progress.mjs";
import { report } from "./report.mjs";
import { loadOf } from "./results.mjs";
import { measureRest, restRows } from "./rows/rest.mjs";
import { playInTurns, sit } from "./sittings.mjs";
import { summarize } from "./summary.mjs";
import { versions } from "./versions.mjs";

const options = readOptions();
if (options.docs) {
  checkPages();
}
const othersBusy = watchOthers();
const began = performance.now();
const [results, write] =
  options.against === undefined ? await besideOthers() : await against(options.against);
endProgress();
console.log(options.json ? JSON.stringify(results, undefined, 2) : write(results));
if (options.docs) {
  console.error(`Wrote ${(await writeDocs(results)).join(", ")}`);
}

async function besideOthers() {
  const { quick, knitting } = options;
  const chosen = only(options.only);
  const lineUp = { knitting };
  const contenders = await contendersOf(lineUp);
  const floors = chosen.floors ? await measureFloors({ quick }) : [];
  const tables = [];
  const parts = plan(chosen.rows, { quick, loads: chosen.loads });
  const measured = () => (chosen.rest ? restTables(contenders, lineUp) : []);
  let rest;
  for (const part of parts) {
    // From the memory of workers on, other rows may be played meanwhile: sleepers hinder nobody.
    if (part.rows.some(({ group }) => group === "memory")) {
      rest = measured();
    }
    tables.push(...(await playPart(part, contenders, { quick, lineUp })));
  }
  tables.push(...(await (rest ?? measured())));
  failIfAny(tables.flatMap((table) => table.contenders));
  return [
    {
      ...conditions(),
      versions: versions(options),
      quick: Boolean(quick),
      leftOut: quick ? chosen.rows.filter(({ slow }) => slow).map(({ title }) => title) : [],
      floors,
      groups: grouped(tables),
    },
    report,
  ];
}

async function restTables(contenders, lineUp) {
  showProgress("at rest, which takes 20 s");
  const turns = await measureRest(contenders, { lineUp });
  return restRows.map((row) => {
    const reasons = reasonsAgainst(row, playersOf(row, contenders));
    return tableOf(row, contenders, [{ figures: turns[row.id], reasons }]);
  });
}

/** Plays the sittings of a part, and reduces each row to a table. */
async function playPart({ rows, load, sittings, fresh, ...lengths }, contenders, { quick, lineUp }) {
  const noLoad = whyNoLoad(load);
  if (noLoad !== undefined) {
    return rows.map((row) => {
      const players = playersOf(row, contenders);
      const reasons = Object.fromEntries(players.map(({ name }) => [name, noLoad]));
      return tableOf(row, contenders, [{ figures: {}, reasons }], { load, rounds: 0, fresh });
    });
  }
  const ids = rows.map(({ id }) => id);
  const sat = [];
  for (let number = 0; number < sittings; number++) {
    const where = `sitting ${number + 1} of ${sittings}${loadOf(load)}: `;
    const { result } = await withLoad(load, () =>
      sit({ ids, quick, lineUp, ...lengths }, (progress) => showProgress(where + progress)),
    );
    sat.push(result);
  }
  const rounds = sittings * lengths.rounds;
  return rows.map((row) => {
    const ofRow = sat.map(({ figures, reasons }) => ({ figures: figures[row.id], reasons: reasons[row.id] }));
    return tableOf(row, contenders, ofRow, { load, rounds, fresh });
  });
}

function tableOf(row, contenders, sittings, { load = "idle", rounds = 1, fresh = false } = {}) {
  const { id, group, title, unit, better } = row;
  return {
    id,
    group: load === "idle" ? group : "busy",
    title,
    unit,
    better,
    load,
    rounds,
    contenders: summarize(row, playersOf(row, contenders), sittings, { fresh }),
  };
}

async function against(path) {
  const builds = [thisBuild(), otherBuild(path)];
  const rows = comparable(only(options.only).rows);
  const played = await playInTurns(rows, options);
  const [mine, other] = builds.map(describeBuild);
  const tables = compare(rows, PAIRS, played.figures);
  failIfAny(tables.flatMap((table) => [...table.rows, ...table.anchors]));
  return [
    { ...conditions(), rounds: played.rounds, builds: { this: mine, other }, tables },
    comparisonReport,
  ];
}

/** A contender that has failed is the one reason for another exit status than 0. */
function failIfAny(cells) {
  if (cells.some(({ failure }) => failure !== undefined)) {
    process.exitCode = 1;
  }
}

/** Rows in which two builds can take turns: others bring contenders of their own, or take minutes. */
function comparable(rows) {
  const left = rows.filter(({ standing, group }) => standing || group === "start");
  return left.length > 0
    ? left
    : refuse(`--only is ${JSON.stringify(options.only)}, and there two builds are not compared.`);
}

/** Tables in groups, in the order in which the groups first appear. */
function grouped(tables) {
  const names = [...new Set(tables.map(({ group }) => group))];
  return names.map((name) => ({
    name,
    title: name,
    rows: tables.filter(({ group }) => group === name).map(({ group: _, ...row }) => row),
  }));
}

function conditions() {
  return {
    machine: machine(),
    othersBusy: othersBusy(),
    seconds: (performance.now() - began) / 1e3,
    commit: describeBuild(thisBuild()).commit,
  };
}
