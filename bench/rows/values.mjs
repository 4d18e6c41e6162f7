/** The values that calls carry. Sizes are in bytes of content; a text beyond Latin-1 has two of them in each unit. */

export const KIB = 1024;
export const MIB = 1024 * 1024;

const LATIN = "The quick brown fox jumps over the lazy dog. ";
const BEYOND_LATIN = "Ξεσκεπάζω την ψυχοφθόρα βδελυγμία. ";
const RECORDS = 100;

export const smallObject = {
  id: 4711,
  name: "user 4711",
  position: { x: 1.5, y: -2.25 },
  settings: { theme: "dark", digest: true },
};

export const records = Array.from({ length: RECORDS }, (_, index) => ({
  id: index,
  name: `user ${index}`,
  score: index * 1.5,
  active: index % 2 === 0,
  tags: ["a", "b"],
}));

export function latinText(size) {
  return flat(LATIN.repeat(Math.ceil(size / LATIN.length)).slice(0, size), "latin1");
}

export function textBeyondLatin(size) {
  const units = size / 2;
  return flat(BEYOND_LATIN.repeat(Math.ceil(units / BEYOND_LATIN.length)).slice(0, units), "utf16le");
}

export function bytes(size) {
  return Uint8Array.from({ length: size }, (_, index) => index * 31);
}

/** "1 KiB" */
export function sizeName(size) {
  return size >= MIB ? `${size / MIB} MiB` : size >= KIB ? `${size / KIB} KiB` : `${size} B`;
}

/** V8 keeps a repeated and cut text as a tree of its parts. A text from bytes has none. */
function flat(text, encoding) {
  return Buffer.from(text, encoding).toString(encoding);
}
