/** Formats figures for people. */

/** Units, each with its size in the measured unit, the smallest first. */
const TIME = [
  { size: 1, sign: " us" },
  { size: 1e3, sign: " ms" },
];
const COUNT = [
  { size: 1, sign: "" },
  { size: 1e3, sign: " k" },
  { size: 1e6, sign: " M" },
];
const TIMES = [{ size: 1, sign: "x" }];

export const FIGURES = {
  p50: { heading: "p50", units: TIME },
  p99: { heading: "p99", units: TIME },
  rate: { heading: "calls/s", units: COUNT },
  start: { heading: "until the first answer", units: TIME },
  blocked: { heading: "the part that blocks the event loop", units: TIME },
  ratio: { heading: "ratio", units: TIMES },
};

/** A median with quartiles, in the unit that suits the median. */
export function written(name, { median, low, high }) {
  const { units } = FIGURES[name];
  const { size, sign } = units.findLast((unit) => median >= unit.size) ?? units[0];
  const [middle, ...ends] = [median, low, high].map((value) => digits(value / size));
  return { median: `${middle}${sign}`, quartiles: low === high ? "" : `(${ends.join(" - ")})` };
}

/** Formats with three digits, or with more before the point if needed. */
function digits(value) {
  return value.toFixed(value < 10 ? 2 : value < 100 ? 1 : 0);
}
