/** Builds the native parts with cargo and puts them where the package looks for them: npm/<platform>/. */
import { spawnSync } from "node:child_process";
import { chmodSync, copyFileSync, existsSync, mkdirSync, renameSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

export const root = join(dirname(fileURLToPath(import.meta.url)), "..");

/** The platform's name, such as `linux-x64-gnu`; undefined outside Linux. */
export function platform() {
  if (process.platform !== "linux") {
    return undefined;
  }
  // An installed package has no other packages that it could ask. Node's report contains glibc's version if this Node
  // uses glibc.
  const { glibcVersionRuntime } = process.report.getReport().header;
  return `linux-${process.arch}-${glibcVersionRuntime === undefined ? "musl" : "gnu"}`;
}

/** The native parts of this platform, and whether all of them exist. */
export function nativeParts() {
  const folder = join(root, "npm", platform());
  const addon = join(folder, "knitting-native.node");
  const launcher = join(folder, "knitting-launcher");
  return { folder, addon, launcher, complete: existsSync(addon) && existsSync(launcher) };
}

/** Whether there is a cargo to build with. */
export function hasCargo() {
  return spawnSync("cargo", ["--version"], { stdio: "ignore" }).status === 0;
}

/** Builds both parts. Throws if cargo fails. */
export function buildNativeParts() {
  const { folder, addon, launcher } = nativeParts();
  cargo(["rustc", "--release", "--locked", "--lib", "--crate-type", "cdylib"]);
  // The launcher also runs inside sandboxes and containers with other libraries, so it is linked statically.
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
  // Cargo resolves a relative path against the folder in which it runs.
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

/** Replaces a file that may be mapped or running with a new one, never in place. */
function install(from, to, mode) {
  const fresh = `${to}.new`;
  copyFileSync(from, fresh);
  chmodSync(fresh, mode);
  renameSync(fresh, to);
}
