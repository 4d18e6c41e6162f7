/**
 * The Node releases that the tests run under, beside the system's: each in a folder of its own under .runtimes/ and called
 * by its path. In node_modules their `node` would take the place of the system's in every npm script.
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { root } from "./addon.mjs";

/** Major version, exact version. */
const RELEASES = {
  22: "22.23.3",
  24: "24.21.0",
  26: "26.10.0",
};

// What npm's `node` package fetches in an install script, which npm may not run.
const PACKAGE = `node-${process.platform}-${process.arch}`;

/**
 * Installs what is missing. Returns the path of each executable by its major version: `{ 22: "/.../bin/node", ... }`.
 */
export function ensureRuntimes() {
  const paths = Object.entries(RELEASES).map(([major, version]) => [major, ensureRuntime(version)]);
  return Object.fromEntries(paths);
}

function ensureRuntime(version) {
  const folder = join(root, ".runtimes", `node-${version}`);
  if (!existsSync(folder)) {
    console.error(`Installing Node ${version} in ${folder}`);
    install(version, folder);
  }
  return join(folder, "node_modules", PACKAGE, "bin", "node");
}

/** In a folder beside it, so that what was cut short is never taken for an installation. */
function install(version, folder) {
  const fresh = `${folder}.new`;
  rmSync(fresh, { recursive: true, force: true });
  mkdirSync(fresh, { recursive: true });
  const { status } = spawnSync(
    "npm",
    ["install", "--prefix", fresh, "--ignore-scripts", "--no-audit", "--no-fund", `${PACKAGE}@${version}`],
    // Standard output belongs to who called this.
    { stdio: ["ignore", 2, 2] },
  );
  if (status !== 0) {
    throw new Error(`npm could not install ${PACKAGE}@${version}`);
  }
  renameSync(fresh, folder);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  for (const [major, path] of Object.entries(ensureRuntimes())) {
    console.log(`node ${major}\t${path}`);
  }
}
