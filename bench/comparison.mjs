/** Compares two builds of one run: ratios within each round, and the verdict. */
import { spread } from "./statistics.mjs";
import { ratio } from "./summary.mjs";

/** A median ratio within this distance of 1 counts as no difference. */
const TOLERANCE = 0.03;

/** A table for each figure that the scenario compares, with a row for each pair. */
export function compare({ scenario, figures, pairs }) {
  const { title, ratioOf, compared = [ratioOf] } = scenario;
  return compared.map((figure) => ({
    title,
    figure,
    rounds: figures.get(pairs[0].mine).length,
    rows: pairs.map((pair) => row(pair, figures, figure)),
    anchors: anchorsOf(pairs).map((anchor) => ({
      contender: anchor.name,
      figure: medianOf(figures.get(anchor), figure),
    })),
  }));
}

function row({ kind, mine, other, anchor }, figures, figure) {
  const ours = figures.get(mine);
  const ratioToOther = ratio(figure, ours, figures.get(other));
  return {
    kind,
    this: medianOf(ours, figure),
    other: medianOf(figures.get(other), figure),
    ratio: ratioToOther,
    verdict: verdict(ratioToOther),
    ...(anchor && { anchor: anchor.name, ratioToAnchor: ratio(figure, ours, figures.get(anchor)) }),
  };
}

/** A ratio above 1 is better. If 1 lies between the quartiles, the rounds don't agree on the better build. */
function verdict({ median, low, high }) {
  if (Math.abs(median - 1) <= TOLERANCE || (low <= 1 && 1 <= high)) {
    return "within 3 %";
  }
  return median > 1 ? "faster" : "slower";
}

function anchorsOf(pairs) {
  return [...new Set(pairs.map(({ anchor }) => anchor))].filter((anchor) => anchor !== undefined);
}

function medianOf(turns, figure) {
  return spread(turns.map((turn) => turn[figure]));
}
