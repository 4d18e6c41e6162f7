/** Prints the results of pools with several workers as aligned plain text. */
import { written } from "./written.mjs";

const NAME_WIDTH = 20;
const WIDTH = 14;

const WAITING = `\
Waiting is the time from when a call was due until a worker began it, over the calls of all rounds, with two workers in
each pool. "of the better" divides it by that of the better of the peers: below 1 the wait is shorter. "host late" is
the part of the wait that passed before the host made the call, p99. The last line is computed: one queue that costs
nothing.`;

const REPLACING = `\
"calm" are the same calls in a pool whose workers live on, in turns with the other; rates are medians over the rounds,
"of calm" is the median of the ratios within each round, with quartiles in brackets. Counts are those of all rounds.`;

/** The tables of open arrivals. */
export function waitingReport(tables) {
  const headings = ["p50", "of the better", "p99", "of the better", "host late"];
  return section(WAITING, tables, ({ title, rows, least }) => [
    title,
    line("", headings),
    ...rows.map(({ contender, failure, p50, p99, shares, late }) =>
      failure === undefined
        ? line(contender, [time(p50), times(shares?.p50), time(p99), times(shares?.p99), time(late.p99)])
        : failed(contender, failure),
    ),
    line("at least", [time(least.p50), "", time(least.p99)]),
  ]);
}

/** The tables of replaced workers. */
export function replacingReport(tables) {
  const headings = ["calm", "replaced", "of calm", "", "recycled", "killed", "calls killed"];
  return section(REPLACING, tables, ({ title, rows }) => [
    title,
    line("", headings),
    ...rows.map(({ kind, failure, calm, replaced, share, recycled, kills, callsKilled }) => {
      if (failure !== undefined) {
        return failed(kind, failure);
      }
      const { median, quartiles } = written("ratio", share);
      const counts = [recycled, kills, callsKilled].map(String);
      return line(kind, [rate(calm), rate(replaced), median, quartiles, ...counts]);
    }),
  ]);
}

function section(reading, tables, linesOf) {
  if (tables.length === 0) {
    return [];
  }
  return [
    `\n${reading}`,
    ...tables.map((table) => `\n${[...linesOf(table), ...table.claims.map(verdict)].join("\n")}`),
  ];
}

function line(name, cells) {
  return `${`  ${name}`.padEnd(NAME_WIDTH)}${cells.map((cell) => cell.padStart(WIDTH)).join("")}`.trimEnd();
}

function failed(name, failure) {
  return `${`  ${name}`.padEnd(NAME_WIDTH)}  FAILED: ${failure}`;
}

function verdict({ passed, what, share, atMost, above }) {
  const limit = atMost === undefined ? `above ${above}x` : `at most ${atMost}x`;
  const figure = times(share?.median ?? share);
  return `  ${passed ? "pass" : "FAIL"}  ${what}: ${figure}, ${limit}`;
}

function time(micros) {
  return written("p50", single(micros)).median;
}

function times(share) {
  return share === undefined ? "-" : written("ratio", single(share)).median;
}

function rate({ median }) {
  return written("rate", single(median)).median;
}

function single(value) {
  return { median: value, low: value, high: value };
}
