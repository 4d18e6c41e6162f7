/** Reduces the figures of many rounds to a few: medians over the rounds, and ratios within each round. */
import { spread } from "./statistics.mjs";

/** One row per contender: each figure, and how many times better than `baseline` it is, as medians with quartiles. */
export function summarize({ scenario, figures }, baseline) {
  const { title, ratioOf } = scenario;
  const rows = [...figures].map(([contender, turns]) => ({
    contender: contender.name,
    figures: Object.fromEntries(
      scenario.figures.map((name) => [name, spread(turns.map((turn) => turn[name]))]),
    ),
    ratio: ratio(ratioOf, turns, figures.get(baseline)),
  }));
  return { title, ratioOf, rows };
}

/** How many times better one is than the other, round by round: by shorter times or by higher rates. */
export function ratio(name, turns, others) {
  return spread(
    turns.map((turn, round) => {
      const times = turn[name] / others[round][name];
      return name === "rate" ? times : 1 / times;
    }),
  );
}
