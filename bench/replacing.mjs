/** What replaced workers have cost: calls a second, as a share of those of workers that live on. */
import { failureOf } from "./attempt.mjs";
import { spread } from "./statistics.mjs";
import { ratio } from "./summary.mjs";

/** More than this share of the calls is served while workers are replaced. */
const LEAST_SHARE = 0.7;

/** A row for each kind of worker. Rates are calls a second, counts are sums over all rounds. */
export function replacing({ scenario, figures, kinds }) {
  const rows = kinds.map(({ kind, calm, replaced }) => row(kind, figures.get(calm), figures.get(replaced)));
  const claims = rows.map(({ kind, share }) => ({
    passed: share?.median > LEAST_SHARE,
    what: `${kind}, calls a second while workers are replaced`,
    share,
    above: LEAST_SHARE,
  }));
  return { title: scenario.title, rows, claims };
}

function row(kind, calm, replaced) {
  const failure = failureOf([...calm, ...replaced]);
  if (failure !== undefined) {
    return { kind, failure };
  }
  const sum = (name) => replaced.reduce((total, turn) => total + turn[name], 0);
  return {
    kind,
    calm: rates(calm),
    replaced: rates(replaced),
    share: ratio("rate", replaced, calm),
    recycled: sum("executions"),
    kills: sum("kills"),
    callsKilled: sum("killed"),
  };
}

function rates(turns) {
  return spread(turns.map(({ rate }) => rate));
}
