/**
 * `npm run bench -- [options]`: builds what is missing, then measures. `--help` lists the options.
 *
 * The benchmark runs under the Node of the figures in the documents, or under the one that `--node` names. Knitting needs
 * Node 26 and its foreign functions, which all contenders of that run then have.
 */
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { asArguments, readOptions } from "../bench/options.mjs";
import { root } from "./addon.mjs";
import { ensureNodes } from "./runtimes.mjs";
import { ensureBuilt } from "./setup.mjs";

const NODE_MAJOR = 24;
const KNITTING = { major: 26, flags: ["--experimental-ffi"] };

const { node, ...options } = readOptions();
const { major, flags } = options.knitting === undefined ? { major: NODE_MAJOR, flags: [] } : KNITTING;

await ensureBuilt();
const { status, error } = spawnSync(
  node ?? ensureNodes()[major],
  [...flags, join(root, "bench", "main.mjs"), ...asArguments(options)],
  { cwd: root, stdio: "inherit" },
);
if (error) {
  console.error(`npm run bench: ${error.message}`);
}
process.exitCode = status ?? 1;
