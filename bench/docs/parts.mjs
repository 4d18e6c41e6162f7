/**
 * The generated parts of README.md and docs/benchmarks.md, by the names in their markers. A part that is a block has
 * blank lines around it; one within a sentence is a few words.
 */
import {
  BUSY,
  capitalised,
  isMeasured,
  leftOut,
  mainOnes,
  namesOf,
  rowOf,
  titleOf,
  weakPoints,
} from "../results.mjs";
import { figure, percentile, times } from "../written.mjs";

/** So many columns fit on a page. */
const MAX_COLUMNS = 8;

/** The columns of README's table: the heading, the row, and its load. */
const SHORT = [
  ["one call after the other", "one number, sequential", "idle"],
  ["the same on a busy machine", "one number, sequential", "two"],
  ["a call in batches of 100", "one number, batches of 100", "idle"],
  ["the same on a busy machine", "one number, batches of 100", "two"],
  ["1 MiB there and back", "bytes, 1 MiB, sequential", "idle"],
];

export const PARTS = {
  machine: ({ machine: { cpu, cores, memoryGiB, kernel, node } }) =>
    `Node ${node.replace("v", "")}, Linux ${kernel}, ${cpu}, ${cores} cores, ${memoryGiB} GiB`,
  "others-busy": ({ othersBusy }) => `${othersBusy.toFixed(2)} cores`,
  duration: ({ seconds }) => `${Math.round(seconds / 60)} minutes`,
  commit: ({ commit }) => `\`${commit}\``,
  versions: ({ versions }) =>
    block(
      Object.entries(versions)
        .map(([name, version]) => `${name} ${version}`)
        .join(", "),
    ),
  figure: (results, words) => oneFigure(results, words),
  calls: (results) => block(callsTable(results)),
  "weak-points": (results) => block(weakPointsTable(results)),
  tables: (results) => block(results.groups.map(groupSection).join("\n\n")),
  floors: ({ floors }) =>
    block(
      table(
        ["", ""],
        floors.map((floor) => [floor.title, floor.reason ?? figure(floor.figure, floor.unit)]),
      ),
    ),
};

/**
 * A figure within a sentence. Its words are `row | load | contender | what`, where the contender is a name, or `thread`
 * or `process` for those of this package, and `what` is `figure`, `p50`, `p99`, `ratio`, `worst` or `worst ratio`.
 */
function oneFigure(results, words) {
  const [id, load, who, what] = words.split("|").map((word) => word.trim());
  const row = rowOf(results, id, load);
  const name = mainOnes(results)[who] ?? who;
  const entry = row.contenders.find((each) => each.name === name);
  if (entry === undefined || !isMeasured(entry)) {
    throw new Error(`The results have no figure for "${words}"`);
  }
  const { ratio, worst } = entry;
  const values = {
    figure: entry.figure,
    p50: entry.p50,
    p99: entry.p99,
    ratio: ratio?.median,
    worst: worst?.figure,
    "worst ratio": worst?.ratio,
  };
  if (values[what] === undefined) {
    throw new Error(`The results have no "${what}" for "${words}"`);
  }
  if (what.endsWith("ratio")) {
    return times(values[what]);
  }
  return /^p\d/.test(what) ? percentile(values[what], row.unit) : figure(values[what], row.unit);
}

/** README's table: this package's two kinds, then all others. */
function callsTable(results) {
  const rows = SHORT.map(([, id, load]) => rowOf(results, id, load));
  const main = mainOnes(results);
  const ours = { [main.process]: "knitting-native, process", [main.thread]: "knitting-native, thread" };
  const others = rows[0].contenders.filter((entry) => !entry.ours).map(({ name }) => name);
  const lines = [main.process, main.thread, ...others].map((name) => {
    const bold = (text) => (ours[name] ? `**${text}**` : text);
    return [bold(ours[name] ?? name), ...rows.map((row) => bold(shortCell(entryOf(row, name), row)))];
  });
  return table(["", ...SHORT.map(([heading]) => heading)], lines);
}

