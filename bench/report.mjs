/** Prints the results as aligned plain text. */
import { replacingReport, waitingReport } from "./pools-report.mjs";
import { FIGURES, written } from "./written.mjs";

const NAME_WIDTH = 20;
const MEDIAN_WIDTH = 10;
const QUARTILES_WIDTH = 18;

const READING = `\
Figures are medians over the rounds, with quartiles in brackets; a ratio above 1 is better than postMessage in the same
round. Both sides of postMessage and fork sleep between calls: they are quick while the kernel keeps them on one core, slow
when one has to wake another core, and change between the two. Wide quartiles mean that, or a machine that others use.`;

export function report({ machine, othersBusy, rounds, seconds, tables, waiting, replacing, acceptance }) {
  const claims = acceptance ? [`\nAcceptance, set for Node 24\n${acceptance.map(verdict).join("\n")}`] : [];
  return [
    headline({ machine, othersBusy, rounds, seconds }),
    ...(tables.length > 0 ? ["", READING] : []),
    ...tables.map(table),
    ...claims,
    ...waitingReport(waiting),
    ...replacingReport(replacing),
  ].join("\n");
}

/** On which machine and for how long the figures were measured. */
export function headline({ machine, othersBusy, rounds, seconds }) {
  const { cpu, cores, memoryGiB, kernel, node } = machine;
  return [
    `Node ${node}, Linux ${kernel}, ${cpu}, ${cores} cores, ${memoryGiB} GiB`,
    `${rounds} rounds in ${seconds.toFixed(0)} s; others kept ${othersBusy.toFixed(2)} cores busy meanwhile`,
  ].join("\n");
}

/** Quartiles stand beside the figure that is compared, and beside the ratio. */
function table({ title, ratioOf, rows }) {
  const columns = [ratioOf, ...Object.keys(rows[0].figures).filter((name) => name !== ratioOf), "ratio"];
  const wide = new Set([ratioOf, "ratio"]);
  const width = (name) => MEDIAN_WIDTH + (wide.has(name) ? QUARTILES_WIDTH : 0);
  const headings = columns.map((name) => FIGURES[name].heading.padStart(MEDIAN_WIDTH).padEnd(width(name)));
  const lines = rows.map(({ contender, figures, ratio }) => {
    const cells = columns.map((name) => {
      const { median, quartiles } = written(name, name === "ratio" ? ratio : figures[name]);
      return (median.padStart(MEDIAN_WIDTH) + (wide.has(name) ? ` ${quartiles}` : "")).padEnd(width(name));
    });
    return `  ${contender}`.padEnd(NAME_WIDTH) + cells.join("");
  });
  return `\n${[title, " ".repeat(NAME_WIDTH) + headings.join(""), ...lines].map((text) => text.trimEnd()).join("\n")}`;
}

function verdict({ passed, what, ratio, atLeast }) {
  const { median, quartiles } = written("ratio", ratio);
  return `  ${passed ? "pass" : "FAIL"}  ${what}: ${median} ${quartiles}, at least ${atLeast}x`;
}
