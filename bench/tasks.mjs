/**
 * The work of every contender's worker: as little as possible, so that the benchmark measures the way to the worker and
 * back.
 */

export const inc = (x) => x + 1;

export const echo = (value) => value;
