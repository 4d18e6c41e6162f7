/**
 * Reduces the turns of a row to figures.
 *
 * A turn about calls has `calls` and the `micros` that they took together; its figure is a time per call. Another turn
 * has one `value`, in the row's unit. Both may have `p50` and `p99`.
 */
import { failureOf } from "./failures.mjs";
import { spread } from "./statistics.mjs";

/**
 * The cells of a row, one for each contender. `sittings` are what `play` returned for the row in each sitting: turns by
 * contender. A figure is the total time over all calls, or the median of values. A `ratio` is the median over the rounds
 * of how many times better the contender was than its baseline in the same round, with quartiles.
 *
 * Of a row that was played in `fresh` processes to see how far they differ, each process has one figure: the cell's
 * figure is their median and `worst` the worst of them.
 */
export function summarize(row, lineUp, sittings, { fresh = false } = {}) {
  return lineUp.map((contender) => {
    const { name, kind, ours = false } = contender;
    const cell = { name, ours, kind };
    const reason = sittings.map(({ reasons }) => reasons[name]).find(Boolean);
    if (reason !== undefined) {
      return { ...cell, reason };
    }
    const turns = sittings.map(({ figures }) => figures[name] ?? []);
    const failure = failureOf(turns.flat());
    if (failure !== undefined) {
      return { ...cell, failure };
    }
    if (turns.flat().length === 0) {
      return { ...cell, failure: "it had no turn" };
    }
    const against = row.baseline?.(contender);
    const others = sittings.map(({ figures }) => figures[against] ?? []);
    const compared = others.flat().length > 0 && failureOf(others.flat()) === undefined;
    return {
      ...cell,
      figure: fresh ? spread(turns.map(total)).median : total(turns.flat()),
      ...percentiles(turns.flat()),
      ...(compared && { against, ratio: ratio(turns, others, row, fresh) }),
      ...(fresh && { worst: worst(turns, compared && others, row) }),
    };
  });
}

/** How many times better one is than the other, round by round. */
export function ratioOf(turns, others, better) {
  return spread(
    turns.flatMap((turn, round) =>
      others[round] === undefined ? [] : [timesBetter(figureOf(turn), figureOf(others[round]), better)],
    ),
  );
}

/** The figure of one turn. */
export function figureOf({ value, micros, calls }) {
  return value ?? micros / calls;
}

function ratio(turns, others, row, fresh) {
  return fresh
    ? spread(ratiosOfProcesses(turns, others, row))
    : ratioOf(turns.flat(), others.flat(), row.better);
}

/** The worst figure and the worst ratio of a process. */
function worst(turns, others, row) {
  const figures = turns.map(total);
  return {
    figure: row.better === "higher" ? Math.min(...figures) : Math.max(...figures),
    ...(others && { ratio: Math.min(...ratiosOfProcesses(turns, others, row)) }),
  };
}

function ratiosOfProcesses(turns, others, { better }) {
  return turns.map((ofProcess, index) => timesBetter(total(ofProcess), total(others[index]), better));
}

function total(turns) {
  if (turns[0].value !== undefined) {
    return spread(turns.map(({ value }) => value)).median;
  }
  const sum = (name) => turns.reduce((all, turn) => all + turn[name], 0);
  return sum("micros") / sum("calls");
}

function percentiles(turns) {
  return Object.fromEntries(
    ["p50", "p99"]
      .filter((name) => turns[0][name] !== undefined)
      .map((name) => [name, spread(turns.map((turn) => turn[name])).median]),
  );
}

function timesBetter(figure, other, better) {
  // Two zeros as well.
  if (figure === other) {
    return 1;
  }
  return better === "higher" ? figure / other : other / figure;
}
