/** Formats figures for people. */

/** Units, each with its size in the measured unit, the smallest first. */
const TIME = [
  { size: 1, sign: " µs" },
  { size: 1e3, sign: " ms" },
  { size: 1e6, sign: " s" },
];
const MILLIS = TIME.map(({ size, sign }) => ({ size: size / 1e3, sign }));
const NANOS = [{ size: 1, sign: " ns" }, ...TIME.map(({ size, sign }) => ({ size: size * 1e3, sign }))];
const MEMORY = [
  { size: 1 / 1024, sign: " KiB" },
  { size: 1, sign: " MiB" },
  { size: 1024, sign: " GiB" },
];
const SHARE = [{ size: 0.01, sign: " %" }];

const RATE = [
  { size: 1, sign: "/s" },
  { size: 1e3, sign: " k/s" },
  { size: 1e6, sign: " M/s" },
];

/** The units that a row of the results may have. */
const UNITS = { ns: NANOS, us: TIME, ms: MILLIS, MiB: MEMORY, "calls/s": RATE, share: SHARE };

/** A figure of a row, in the size of its unit that suits it. */
export function figure(value, unit) {
  const { size, sign } = suited(UNITS[unit] ?? [{ size: 1, sign: ` ${unit}` }], value);
  return `${digits(value / size)}${sign}`;
}

/** A percentile of single calls: a time, also in a row about something else. */
export function percentile(value, unit) {
  return figure(value, unit === "ms" ? unit : "us");
}

/** A ratio, such as "10.3x". There is none to nothing at all, which JSON writes as null. */
export function times(ratio) {
  return Number.isFinite(ratio) ? `${digits(ratio)}x` : "–";
}

function suited(units, value) {
  return units.findLast(({ size }) => value >= size) ?? units[0];
}

/** The least value with so many digits after the point. Whole numbers begin at 100. */
const DIGITS = [
  { from: 100, digits: 0 },
  { from: 10, digits: 1 },
  { from: 0.1, digits: 2 },
  { from: 0.01, digits: 3 },
  { from: Number.MIN_VALUE, digits: 4 },
];

/** Formats with two or three digits, or with more before the point if needed. */
function digits(value) {
  return value.toFixed(DIGITS.find(({ from }) => value >= from)?.digits ?? 0);
}
