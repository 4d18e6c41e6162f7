/** Which versions a run has used, those that draw its plots among them. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { root } from "../scripts/addon.mjs";
import { RELEASES } from "../scripts/runtimes.mjs";
import { PEERS } from "./peers.mjs";

/** Exact versions by name. `knitting` is the path of a checkout of Knitting. */
export function versions({ knitting }) {
  return {
    "knitting-native": versionIn(root),
    Deno: RELEASES.deno,
    Bun: RELEASES.bun,
    ...PEERS,
    ...(knitting && { Knitting: versionIn(knitting) }),
  };
}

function versionIn(folder) {
  return JSON.parse(readFileSync(join(folder, "package.json"), "utf8")).version;
}
