/**
 * Detects keys of one Map or Set that collide in V8's hash table.
 *
 * V8 hashes numbers and bigints without a secret, and only the lowest 64 bits of a bigint. An attacker who knows that
 * can choose keys that all fall into one bucket, and each further key is then compared with all of them. Strings are
 * hashed with a secret, and objects and symbols have random numbers, so nobody can choose those.
 *
 * This module computes the same hashes and counts the chains that V8 would walk. A Map has at most two entries per
 * bucket, so a chain of more than a few entries is no accident. A test compares these hashes with the time that V8
 * takes for such keys.
 */

/** Collections with at most this many keys are not checked. */
export const FEW_KEYS = 128;
/** Chains of keys that nobody has chosen are no longer than this. */
const USUAL_CHAIN = 16;
/** Bytes of keys that are compared in the time of one step along a chain. */
const COMPARED_BYTES = 64;

export class Chains {
  readonly #hashes: Uint32Array;
  #lengths = new Uint32Array(2);
  #hashed = 0;

  /** For a collection of `count` keys. */
  constructor(count: number) {
    this.#hashes = new Uint32Array(count);
  }

  /**
   * Adds the next key, which took this many bytes. Returns the number of steps along its chain that are too many; 0 for
   * a key that nobody has chosen.
   */
  add(key: unknown, bytes: number): number {
    const hash =
      typeof key === "number" ? hashOfNumber(key) : typeof key === "bigint" ? hashOfBigint(key) : -1;
    if (hash < 0) {
      return 0;
    }
    if (this.#hashed === 2 * this.#lengths.length) {
      this.#grow();
    }
    this.#hashes[this.#hashed++] = hash;
    const before = this.#lengths[hash & (this.#lengths.length - 1)]++;
    return before > USUAL_CHAIN ? before * (1 + Math.floor(bytes / COMPARED_BYTES)) : 0;
  }

  #grow(): void {
    this.#lengths = new Uint32Array(2 * this.#lengths.length);
    const mask = this.#lengths.length - 1;
    for (let index = 0; index < this.#hashed; index++) {
      this.#lengths[this.#hashes[index] & mask]++;
    }
  }
}

const float = new Float64Array(1);
/** The lower and the upper half. The addon supports only little-endian processors. */
const halves = new Uint32Array(float.buffer);

function hashOfNumber(value: number): number {
  if ((value | 0) === value) {
    return hashOfInt32(value | 0);
  }
  float[0] = value;
  return hashOf64(halves[1], halves[0]);
}

function hashOfBigint(value: bigint): number {
  const lowest = BigInt.asUintN(64, value < 0n ? -value : value);
  return hashOf64(Number(lowest >> 32n), Number(lowest & 0xffffffffn));
}

/** V8's ComputeUnseededHash. */
function hashOfInt32(value: number): number {
  let hash = (~value + (value << 15)) | 0;
  hash ^= hash >>> 12;
  hash = (hash + (hash << 2)) | 0;
  hash ^= hash >>> 4;
  hash = Math.imul(hash, 2057);
  hash ^= hash >>> 16;
  return hash & 0x3fffffff;
}

/** V8's ComputeLongHash, 64-bit arithmetic in two halves. */
function hashOf64(high: number, low: number): number {
  // ~key + (key << 18)
  let sum = (~low >>> 0) + ((low << 18) >>> 0);
  let l = sum >>> 0;
  let h = (~high + ((high << 18) | (low >>> 14)) + (sum > 0xffffffff ? 1 : 0)) | 0;
  // ^= >>> 31
  l = (l ^ ((h << 1) | (l >>> 31))) >>> 0;
  h ^= h >>> 31;
  // * 21
  sum = l * 21;
  h = (Math.imul(h, 21) + Math.floor(sum / 2 ** 32)) | 0;
  l = sum >>> 0;
  // ^= >>> 11
  l = (l ^ ((h << 21) | (l >>> 11))) >>> 0;
  h ^= h >>> 11;
  // + (<< 6)
  sum = l + ((l << 6) >>> 0);
  h = (h + ((h << 6) | (l >>> 26)) + (sum > 0xffffffff ? 1 : 0)) | 0;
  l = sum >>> 0;
  // ^= >>> 22
  return (l ^ ((h << 10) | (l >>> 22))) & 0x3fffffff;
}
