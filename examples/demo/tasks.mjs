/** The demo's tasks. The main thread runs the same functions, for comparison. */
import { createHash } from "node:crypto";
import { gzipSync } from "node:zlib";

export const add = ([a, b]) => a + b;

export const sha256 = (bytes) => createHash("sha256").update(bytes).digest("hex");

/** Distinguishes compressed results without sending them. */
export function gzip(bytes) {
  const compressed = gzipSync(bytes);
  return { byteLength: compressed.byteLength, sha256: sha256(compressed) };
}

export const sha256AndGzip = (bytes) => ({ sha256: sha256(bytes), gzip: gzip(bytes) });
