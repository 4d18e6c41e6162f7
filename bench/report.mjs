/** The results as aligned plain text. */

const NAME_WIDTH = 20;
const FIGURE_WIDTH = 12;
const RATIO_WIDTH = 28;

const COLUMNS = {
  p50: { heading: "p50", format: duration },
  p99: { heading: "p99", format: duration },
  rate: { heading: "calls/s", format: count },
};

export function report({ machine, othersBusy, rounds, seconds, tables, acceptance }) {
  const { cpu, cores, memoryGiB, kernel, node } = machine;
  return [
    `Node ${node}, Linux ${kernel}, ${cpu}, ${cores} cores, ${memoryGiB} GiB`,
    `${rounds} rounds in ${seconds.toFixed(0)} s, meanwhile others kept ${othersBusy.toFixed(2)} cores busy. Figures are medians over the rounds.`,
    "Ratios are taken within a round: their median and (quartiles); above 1 is better than postMessage.",
    ...tables.map(table),
    `\nAcceptance, set for Node 24\n${acceptance.map(verdict).join("\n")}`,
  ].join("\n");
}

function table({ title, ratioOf, rows }) {
  const names = Object.keys(rows[0].figures);
  const heading = line(
    "",
    names.map((name) => COLUMNS[name].heading),
    `${COLUMNS[ratioOf].heading} ratio`,
  );
  const lines = rows.map(({ contender, figures, ratio }) =>
    line(
      `  ${contender}`,
      names.map((name) => COLUMNS[name].format(figures[name])),
      `${times(ratio.median)} (${times(ratio.low)} - ${times(ratio.high)})`,
    ),
  );
  return `\n${title}\n${[heading, ...lines].join("\n")}`;
}

function line(name, figures, ratio) {
  const cells = figures.map((figure) => figure.padStart(FIGURE_WIDTH));
  return `${name.padEnd(NAME_WIDTH)}${cells.join("")}${ratio.padStart(RATIO_WIDTH)}`;
}

function verdict({ passed, what, ratio, atLeast }) {
  return `  ${passed ? "pass" : "FAIL"}  ${what}: ${times(ratio.median)}, at least ${times(atLeast)}`;
}

function duration(micros) {
  return micros < 1e3 ? `${micros.toFixed(1)} us` : `${(micros / 1e3).toFixed(2)} ms`;
}

function count(perSecond) {
  return Math.round(perSecond).toLocaleString("en-US");
}

function times(ratio) {
  return `${ratio.toFixed(ratio < 10 ? 2 : 1)}x`;
}
