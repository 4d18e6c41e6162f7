/** Several rows with the figures of one turn. */

/** Returns `measure` as a function that measures a contender once in each round, and returns the same figures again. */
export function oncePerRound(measure) {
  const last = new Map();
  return (contender, context) => {
    const { name } = contender;
    if (last.get(name)?.round !== context.round) {
      last.set(name, { round: context.round, figures: measure(contender, context) });
    }
    return last.get(name).figures;
  };
}
