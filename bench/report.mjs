/** Prints the results of a run as aligned plain text: a block for each row, with a line for each contender. */
import { capitalised, isMeasured, leftOut, rowsOf, titleOf } from "./results.mjs";
import { figure, percentile, times } from "./written.mjs";

const WIDTH = 10;
const RATIO_WIDTH = 24;
const LINE_WIDTH = 110;

const READING = `\
A time is that of all calls over their number, collections of garbage included. Of what is no call, a figure is the
median over the rounds. p50 and p99 are those of single calls, or of batches over their size: medians over the rounds.
"ratio" compares with the contender that the row names, in the same round: the median of these ratios, with quartiles in
brackets; above 1 is better. Contenders take turns in each round, in an order that rotates.

A row with busy processes is several fresh processes. Its figures are medians over them, "worst" is the worst.
Contenders that were not measured stand below a row, with the reason. What gave a wrong answer or none says FAILED.`;

const QUICK = `\
A quick run has few calls before those that count, and the code of some is not compiled yet. It also leaves out:`;

const HEADINGS = { us: "time", ms: "time", ns: "time", MiB: "memory", share: "share" };

/** The whole text of a run. */
export function report(results) {
  const names = rowsOf(results).flatMap(({ contenders }) => contenders.map(({ name }) => name.length));
  const nameWidth = 4 + Math.max(0, ...names);
  return [
    headline(results),
    versionsOf(results.versions),
    `\n${READING}`,
    ...results.groups.flatMap(({ title, rows }) => [
      `\n\n${capitalised(title)}\n${"=".repeat(title.length)}`,
      ...rows.map((row) => block(row, nameWidth)),
    ]),
    ...floorsOf(results.floors),
    ...leftOutOf(results),
    failuresOf(results),
  ].join("\n");
}

/** On which machine and for how long the figures were measured. */
export function headline({ machine, othersBusy, rounds, seconds, quick, commit }) {
  const { cpu, cores, memoryGiB, kernel, node } = machine;
  const run = [
    `${rounds === undefined ? "" : `${rounds} rounds in `}${seconds.toFixed(0)} s${quick ? ", a quick run" : ""}`,
    `others kept ${othersBusy.toFixed(2)} cores busy meanwhile`,
    ...(commit ? [`commit ${commit}`] : []),
  ];
  return `Node ${node}, Linux ${kernel}, ${cpu}, ${cores} cores, ${memoryGiB} GiB\n${run.join("; ")}`;
}

function versionsOf(versions) {
  const lines = [""];
  for (const part of Object.entries(versions).map((entry) => entry.join(" "))) {
    const line = lines.at(-1);
    if (line === "") {
      lines[lines.length - 1] = part;
    } else if (line.length + part.length + 2 <= LINE_WIDTH) {
      lines[lines.length - 1] = `${line}, ${part}`;
    } else {
      lines[lines.length - 1] = `${line},`;
      lines.push(part);
    }
  }
  return lines.join("\n");
}

/** One row. Columns that no contender has a figure for are left out. */
function block(row, nameWidth) {
  const { unit, rounds, contenders } = row;
  const baselines = [...new Set(contenders.flatMap(({ against }) => against ?? []))];
  const columns = [
    { heading: HEADINGS[unit] ?? unit, cell: (entry) => figure(entry.figure, unit) },
    ...["p50", "p99"].map((name) => ({
      heading: name,
      cell: (entry) => entry[name] !== undefined && percentile(entry[name], unit),
    })),
    { heading: "ratio", width: RATIO_WIDTH, cell: ({ ratio }) => ratio && spread(ratio) },
    {
      heading: "worst",
      width: RATIO_WIDTH,
      cell: ({ worst }) => worst && `${figure(worst.figure, unit)}${inBrackets(worst.ratio)}`,
    },
    { heading: "", width: 0, cell: ({ against }) => baselines.length > 1 && against && `of ${against}` },
  ].map((column) => ({ width: WIDTH, ...column }));
  const measured = contenders.filter(isMeasured);
  const shown = columns.filter(({ cell }) => measured.some(cell));
  const baseline = baselines.length > 1 ? "the one that its line names" : baselines[0];
  const ratio = baseline === undefined ? "" : `, ratio to ${baseline}`;
  const count = `${rounds} ${rounds === 1 ? "round" : "rounds"}`;
  return [
    `\n${titleOf(row)} (${count}${ratio})`,
    ...(measured.length === 0 ? [] : [line("", nameWidth, shown, ({ heading }) => heading)]),
    ...contenders
      .filter(({ reason }) => reason === undefined)
      .map((entry) =>
        isMeasured(entry)
          ? line(entry.name, nameWidth, shown, ({ cell }) => cell(entry) || "")
          : `${`  ${entry.name}`.padEnd(nameWidth)}FAILED: ${entry.failure}`,
      ),
    ...leftOut([row]).map(({ reason, names }) => `  - ${reason}: ${names.join("; ")}`),
  ].join("\n");
}

function line(name, nameWidth, columns, textOf) {
  const cells = columns.map((column) =>
    column.width === WIDTH ? textOf(column).padStart(WIDTH) : `  ${textOf(column).padEnd(column.width)}`,
  );
  return `${`  ${name}`.padEnd(nameWidth)}${cells.join("")}`.trimEnd();
}

function spread({ median, low, high }) {
  const quartiles = low === high ? "" : ` (${times(low).slice(0, -1)} - ${times(high).slice(0, -1)})`;
  return times(median).padStart(6) + quartiles;
}

function inBrackets(ratio) {
  return ratio === undefined ? "" : ` (${times(ratio)})`;
}

/** What the machine itself needs for the parts of a call. */
function floorsOf(floors) {
  if (floors.length === 0) {
    return [];
  }
  const width = 4 + Math.max(...floors.map(({ title }) => title.length));
  const lines = floors.map((floor) => `  ${floor.title.padEnd(width)}${floorOf(floor)}`);
  return ["\n\nFloors: what the machine takes, in Rust", ...lines];
}

function floorOf({ figure: median, low, high, unit, reason }) {
  if (median === undefined) {
    return `- ${reason}`;
  }
  return low === undefined
    ? figure(median, unit)
    : `${figure(median, unit)} (${figure(low, unit)} - ${figure(high, unit)})`;
}

/** What a quick run has not measured. */
function leftOutOf({ leftOut = [] }) {
  return leftOut.length === 0 ? [] : [`\n${QUICK}`, ...leftOut.map((title) => `  ${title}`)];
}

/** All failures again, because a whole run has many lines. */
function failuresOf(results) {
  const failed = rowsOf(results).flatMap((row) =>
    row.contenders
      .filter(({ failure }) => failure !== undefined)
      .map(({ name, failure }) => `  FAILED: ${name}, ${titleOf(row)}: ${failure}`),
  );
  return failed.length === 0 ? "\nNothing failed." : `\n${failed.length} failed:\n${failed.join("\n")}`;
}
