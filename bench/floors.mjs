/**
 * The floors: what this machine takes for a cache line, a futex, a socket pair and a copy, without any runtime. They are
 * measured by a program of its own, floors.rs.
 */
import { spawnSync } from "node:child_process";
import { resolve } from "node:path";
import { hasCargo, root } from "../scripts/addon.mjs";

/** A watchdog: the program takes three seconds. */
const MOST_MILLIS = 60_000;

/**
 * `[{ id, title, unit, figure, low, high }]`: medians with quartiles, of round trips and of copies. Where this machine
 * can't have a figure there is a `reason` in its place. `quick` takes one second instead of three.
 */
export function measureFloors({ quick = false } = {}) {
  if (!hasCargo()) {
    return [{ id: "floors", title: "floors", reason: "they are built by cargo, and there is none on PATH" }];
  }
  const { stdout, stderr, status, signal, error } = spawnSync(build(), quick ? ["--quick"] : [], {
    encoding: "utf8",
    timeout: MOST_MILLIS,
    killSignal: "SIGKILL",
  });
  if (error?.code === "ETIMEDOUT") {
    throw new Error(`the floors had not been measured after ${MOST_MILLIS / 1e3} s`);
  }
  if (error || status !== 0) {
    throw new Error(error?.message ?? (stderr.trim() || `the floors were not measured: ${signal ?? status}`));
  }
  return JSON.parse(stdout);
}

/** Builds the program in the profile of the addon, with the dependencies that the addon has: its path. */
function build() {
  // Standard output belongs to the benchmark's table.
  const { status, error } = spawnSync(
    "cargo",
    ["build", "--release", "--locked", "--quiet", "--bin", "floors"],
    {
      cwd: root,
      stdio: ["ignore", 2, 2],
    },
  );
  if (error || status !== 0) {
    throw new Error(`cargo can't build the floors (bench/floors.rs)${error ? `: ${error.message}` : ""}`);
  }
  return resolve(root, process.env.CARGO_TARGET_DIR ?? "target", "release", "floors");
}
