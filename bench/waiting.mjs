/** What open arrivals have shown: how long calls waited, in each pool and beside the better peer. */
import { failureOf } from "./attempt.mjs";
import { quantile } from "./statistics.mjs";

/** A wait counts as no longer than another one up to this share of it. */
const NO_LONGER = 1.02;
const WAITS = { p50: 0.5, p99: 0.99 };

/**
 * A row for each contender: quantiles of the waits of all its calls, of the time by which the host made calls too late,
 * and the `shares` of its waits in those of the better peer, unless a peer has failed. `least` are the waits if one
 * queue cost nothing. Those who are no peers have `claims`. Times are in microseconds.
 */
export function waiting({ scenario, figures, peers }) {
  const measured = new Map([...figures].map(([contender, turns]) => [contender, measure(turns)]));
  const better = betterOf(peers.map((peer) => measured.get(peer)));
  const rows = [...measured].map(([contender, row]) => ({
    contender: contender.name,
    ...row,
    ...(better && !row.failure && { shares: byWait((name) => row[name] / better[name]) }),
  }));
  const others = peers.map(({ name }) => name);
  return {
    title: scenario.title,
    rows,
    least: quantiles(scenario.least(figures.get(peers[0]).length)),
    claims: rows.filter(({ contender }) => !others.includes(contender)).flatMap(claimsOf),
  };
}

function claimsOf({ contender, shares }) {
  return Object.keys(WAITS).map((name) => {
    const share = shares?.[name];
    return { passed: share <= NO_LONGER, what: `${contender}, ${name} of waiting`, share, atMost: NO_LONGER };
  });
}

/** The shorter waits of several peers. */
function betterOf(measured) {
  return measured.some(({ failure }) => failure)
    ? undefined
    : byWait((name) => Math.min(...measured.map((each) => each[name])));
}

function byWait(figure) {
  return Object.fromEntries(Object.keys(WAITS).map((name) => [name, figure(name)]));
}

function measure(turns) {
  const failure = failureOf(turns);
  return failure === undefined
    ? {
        ...quantiles(turns.flatMap(({ waits }) => waits)),
        late: quantiles(turns.flatMap(({ late }) => late)),
      }
    : { failure };
}

function quantiles(millis) {
  const sorted = Float64Array.from(millis, (each) => each * 1e3).sort();
  return byWait((name) => quantile(sorted, WAITS[name]));
}
