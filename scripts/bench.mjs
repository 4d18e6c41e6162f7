/**
 * `npm run bench -- [--quick] [--json] [--node <path>]`: builds what is missing, then measures.
 *
 * Under the Node that the figures in our documents are from, or the one at `path`.
 */
import { join } from "node:path";
import { parseArgs } from "node:util";
import { root } from "./addon.mjs";
import { ensureNodes } from "./runtimes.mjs";
import { ensureBuilt, run } from "./setup.mjs";

const NODE_MAJOR = 24;

const { values } = parseArgs({
  options: { node: { type: "string" }, quick: { type: "boolean" }, json: { type: "boolean" } },
});
const flags = ["quick", "json"].filter((name) => values[name]).map((name) => `--${name}`);

await ensureBuilt();
run(values.node ?? ensureNodes()[NODE_MAJOR], [join(root, "bench", "main.mjs"), ...flags]);
