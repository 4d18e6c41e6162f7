/**
 * The runtimes that the tests use in addition to the system's Node, and the package managers that they install with.
 * Each lies in its own folder under .runtimes/ and is called by its path. In node_modules, their `node` would replace
 * the system's in every npm script.
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { platform, root } from "./addon.mjs";

/** Exact version of each runtime, by the name that the tests use. */
export const RELEASES = {
  22: "22.23.3",
  24: "24.21.0",
  26: "26.10.0",
  deno: "2.9.6",
  bun: "1.4.5",
};

/** Exact versions of the package managers with which the package is installed. */
const MANAGERS = ["npm@10.9.9", "npm@11.21.2", "npm@12.2.2", "pnpm@10.34.8", "pnpm@11.28.10", "yarn@1.22.22"];

/** The names of the Node releases. */
const NODES = ["22", "24", "26"];

/**
 * The packages that hold the programs themselves. The packages named `node`, `deno` and `bun` fetch them in an install
 * script, which npm may not run. The programs are built for glibc: there is no Deno for musl at all.
 */
const PACKAGES = {
  node: { name: `node-${process.platform}-${process.arch}`, file: "bin/node" },
  deno: { name: `@deno/linux-${process.arch}-glibc`, file: "deno" },
  bun: { name: `@oven/bun-linux-${process.arch === "arm64" ? "aarch64" : process.arch}`, file: "bin/bun" },
};

/** Installs what is missing. Returns the path of each executable by its name: `{ 22, 24, 26, deno, bun }`. */
export function ensureRuntimes() {
  return pathsOf(Object.keys(RELEASES));
}

/** Installs only the Node releases: `{ 22, 24, 26 }`. */
export function ensureNodes() {
  return pathsOf(NODES);
}

/** Installs the package managers that are missing. Returns the folder of each by its name and version. */
export function ensureManagers() {
  return Object.fromEntries(MANAGERS.map((manager) => [manager, ensureManager(manager)]));
}

function ensureManager(manager) {
  const [name] = manager.split("@");
  const folder = join(root, ".runtimes", manager.replace("@", "-"));
  if (!existsSync(folder)) {
    console.error(`Installing ${manager} in ${folder}`);
    install(manager, folder);
  }
  return join(folder, "node_modules", name);
}

function pathsOf(names) {
  if (!platform()?.endsWith("-gnu")) {
    throw new Error(
      `the runtimes of the tests are built for Linux with glibc, this is ${platform() ?? process.platform}`,
    );
  }
  return Object.fromEntries(names.map((name) => [name, ensureRuntime(name, RELEASES[name])]));
}

function ensureRuntime(release, version) {
  const program = NODES.includes(release) ? "node" : release;
  const { name, file } = PACKAGES[program];
  const folder = join(root, ".runtimes", `${program}-${version}`);
  if (!existsSync(folder)) {
    console.error(`Installing ${program} ${version} in ${folder}`);
    install(`${name}@${version}`, folder);
  }
  return join(folder, "node_modules", name, file);
}

/**
 * Installs into a temporary folder beside the target, so that an interrupted installation is never taken for a complete
 * one.
 */
function install(what, folder) {
  const fresh = `${folder}.new`;
  rmSync(fresh, { recursive: true, force: true });
  mkdirSync(fresh, { recursive: true });
  const { status } = spawnSync(
    "npm",
    ["install", "--prefix", fresh, "--ignore-scripts", "--no-audit", "--no-fund", what],
    // Standard output belongs to the caller of this script.
    { stdio: ["ignore", 2, 2] },
  );
  if (status !== 0) {
    throw new Error(`npm could not install ${what}`);
  }
  renameSync(fresh, folder);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  for (const [name, path] of Object.entries({ ...ensureRuntimes(), ...ensureManagers() })) {
    console.log(`${NODES.includes(name) ? `node ${name}` : name}\t${path}`);
  }
}
