/**
 * Writes the documents that show the results of a run: the generated parts of docs/benchmarks.md and README.md, and in
 * docs/benchmarks/ the plots, the whole table and the results themselves.
 *
 * ```text
 *   node bench/docs.mjs    writes them anew from docs/benchmarks/results.json, after a change of a text or a plot
 * ```
 *
 * A generated part stands between two markers, `<!-- bench: name words -->` and `<!-- /bench -->`. What is around them
 * is written by hand. `docs/parts.mjs` has the parts by their names.
 */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { PARTS } from "./docs/parts.mjs";
import { plotsOf } from "./docs/plots.mjs";
import { draw } from "./docs/svg.mjs";
import { ensurePeers } from "./peers.mjs";
import { report } from "./report.mjs";

const ROOT = fileURLToPath(new URL("../", import.meta.url));
const FOLDER = "docs/benchmarks";
export const RESULTS = `${FOLDER}/results.json`;

/** The parts that each page must have, beside any others. */
const PAGES = {
  "README.md": ["calls"],
  "docs/benchmarks.md": ["machine", "versions", "weak-points", "tables", "floors"],
};

const PART = /(<!-- bench: ([^>]*?) -->)[\s\S]*?<!-- (\/bench|bench: [^>]*?) -->/g;
const OPENING = /<!-- bench: /g;
const CLOSING = /<!-- \/bench -->/g;

/** Writes the documents of `results` below `root`. Throws, and writes nothing, if a page lacks a marker. */
export async function writeDocs(results, root = ROOT) {
  const files = Object.entries(await docsOf(results, root));
  mkdirSync(join(root, FOLDER), { recursive: true });
  for (const [path, text] of files) {
    writeFileSync(join(root, path), text);
  }
  return files.map(([path]) => path);
}

/** The texts of the documents, by their paths below `root`. */
export async function docsOf(measured, root = ROOT) {
  if (measured.quick) {
    throw new Error("The documents need a whole run, and this one was quick");
  }
  // What is kept is what is shown, so that the documents can be made anew from it.
  const kept = JSON.stringify(measured, shortened);
  const results = JSON.parse(kept);
  const pages = Object.keys(PAGES).map((path) => [
    path,
    filled(path, root, (name, words) => PARTS[name](results, words)),
  ]);
  ensurePeers();
  const plots = [];
  for (const plot of plotsOf(results)) {
    plots.push([`${FOLDER}/${plot.name}.svg`, await draw(plot)]);
  }
  return Object.fromEntries([
    ...pages,
    ...plots,
    [`${FOLDER}/results.txt`, `${report(results)}\n`],
    [RESULTS, `${kept}\n`],
  ]);
}

/** Throws if a page lacks a marker. For before a run, which takes longer than to mend a page. */
export function checkPages(root = ROOT) {
  for (const path of Object.keys(PAGES)) {
    filled(path, root, () => "");
  }
}

/** A page with its parts made anew. */
function filled(path, root, make) {
  const page = readFileSync(join(root, path), "utf8");
  const found = new Set();
  const text = page.replace(PART, (_, opening, words, end) => {
    if (end !== "/bench") {
      throw new Error(`${path}: ${opening} is not closed by <!-- /bench -->`);
    }
    const [name, ...more] = words.split(/\s+/);
    if (PARTS[name] === undefined) {
      throw new Error(`${path}: ${opening} names no part; parts are ${Object.keys(PARTS).join(", ")}`);
    }
    found.add(name);
    try {
      return `${opening}${make(name, more.join(" "))}<!-- /bench -->`;
    } catch (error) {
      throw new Error(`${path}: ${opening}: ${error.message}`);
    }
  });
  for (const name of PAGES[path]) {
    if (!found.has(name)) {
      throw new Error(`${path}: the marker <!-- bench: ${name} --> is missing, or its <!-- /bench -->`);
    }
  }
  if (page.match(OPENING).length !== page.match(CLOSING).length) {
    throw new Error(`${path}: not as many <!-- bench: … --> as <!-- /bench -->`);
  }
  return text;
}

/** Four digits are more than a run can repeat. */
function shortened(_, value) {
  return typeof value === "number" && !Number.isInteger(value) ? Number(value.toPrecision(4)) : value;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const results = JSON.parse(readFileSync(join(ROOT, RESULTS), "utf8"));
  console.log((await writeDocs(results)).join("\n"));
}
