/** What every contender's worker does: as little as possible, so that what is measured is the way there and back. */

export const inc = (x) => x + 1;

export const echo = (value) => value;
