/**
 * `npm test`: runs the lints, Rust's tests, the suites and the benchmark's guard. What is missing is installed and built
 * first. Arguments are passed to vitest.
 *
 * `npm test -- --fast` is for daily work and takes less than three minutes: it runs the suites over a thread and a
 * process on Node only, without containers, with the fewest repetitions, and only the lints that read TypeScript. It
 * prints what it leaves out.
 */
import { LINTS_OF_CRATE, LINTS_OF_SCRIPTS } from "./lints.mjs";
import { ensureBuilt, inTurn, run, tool } from "./setup.mjs";
import { LEFT_OUT_OF_FAST, prepareSuites, runSuites } from "./suites.mjs";

const args = process.argv.slice(2);
const rest = args.filter((arg) => arg !== "--fast");

if (rest.length < args.length) {
  await ensureBuilt();
  run(tool("biome"), ["check", "--error-on-warnings"]);
  run(tool("tsc"), ["-p", "__test__", "--noEmit"]);
  // Last, whether a test fails or not.
  process.on("exit", () => {
    console.log(
      [
        "Left out by --fast, and part of `npm test`:",
        "  workers in Deno, Bun, bwrap and containers, where a suite runs on each kind of worker",
        ...LEFT_OUT_OF_FAST.map((pattern) => `  ${pattern}`),
        "  most rounds of what is repeated (__test__/support/repetitions.ts)",
        "  Rust's lints and tests, and of the other lints all but Biome and the compiler",
        "  the benchmark's guard (bench/guard.mjs)",
      ].join("\n"),
    );
  });
  runSuites("fast", rest);
} else {
  // Nobody debugs what clippy and the tests build, and half of the build time would go into debug information.
  process.env.CARGO_PROFILE_DEV_DEBUG ??= "0";
  await ensureBuilt();
  // Each alone would leave much of the machine idle.
  await Promise.all([
    inTurn([...LINTS_OF_CRATE, ["cargo", ["test", "--locked", "--quiet"]]]),
    inTurn([...LINTS_OF_SCRIPTS, prepareSuites("gate"), models()]),
  ]);
  runSuites("gate", rest);
  // Last, because nothing else may run beside it.
  run(process.execPath, ["bench/guard.mjs"]);
}

/** The models of ring and doorbell under loom, which are built apart: see src/transport/model.rs. */
function models() {
  const env = {
    ...process.env,
    RUSTFLAGS: "--cfg loom",
    // They run for half a minute: optimisation across crates would take longer than it saves.
    CARGO_PROFILE_RELEASE_LTO: "off",
    CARGO_PROFILE_RELEASE_CODEGEN_UNITS: "16",
  };
  const args = ["test", "--release", "--lib", "--locked", "--quiet", "--target-dir", "target/loom"];
  return ["cargo", args, { env }];
}
