/** Builds the native parts by cargo and puts them where the package looks for them: npm/<platform>/. */
import { spawnSync } from "node:child_process";
import { chmodSync, copyFileSync, existsSync, mkdirSync, renameSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

export const root = join(dirname(fileURLToPath(import.meta.url)), "..");

/** Such as `linux-x64-gnu`; undefined outside Linux. */
export function platform() {
  if (process.platform !== "linux") {
    return undefined;
  }
  // An installed package has no other packages to ask. The report names glibc's version, where that runs this Node.
  const { glibcVersionRuntime } = process.report.getReport().header;
  return `linux-${process.arch}-${glibcVersionRuntime === undefined ? "musl" : "gnu"}`;
}

/** The native parts of this platform, and whether they are all there. */
export function nativeParts() {
  const folder = join(root, "npm", platform());
  const addon = join(folder, "knitting-native.node");
  const launcher = join(folder, "knitting-launcher");
  return { folder, addon, launcher, complete: existsSync(addon) && existsSync(launcher) };
}

/** True if there is a cargo to build with. */
export function hasCargo() {
  return spawnSync("cargo", ["--version"], { stdio: "ignore" }).status === 0;
}

/** Builds both parts. Throws if cargo fails. */
export function buildNativeParts() {
  const { folder, addon, launcher } = nativeParts();
  cargo(["rustc", "--release", "--locked", "--lib", "--crate-type", "cdylib"]);
  // The launcher also stands inside sandboxes and containers whose libraries are others: it brings its own.
  cargo([
    "rustc",
    "--release",
    "--locked",
    "--bin",
    "knitting-launcher",
    "--",
    "-C",
    "target-feature=+crt-static",
  ]);
  mkdirSync(folder, { recursive: true });
  // Cargo resolves a relative one against the folder it runs in.
  const target = resolve(root, process.env.CARGO_TARGET_DIR ?? "target");
  install(join(target, "release", "libknitting_native.so"), addon, 0o644);
  install(join(target, "release", "knitting-launcher"), launcher, 0o755);
}

function cargo(args) {
  const { status, error } = spawnSync("cargo", args, { cwd: root, stdio: "inherit" });
  if (error || status !== 0) {
    throw new Error(`cargo ${args.slice(0, 2).join(" ")} failed${error ? `: ${error.message}` : ""}`);
  }
}

/** Replaces a file that may be mapped or running: by a new one, never in place. */
function install(from, to, mode) {
  const fresh = `${to}.new`;
  copyFileSync(from, fresh);
  chmodSync(fresh, mode);
  renameSync(fresh, to);
}
