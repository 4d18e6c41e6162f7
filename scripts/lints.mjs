/** The lints, as `inTurn` of setup.mjs runs them. */
import { tool } from "./setup.mjs";

export const LINTS_OF_SCRIPTS = [
  [tool("biome"), ["check", "--error-on-warnings"]],
  [tool("tsc"), ["-p", ".", "--noEmit"]],
  [tool("tsc"), ["-p", "__test__", "--noEmit"]],
  [tool("knip"), ["--no-progress", "--treat-config-hints-as-errors"]],
  [tool("cspell"), ["--no-progress", "--no-summary", "--dot", "**"]],
  [process.execPath, ["scripts/types.mjs", "--check"]],
  [tool("vitest"), ["run", "__test__/architecture"]],
];

const warningsAreErrors = { env: { ...process.env, RUSTDOCFLAGS: "--deny warnings" } };

export const LINTS_OF_CRATE = [
  ["cargo", ["fmt", "--all", "--check"]],
  ["cargo", ["clippy", "--all-targets", "--locked", "--quiet", "--", "--deny", "warnings"]],
  ["cargo", ["doc", "--no-deps", "--document-private-items", "--locked", "--quiet"], warningsAreErrors],
  [process.execPath, ["scripts/addon-types.mjs", "--check"]],
];
