/** Typical values. */

const TEXT_UNITS = 1024;
const RECORDS = 100;
const BYTES = 1024 * 1024;

export const text = "The quick brown fox jumps over the lazy dog. ".repeat(TEXT_UNITS).slice(0, TEXT_UNITS);

export const records = Array.from({ length: RECORDS }, (_, index) => ({
  id: index,
  name: `user ${index}`,
  score: index * 1.5,
  active: index % 2 === 0,
  tags: ["a", "b"],
}));

export const bytes = Uint8Array.from({ length: BYTES }, (_, index) => index * 31);
