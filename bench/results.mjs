/** Looks things up in the results of a run: their rows, their contenders, and where ours are behind. */

/** What a machine is busy with, by the loads of load.mjs. */
export const BUSY = {
  one: "one busy process",
  each: "a busy process on each core",
  two: "two busy processes on each core",
};

/** Two figures are equal within this share. */
const EQUAL = 0.03;

/** What is no contender, but shows how well one could do. */
const COMPUTED = "computed";

export function rowsOf({ groups }) {
  return groups.flatMap(({ rows }) => rows);
}

/** What a load adds to the title of a row. */
export function loadOf(load) {
  return load === "idle" ? "" : `, ${BUSY[load]}`;
}

/** The title of a row, with its load. */
export function titleOf({ title, load }) {
  return title + loadOf(load);
}

/** The row with this id on a machine with this load. One that the results lack is an error: a document needs it. */
export function rowOf(results, id, load = "idle") {
  const row = rowsOf(results).find((each) => each.load === load && each.id === id);
  if (row === undefined) {
    throw new Error(`The results have no row "${id}"${loadOf(load)}. The documents need a whole run`);
  }
  return row;
}

/** The rows of a group. */
export function groupOf(results, name) {
  const group = results.groups.find((each) => each.name === name);
  if (group === undefined) {
    throw new Error(`The results have no group "${name}". The documents need a whole run`);
  }
  return group;
}

/** The names of all contenders, in the order in which they come first. */
export function namesOf(rows) {
  return [...new Set(rows.flatMap(({ contenders }) => contenders.map(({ name }) => name)))];
}

/** This package's thread and process on Node, which come first of their kind, by kind. */
export function mainOnes(results) {
  const ours = rowsOf(results).flatMap(({ contenders }) => contenders.filter((entry) => entry.ours));
  const first = (kind) => ours.find((entry) => entry.kind === kind)?.name;
  return { thread: first("thread"), process: first("process") };
}

export function isMeasured({ failure, reason }) {
  return failure === undefined && reason === undefined;
}

/**
 * Where ours are behind the best of the others by more than 3 %: with that best one, and with how many times better ours
 * are, which is below 1. Others are those with the same baseline: where threads are compared with a thread and processes
 * with a process, a thread is no match for a process.
 */
export function weakPoints(results) {
  return rowsOf(results).flatMap((row) => {
    const measured = row.contenders.filter(isMeasured);
    const baselines = [...new Set(measured.map(baselineOf))];
    return baselines.flatMap((baseline) =>
      behind(
        row,
        measured.filter((entry) => baselineOf(entry) === baseline),
      ),
    );
  });
}

function behind(row, entries) {
  const better = (a, b) => (row.better === "lower" ? a.figure - b.figure : b.figure - a.figure);
  const [best] = entries.filter(({ ours, kind }) => !ours && kind !== COMPUTED).sort(better);
  if (best === undefined) {
    return [];
  }
  const ours = entries
    .filter((entry) => entry.ours)
    .map((entry) => ({ ...entry, of: timesBetter(row.better, entry.figure, best.figure) }))
    .filter(({ of }) => of < 1 - EQUAL);
  return ours.length === 0 ? [] : [{ row, best, ours }];
}

function baselineOf({ name, against = name }) {
  return against;
}

/** How many times better a figure is than another one. Two figures of nothing are equal. */
function timesBetter(better, figure, other) {
  if (figure === other) {
    return 1;
  }
  return better === "lower" ? other / figure : figure / other;
}

/** The contenders without a figure in any of `rows`, by the reason why. Failures are no reasons. */
export function leftOut(rows) {
  const entries = rows.flatMap(({ contenders }) => contenders);
  const measured = new Set(entries.filter(({ reason }) => reason === undefined).map(({ name }) => name));
  const byReason = new Map();
  for (const { name, reason } of entries) {
    if (!measured.has(name)) {
      byReason.set(reason, (byReason.get(reason) ?? new Set()).add(name));
    }
  }
  return [...byReason].map(([reason, names]) => ({ reason, names: [...names] }));
}

export function capitalised(text) {
  return text[0].toUpperCase() + text.slice(1);
}
