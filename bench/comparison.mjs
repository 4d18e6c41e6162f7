/** Compares two builds of one run: ratios within each round, and the verdict. */
import { failureOf } from "./failures.mjs";
import { spread } from "./statistics.mjs";
import { figureOf, ratioOf } from "./summary.mjs";

/** A median ratio within this distance of 1 counts as no difference. */
const TOLERANCE = 0.03;

/**
 * A table for each row that at least one pair has played. A pair is workers of one kind of both builds, `mine` and
 * `other`; the row's baseline stands beside them. `figures` are turns by row and contender.
 */
export function compare(rows, pairs, figures) {
  return rows.flatMap((row) => {
    const turns = figures[row.id];
    const playing = pairs
      .filter(({ mine }) => turns[mine]?.length > 0)
      .map((pair) => ({ ...pair, anchor: row.baseline?.({ name: pair.mine, kind: pair.kind }) }));
    if (playing.length === 0) {
      return [];
    }
    const anchors = [...new Set(playing.map(({ anchor }) => anchor))].filter((anchor) => turns[anchor]);
    return {
      title: row.title,
      unit: row.unit,
      rounds: turns[playing[0].mine].length,
      rows: playing.map((pair) => compared(pair, turns, row.better)),
      anchors: anchors.map((anchor) => ({ contender: anchor, ...figureOrFailure(turns[anchor]) })),
    };
  });
}

function compared({ kind, mine, other, anchor }, turns, better) {
  const failure = failureOf(turns[mine]) ?? failureOf(turns[other]);
  if (failure !== undefined) {
    return { kind, failure };
  }
  const ratio = ratioOf(turns[mine], turns[other], better);
  const besideNode = turns[anchor] !== undefined && failureOf(turns[anchor]) === undefined;
  return {
    kind,
    this: figure(turns[mine]),
    other: figure(turns[other]),
    ratio,
    verdict: verdict(ratio),
    ...(besideNode && { anchor, ratioToAnchor: ratioOf(turns[mine], turns[anchor], better) }),
  };
}

/** A ratio above 1 is better. If 1 lies between the quartiles, the rounds don't agree on the better build. */
function verdict({ median, low, high }) {
  if (Math.abs(median - 1) <= TOLERANCE || (low <= 1 && 1 <= high)) {
    return "within 3 %";
  }
  return median > 1 ? "faster" : "slower";
}

function figureOrFailure(turns) {
  const failure = failureOf(turns);
  return failure === undefined ? { figure: figure(turns) } : { failure };
}

function figure(turns) {
  return spread(turns.map(figureOf));
}
