/** Looks things up in the results of a run: their rows, their contenders, and where ours are behind. */

const LOADS = {
  idle: "",
  one: ", a busy process on one core",
  each: ", a busy process on each core",
  two: ", two busy processes on each core",
};

/** Two figures are equal within this share. */
const EQUAL = 0.03;

/** What a row's load adds to its title. */
export function loadOf(load) {
  return LOADS[load] ?? `, ${load}`;
}

export function rowsOf({ groups }) {
  return groups.flatMap(({ rows }) => rows);
}

/** The row with this id and load. One that the results lack is an error: a document needs it. */
export function rowOf(results, id, load = "idle") {
  const row = rowsOf(results).find((each) => each.id === id && each.load === load);
  if (row === undefined) {
    throw new Error(
      `The results have no row ${JSON.stringify(id)}${loadOf(load)}. The documents need a whole run`,
    );
  }
  return row;
}

/** The rows of a group. */
export function groupOf(results, name) {
  const group = results.groups.find((each) => each.name === name);
  if (group === undefined) {
    throw new Error(`The results have no group ${JSON.stringify(name)}. The documents need a whole run`);
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
 * Where one of ours is behind the best of the others by more than 3 %: a row each, with the best and with how many times
 * worse ours are.
 */
export function weakPoints(results) {
  return rowsOf(results).flatMap((row) => {
    const measured = row.contenders.filter(isMeasured);
    const better = (a, b) => (row.better === "lower" ? a.figure - b.figure : b.figure - a.figure);
    const [best] = measured.filter(({ ours }) => !ours).sort(better);
    if (best === undefined) {
      return [];
    }
    const behind = measured
      .filter(({ ours }) => ours)
      .map((entry) => ({ ...entry, of: shareOf(row.better, entry.figure, best.figure) }))
      .filter(({ of }) => of < 1 - EQUAL);
    return behind.length === 0 ? [] : [{ row, best, behind }];
  });
}

/** How many times better a figure is than another one. */
function shareOf(better, figure, other) {
  const share = better === "lower" ? other / figure : figure / other;
  return Number.isNaN(share) ? 1 : share;
}
