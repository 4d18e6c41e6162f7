/** Prints two builds side by side as aligned plain text. */
import { headline } from "./report.mjs";
import { figure as figureOf, times as timesOf } from "./written.mjs";

const NAME_WIDTH = 20;
const WIDTH = 12;
const RATIO_WIDTH = 26;

const READING = `\
"this" and "other" are medians over the rounds. "this to other" is the median of the ratios within each round, with
quartiles in brackets: above 1 this build is better, whether a time is compared or a rate. "this to Node's" is the same
with what Node itself has in the place of the other build.

The rounds are dealt to several processes, and in every other one the other build comes first: how V8 compiles a copy
and how its memory lies is luck that lasts as long as a process.

The verdict is "within 3 %" if the median ratio is from 0.97 to 1.03, or if 1 lies between its quartiles: then the
rounds don't agree on which build is better, and a row can't show a difference smaller than its quartiles are wide.
Noisy by nature are what blocks the event loop, a few milliseconds or less that vary by a fifth from start to start, and
a call after silence, which waits until the kernel has woken a core. Where a process is fresh, createPool also loads
what it needs.`;

export function comparisonReport({ machine, othersBusy, builds, rounds, seconds, tables }) {
  return [
    headline({ machine, othersBusy, rounds, seconds }),
    ...Object.entries(builds).map(
      ([name, { folder, commit }]) => `${name}: ${folder}${commit ? ` (${commit})` : ""}`,
    ),
    "",
    READING,
    ...tables.map(table),
  ].join("\n");
}

function table({ title, unit, rounds, rows, anchors }) {
  const besideNode = rows.some(({ anchor }) => anchor !== undefined);
  const headings = ["", "this", "other", "this to other", "verdict", besideNode ? "this to Node's" : ""];
  return [
    `\n${title}, ${rounds} rounds`,
    line(headings),
    ...rows.map((row) => line(row.failure ? [row.kind, "FAILED", row.failure] : cells(row, unit))),
    ...anchors.map(({ contender, figure, failure }) =>
      line([contender, ...(failure ? ["FAILED", failure] : [figureOf(figure.median, unit)])]),
    ),
  ].join("\n");
}

function cells({ kind, this: mine, other, ratio, verdict, anchor, ratioToAnchor }, unit) {
  const { median, low, high } = ratio;
  return [
    kind,
    figureOf(mine.median, unit),
    figureOf(other.median, unit),
    `${timesOf(median)} (${timesOf(low).slice(0, -1)} - ${timesOf(high).slice(0, -1)})`,
    verdict,
    anchor ? `${timesOf(ratioToAnchor.median)} ${anchor}` : "",
  ];
}

function line([name, mine, other = "", ratio = "", verdict = "", anchor = ""]) {
  const columns = [
    `  ${name}`.padEnd(NAME_WIDTH),
    mine.padStart(WIDTH),
    other.padStart(WIDTH),
    "   ",
    ratio.padEnd(RATIO_WIDTH),
    verdict.padEnd(WIDTH),
    anchor,
  ];
  return columns.join("").trimEnd();
}
