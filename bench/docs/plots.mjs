/**
 * The plots of docs/benchmarks.md, as specifications of Vega-Lite: what is shown and how. `svg.mjs` draws them.
 *
 * Contenders stand in the order of the line-up. This package's thread and process have their colours in all plots.
 */
import { BUSY, groupOf, isMeasured, mainOnes, namesOf, rowOf, rowsOf } from "../results.mjs";
import { COLOURS } from "./svg.mjs";

const WIDTH = 560;
/** Of one of two panels side by side. */
const HALF = 220;
const LINE_HEIGHT = 20;
const BASELINE = "postMessage";
/** The groups whose sequential rows carry values. */
const VALUES = [
  "objects",
  "strings",
  "strings beyond Latin-1",
  "bytes",
  "bytes to the worker",
  "bytes to the host",
];
const LOADS = { idle: "idle", ...BUSY };
const STARTS = [
  "start of a worker, to its first answer",
  "start of a worker, event loop blocked",
  "memory of an idle worker",
];
const SERVER = [
  "web server, requests per second",
  "web server, p99 of requests",
  "web server, p99 of /health",
];
const OURS = { thread: "knitting-native, thread", process: "knitting-native, process" };
const OTHERS = "others";
const WHO = [OURS.thread, OURS.process, OTHERS];
const WHO_COLOURS = [COLOURS.thread, COLOURS.process, COLOURS.others];
const LEGEND = { title: null, orient: "top", symbolOpacity: 1 };
const SHAPES = ["circle", "triangle-up", "square", "diamond"];
/** The lines of a logarithmic axis. The plot leaves out those where it has nothing. */
const POWERS = { values: Array.from({ length: 13 }, (_, index) => 10 ** (index - 4)), format: "~g" };

/** Each plot: its file's name, its title, its description for those who can't see it, and its specification. */
export function plotsOf(results) {
  return [numbers(results), values(results), busy(results), startAndMemory(results), underLoad(results)];
}

function numbers(results) {
  const { rows } = groupOf(results, "numbers");
  const idle = rows.filter(({ load }) => load === "idle");
  return {
    name: "numbers",
    title: "Time per call of one number",
    description: "By contender and size of batches. The axis is logarithmic; left is quicker.",
    spec: {
      width: WIDTH,
      height: { step: LINE_HEIGHT },
      data: { values: pointsOf(idle) },
      mark: { type: "point", filled: true, size: 60, opacity: 1 },
      encoding: {
        x: timeAxis("microseconds per call"),
        y: contenderAxis(idle),
        color: scaleOf(idle.map(shortTitle), "calls", COLOURS.series),
        shape: scaleOf(idle.map(shortTitle), "calls", SHAPES),
      },
    },
  };
}

function values(results) {
  const rows = VALUES.flatMap((name) => groupOf(results, name).rows).filter(
    ({ title, load }) => load === "idle" && title.endsWith("sequential"),
  );
  const { thread, process } = mainOnes(results);
  const points = rows.flatMap((row) =>
    row.contenders
      .filter((entry) => isMeasured(entry) && entry.ratio !== undefined && entry.name !== BASELINE)
      .filter(({ name, ours }) => !ours || name === thread || name === process)
      .map(({ ours, kind, ratio }) => ({
        row: shortTitle(row),
        ratio: ratio.median,
        who: ours ? OURS[kind] : OTHERS,
      })),
  );
  return {
    name: "values",
    title: `Values, one call after the other, against ${BASELINE}`,
    description: `How many times better each is than ${BASELINE} in the same round, by value. Right is better; ${BASELINE} is the line at 1.`,
    spec: {
      width: WIDTH,
      height: { step: LINE_HEIGHT },
      data: { values: points },
      layer: [
        { mark: { type: "rule", strokeWidth: 1.5, color: COLOURS.ink }, encoding: { x: { datum: 1 } } },
        only("others", { type: "tick", thickness: 1.5 }),
        only("ours", { type: "point", filled: true, size: 60, opacity: 1 }),
      ],
      encoding: {
        x: {
          field: "ratio",
          type: "quantitative",
          scale: { type: "log" },
          axis: { title: "times better", ...POWERS },
        },
      },
    },
  };

  function only(which, mark) {
    const filter = `datum.who ${which === "others" ? "===" : "!=="} ${JSON.stringify(OTHERS)}`;
    const y = { field: "row", type: "nominal", sort: null, axis: { title: null } };
    return { transform: [{ filter }], mark, encoding: { y, color: scaleOf(WHO, "who", WHO_COLOURS) } };
  }
}

