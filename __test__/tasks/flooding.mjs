/**
 * Keys that V8 puts into one bucket of its hash tables, whatever their size: its hashes of numbers, run backwards from hashes
 * that have their low bits in common.
 */
const LOW_BITS = 16n;
const BUCKET = 5n;

const makers = {
  int32: (place) => Number(BigInt.asIntN(32, beforeInt32Hash((place << LOW_BITS) | BUCKET))),
  double: (place) => doubleOf(beforeLongHash((place << LOW_BITS) | BUCKET)),
  bigint: (place) => BigInt.asUintN(64, beforeLongHash((place << LOW_BITS) | BUCKET)),
  // Of a bigint only the lowest 64 bits are hashed.
  "bigint of 128 bits": (place) => (place << 64n) | BUCKET,
};

export const KINDS = Object.keys(makers);

/** So many keys of this kind, at most 2^16. */
export function collidingKeys(kind, count) {
  const keys = [];
  for (let place = 1n; keys.length < count; place++) {
    const key = makers[kind](place);
    if (!Number.isNaN(key)) {
      keys.push(key);
    }
  }
  return keys;
}

function beforeInt32Hash(hash) {
  let key = undoShift(hash, 16n, 32n);
  key = undoShift(divide(key, 2057n, 32n), 4n, 32n);
  key = undoShift(divide(key, 5n, 32n), 12n, 32n);
  return divide(key + 1n, (1n << 15n) - 1n, 32n);
}

function beforeLongHash(hash) {
  let key = undoShift(hash, 22n, 64n);
  key = undoShift(divide(key, 65n, 64n), 11n, 64n);
  key = undoShift(divide(key, 21n, 64n), 31n, 64n);
  return divide(key + 1n, (1n << 18n) - 1n, 64n);
}

/** What `x ^ (x >> bits)` was made of. */
function undoShift(made, bits, width) {
  let x = made;
  for (let known = bits; known < width; known += bits) {
    x = made ^ (x >> bits);
  }
  return BigInt.asUintN(Number(width), x);
}

/** What was multiplied by an odd number, in arithmetic of this width. */
function divide(product, factor, width) {
  let inverse = 1n;
  for (let correct = 1n; correct < width; correct *= 2n) {
    inverse = BigInt.asUintN(Number(width), inverse * (2n - factor * inverse));
  }
  return BigInt.asUintN(Number(width), product * inverse);
}

function doubleOf(bits) {
  return new Float64Array(BigUint64Array.of(bits).buffer)[0];
}

export const floodMap = ({ kind, count }) => new Map(collidingKeys(kind, count).map((key) => [key, null]));
export const floodSet = ({ kind, count }) => [{ members: new Set(collidingKeys(kind, count)) }];
export const alive = () => process.pid;
