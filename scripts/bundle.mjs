/**
 * Bundles js/ into the files that are packed.
 *
 * ```text
 *   dist/host.js            the host program        exports { index, sharedMemory }: one object for each entry point
 *   dist/worker.js          the worker program      the same names as a worker has them; runs if it is started
 *   dist/cli.js             the command
 *   dist/index.js           a stub that picks one of the programs
 *   dist/shared-memory.js   likewise
 *   dist/LICENSES.txt       of the other packages in the bundles
 * ```
 *
 * A worker therefore reads one file, and its tasks' `import "knitting-native"` finds the same file, so there is one
 * class each of the errors, `Envelope` and `ProcessSharedBuffer`.
 */
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { build } from "esbuild";
import { root } from "./addon.mjs";

const dist = join(root, "dist");

/** The entry points of the package, by their names among a bundle's exports. */
const ENTRIES = { index: "index", sharedMemory: "shared-memory" };

/** The mark of js/base/mark.ts. */
const MARK = 'Symbol.for("knitting-native.worker")';

const HOST = `
export * as index from "./js/index";
export * as sharedMemory from "./js/shared-memory";`;

// The mark comes first, then the program, which starts to work only when everything else is loaded.
const WORKER = `
import "./js/worker/mark";
export * as index from "./js/worker/api";
export * as sharedMemory from "./js/shared-memory";
import "./js/worker/main";`;

const COMMAND = `
import { run } from "./js/cli/main";
process.exitCode = run(process.argv.slice(2));`;

/** Writes all bundles and stubs. */
export async function bundle() {
  rmSync(dist, { recursive: true, force: true });
  mkdirSync(dist);
  const { host, worker, cli } = await bundles(true);
  const modules = [...host, ...worker, ...cli];
  for (const [name, file] of Object.entries(ENTRIES)) {
    writeFileSync(join(dist, `${file}.js`), stub(name, await exportsOf(file)));
  }
  writeFileSync(join(dist, "LICENSES.txt"), licenses(modules));
}

/** The modules of each bundle, by their paths in the checkout. Writes the bundles only if `write` is set. */
export async function bundles(write = false) {
  return {
    host: await bundleOf("host", HOST, write),
    worker: await bundleOf("worker", WORKER, write),
    cli: await bundleOf("cli", COMMAND, write, "#!/usr/bin/env node\n"),
  };
}

async function bundleOf(name, contents, write, banner = "") {
  const { metafile } = await build({
    absWorkingDir: root,
    stdin: { contents, resolveDir: root, sourcefile: `${name}.ts`, loader: "ts" },
    outfile: join("dist", `${name}.js`),
    bundle: true,
    write,
    platform: "node",
    target: "node20.9",
    format: "cjs",
    // Each worker reads and compiles its program anew. Names stay, for stacks.
    minifyWhitespace: true,
    minifySyntax: true,
    // Node shows the line from which an error was thrown that nobody has caught.
    lineLimit: 120,
    // esbuild leaves it out: an assignment that a frozen prototype forbids would then fail in silence.
    banner: { js: `${banner}"use strict";` },
    metafile: true,
    logLevel: "warning",
  });
  return Object.keys(metafile.inputs);
}

/** The names that js/<file>.ts exports, without its types. */
async function exportsOf(file) {
  const { metafile } = await build({
    absWorkingDir: root,
    entryPoints: [`js/${file}.ts`],
    bundle: true,
    write: false,
    outdir: "dist",
    platform: "node",
    format: "esm",
    metafile: true,
    logLevel: "silent",
  });
  return Object.values(metafile.outputs)[0].exports;
}

/**
 * A stub with a list of the names. Node links an ES module before it runs the stub, and reads the names from that list.
 */
function stub(name, names) {
  return `"use strict";
0 && (module.exports = { ${names.join(", ")} });
module.exports = (${MARK} in globalThis ? require("./worker.js") : require("./host.js")).${name};
`;
}

/** The licences of the packages that are part of the bundles. */
function licenses(modules) {
  const packages = new Set();
  for (const module of modules) {
    const found = /^node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(module);
    if (found !== null) {
      packages.add(found[1]);
    }
  }
  return [...packages]
    .map((name) => {
      const folder = join(root, "node_modules", name);
      const file = readdirSync(folder).find((entry) => /^licen[cs]e/i.test(entry));
      if (file === undefined) {
        throw new Error(`${name} is bundled and has no licence file`);
      }
      return `${name}\n\n${readFileSync(join(folder, file), "utf8").trim()}\n`;
    })
    .join(`\n${"-".repeat(80)}\n\n`);
}
