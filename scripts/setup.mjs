/** Makes a checkout ready to run: packages, native parts, compiled TypeScript. This is quick if nothing is missing. */
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { buildNativeParts, hasCargo, nativeParts, root } from "./addon.mjs";

/** Runs a program in the checkout's root. Exits with its status if it fails. */
export function run(program, args, options = {}) {
  const { status, signal, error } = spawnSync(program, args, { cwd: root, stdio: "inherit", ...options });
  if (error || status !== 0) {
    fail(program, args, status, signal, error);
  }
}

/**
 * Runs programs one after the other, each as `[program, args, options]`, while others run beside them. What each prints is
 * shown when it has ended. Exits with the status of the first one that fails.
 */
export async function inTurn(commands) {
  for (const [program, args, options] of commands) {
    const child = spawn(program, args, { cwd: root, stdio: ["ignore", "pipe", "pipe"], ...options });
    const output = [];
    for (const stream of [child.stdout, child.stderr]) {
      stream.on("data", (data) => output.push(data));
    }
    const stop = () => child.kill();
    process.on("exit", stop);
    const [status, signal] = await once(child, "close").catch((error) =>
      fail(program, args, null, null, error),
    );
    process.off("exit", stop);
    process.stdout.write(Buffer.concat(output));
    if (status !== 0) {
      fail(program, args, status, signal);
    }
  }
}

function fail(program, args, status, signal, error) {
  const why = error ? error.message : signal ? `killed by ${signal}` : `exit status ${status}`;
  console.error(`${program} ${args.join(" ")}: ${why}`);
  process.exit(status || 1);
}

/** Path of a development tool. */
export function tool(name) {
  return join(root, "node_modules", ".bin", name);
}

/** Builds what is missing or older than its sources. */
export async function ensureBuilt() {
  // The packages are fetched while cargo compiles.
  const packages = ensurePackages();
  ensureNativeParts();
  await packages;
  await ensureJavaScript();
}

async function ensurePackages() {
  // npm writes this file last, so it shows whether the packages of the lock file are installed.
  const done = join(root, "node_modules", ".package-lock.json");
  if (!existsSync(done) || modified(done) < modified(join(root, "package-lock.json"))) {
    // Installs what the lock file names, but not with `npm ci`, which fails if a registry lacks the packages of other
    // platforms.
    await inTurn([["npm", ["install", "--no-save", "--ignore-scripts", "--no-audit", "--no-fund"]]]);
  }
}

function ensureNativeParts() {
  const { addon, launcher, complete } = nativeParts();
  const sources = ["src", "Cargo.toml", "Cargo.lock", "build.rs"].map((name) => newest(join(root, name)));
  if (complete && Math.min(modified(addon), modified(launcher)) >= Math.max(...sources)) {
    return;
  }
  if (!hasCargo()) {
    console.error(
      "The native parts are to be built and there is no cargo on PATH. Rust is at https://rustup.rs",
    );
    process.exit(1);
  }
  buildNativeParts();
}

/** `build/` has the single modules, for tests. `dist/` has the bundles, which are packed. */
async function ensureJavaScript() {
  const built = join(root, "build");
  const bundles = join(root, "dist");
  const sources = ["js", "tsconfig.json", "scripts/bundle.mjs"].map((name) => newest(join(root, name)));
  const source = Math.max(...sources);
  const isFresh = (folder) => existsSync(join(folder, "index.js")) && oldest(folder) >= source;
  if (isFresh(built) && isFresh(bundles)) {
    return;
  }
  // Output of deleted source files must not stay behind.
  rmSync(built, { recursive: true, force: true });
  run(tool("tsc"), ["-p", "."]);
  // Loaded only here, because its packages may not have been installed before.
  const { bundle } = await import("./bundle.mjs");
  await bundle();
}

function modified(path) {
  return statSync(path).mtimeMs;
}

function files(path) {
  return statSync(path).isDirectory()
    ? readdirSync(path, { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile())
        .map((entry) => join(entry.parentPath ?? entry.path, entry.name))
    : [path];
}

function newest(path) {
  return Math.max(...files(path).map(modified));
}

function oldest(path) {
  return Math.min(...files(path).map(modified));
}
