/**
 * Where this package lies. Only this module uses its own location.
 *
 * ```text
 *   dist/            bundles, and stubs that pick one: what is packed and what users load
 *   build/native/    this module by itself, as the compiler writes it: what tests load
 * ```
 *
 * It imports nothing, so that `api/unbundled.ts` can use it before any other module runs.
 */

/** A bundle that is an ES module has no `__dirname`. In a user's CommonJS bundle it is that bundle's folder. */
const here = typeof __dirname === "undefined" ? "" : __dirname;
const SINGLE_FILES = "/build/native";

/** The package's own folder. */
export const packageFolder = here.endsWith(SINGLE_FILES)
  ? here.slice(0, -SINGLE_FILES.length)
  : here.slice(0, here.lastIndexOf("/"));

/** The folder of the running code. Stack frames in it belong to this package. */
export const codeFolder = here.endsWith(SINGLE_FILES) ? `${packageFolder}/build` : here;

/** The files of this package that workers read. */
export const workerParts = ["dist", "npm", "package.json"].map((name) => `${packageFolder}/${name}`);

/** The folder of the native parts for each platform. */
export const nativeParts = `${packageFolder}/npm`;

/** The program that every worker runs. */
export const workerEntry = `${packageFolder}/dist/worker.js`;

/** The script that builds the native parts of this package. */
export const installScript = `${packageFolder}/scripts/install.mjs`;

/**
 * Whether this file is the program that was started, in this thread or process. If this used `module`, esbuild could
 * not merge modules.
 */
export const isProgram = here !== "" && require.main?.filename === __filename;

/** False if a bundler has made this code part of another file, which has neither workers nor native parts. */
export function isWhole(): boolean {
  if (here === "") {
    return false;
  }
  const { existsSync } = require("node:fs") as typeof import("node:fs");
  return ["worker.js", "shared-memory.js"].every((file) => existsSync(`${packageFolder}/dist/${file}`));
}