function busy(results) {
  const titles = new Set(rowsOf(results).flatMap(({ title, load }) => (load === "idle" ? [] : [title])));
  const rows = rowsOf(results).filter((row) => titles.has(row.title));
  const loads = Object.values(LOADS);
  const shown = withoutOthersOfOurs(results);
  const points = rows.flatMap((row) =>
    row.contenders
      .filter((entry) => isMeasured(entry) && shown(entry))
      .map(({ name, figure, worst }) => ({
        row: row.title,
        name,
        load: LOADS[row.load],
        figure,
        worst: worst?.figure ?? figure,
      })),
  );
  return {
    name: "busy",
    title: "On an idle machine and beside busy processes",
    description:
      "Time per call by contender. A dot is the median of the runs, its line goes to the worst run.",
    spec: {
      data: { values: points },
      columns: 2,
      facet: { field: "row", type: "nominal", sort: [...titles], title: null },
      spec: {
        width: WIDTH / 2,
        height: { step: LINE_HEIGHT / 4, for: "offset" },
        encoding: {
          y: contenderAxis(rows, shown),
          yOffset: { field: "load", type: "nominal", sort: loads, scale: { domain: loads } },
          color: scaleOf(loads, "load", COLOURS.loads, { columns: 2 }),
        },
        layer: [
          {
            mark: { type: "rule", strokeWidth: 1.5 },
            encoding: { x: timeAxis("microseconds per call"), x2: { field: "worst" } },
          },
          {
            mark: { type: "point", filled: true, size: 20, opacity: 1 },
            encoding: { x: timeAxis("microseconds per call") },
          },
        ],
      },
    },
  };
}

function startAndMemory(results) {
  const rows = STARTS.map((id) => rowOf(results, id));
  return {
    name: "start-and-memory",
    title: "Start of a pool and memory of an idle worker",
    description: "By contender; left is better.",
    spec: { columns: 2, concat: rows.map(bars) },
  };
}

function underLoad(results) {
  const rows = [...groupOf(results, "waiting").rows, ...SERVER.map((id) => rowOf(results, id))];
  return {
    name: "under-load",
    title: "Calls that wait, and a web server",
    description: "By contender.",
    spec: { columns: 2, concat: rows.map(bars) },
  };
}

/** Bars of one row, a bar for each contender that was measured. */
function bars(row) {
  const points = row.contenders
    .filter(isMeasured)
    .map(({ name, ours, kind, figure }) => ({ name, figure, who: ours ? OURS[kind] : OTHERS }));
  return {
    title: { text: row.title, fontSize: 11, fontWeight: "normal", anchor: "start", limit: 2 * HALF },
    width: HALF,
    height: { step: LINE_HEIGHT },
    data: { values: points },
    mark: { type: "bar", height: 12 },
    encoding: {
      x: {
        field: "figure",
        type: "quantitative",
        axis: {
          title: `${UNIT_NAMES[row.unit] ?? row.unit}, ${row.better === "lower" ? "less" : "more"} is better`,
          tickCount: 5,
        },
      },
      y: contenderAxis([row]),
      color: scaleOf(WHO, "who", WHO_COLOURS),
    },
  };
}

const UNIT_NAMES = { us: "microseconds", ms: "milliseconds" };

function pointsOf(rows) {
  return rows.flatMap((row) =>
    row.contenders.filter(isMeasured).map(({ name, figure }) => ({ name, calls: shortTitle(row), figure })),
  );
}

function timeAxis(title) {
  return { field: "figure", type: "quantitative", scale: { type: "log" }, axis: { title, ...POWERS } };
}

/** Ours are bold. */
function contenderAxis(rows, shown = () => true) {
  const entries = rows
    .flatMap(({ contenders }) => contenders)
    .filter((entry) => isMeasured(entry) && shown(entry));
  const ours = new Set(entries.filter((entry) => entry.ours).map(({ name }) => name));
  const test = `indexof(${JSON.stringify([...ours])}, datum.label) >= 0`;
  return {
    field: "name",
    type: "nominal",
    sort: namesOf([{ contenders: entries }]),
    axis: { title: null, labelFontWeight: { condition: { test, value: "bold" }, value: "normal" } },
  };
}

function withoutOthersOfOurs(results) {
  const main = Object.values(mainOnes(results));
  return ({ name, ours }) => !ours || main.includes(name);
}

function scaleOf(domain, field, range, legend = {}) {
  return { field, type: "nominal", scale: { domain, range }, legend: { ...LEGEND, ...legend } };
}

function shortTitle({ title }) {
  return title.replace(/^one number, |, sequential$/, "");
}