function shortCell(entry, row) {
  if (entry === undefined || !isMeasured(entry)) {
    return unmeasured(entry);
  }
  const worst = entry.worst === undefined ? "" : `, worst ${figure(entry.worst.figure, row.unit)}`;
  return `${figure(entry.figure, row.unit)}${worst}`;
}

/** Where one of ours is behind: a row each. */
function weakPointsTable(results) {
  const points = weakPoints(results);
  if (points.length === 0) {
    return "None in this run.";
  }
  const lines = points.map(({ row, best, ours }) => [
    titleOf(row),
    `${best.name}, ${figure(best.figure, row.unit)}`,
    ours.map(({ name, figure: own, of }) => `${name} ${figure(own, row.unit)} (${times(of)})`).join(", "),
  ]);
  return table(["work", "the best of the others", "of this package"], lines, "---");
}

/** The rows of a group across, contenders down. Rows on busy machines have tables of their own. */
function groupSection({ title, rows }) {
  const loads = [...new Set(rows.map(({ load }) => load))];
  const tables = loads.flatMap((load) => {
    const those = rows.filter((row) => row.load === load);
    const heading = load === "idle" ? [] : [`With ${BUSY[load]}:`];
    return [...heading, ...chunks(those, MAX_COLUMNS).map(matrix)];
  });
  return [`### ${capitalised(title)}`, ...tables, ...notes(rows)].join("\n\n");
}

function matrix(rows) {
  const absent = new Set(leftOut(rows).flatMap((each) => each.names));
  const names = namesOf(rows).filter((name) => !absent.has(name));
  const lines = names.map((name) => {
    const entries = rows.map((row) => [entryOf(row, name), row]);
    const bold = entries.some(([entry]) => entry?.ours) ? "**" : "";
    return [`${bold}${name}${bold}`, ...entries.map(([entry, row]) => cell(entry, row))];
  });
  return table(["", ...rows.map(({ title }) => title)], lines);
}

function cell(entry, { unit }) {
  if (entry === undefined || !isMeasured(entry)) {
    return unmeasured(entry);
  }
  const ratio = entry.ratio === undefined ? "" : ` (${times(entry.ratio.median)})`;
  const worst = entry.worst === undefined ? "" : `, worst ${figure(entry.worst.figure, unit)}`;
  // The time of a call and its median are much the same, of other rows the median says something else.
  const median = entry.p50 === undefined || unit === "us" ? "" : `, p50 ${percentile(entry.p50, unit)}`;
  return `${figure(entry.figure, unit)}${ratio}${worst}${median}`;
}

function unmeasured(entry) {
  return entry?.failure === undefined ? "–" : "failed";
}

/** Why cells have no figure: a line for each reason with its contenders, and for each failure. */
function notes(rows) {
  const why = new Map();
  const add = (text, name, title) => {
    const titles = why.get(text)?.get(name) ?? [];
    why.set(text, (why.get(text) ?? new Map()).set(name, [...titles, title]));
  };
  for (const row of rows) {
    const title = titleOf(row);
    for (const { name, failure, reason } of row.contenders) {
      if (failure !== undefined) {
        add(`Failed, ${failure}`, name, title);
      } else if (reason !== undefined) {
        add(capitalised(reason), name, title);
      }
    }
  }
  const lines = [...why].map(([text, names]) => `- ${text}: ${[...names].map(withTitles).join("; ")}`);
  return lines.length === 0 ? [] : [lines.join("\n")];

  function withTitles([name, titles]) {
    return titles.length === rows.length ? name : `${name} (${titles.join(", ")})`;
  }
}

function entryOf(row, name) {
  return row.contenders.find((entry) => entry.name === name);
}

function chunks(rows, size) {
  const count = Math.ceil(rows.length / size);
  const even = Math.ceil(rows.length / count);
  return Array.from({ length: count }, (_, index) => rows.slice(index * even, (index + 1) * even));
}

/** A table. Figures stand right of their column, words left. */
function table(headings, lines, align = "---:") {
  const rule = headings.map((_, index) => (index === 0 ? "---" : align));
  return [headings, rule, ...lines].map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}

function block(text) {
  return `\n\n${text}\n\n`;
}
