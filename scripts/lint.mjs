/**
 * `npm run lint`: formatting and lints of both languages, the architecture, and whether generated files are up to date.
 * Changes nothing.
 */
import { ensureBuilt, run, tool } from "./setup.mjs";

await ensureBuilt();
run(tool("biome"), ["check", "--error-on-warnings"]);
run(tool("tsc"), ["-p", ".", "--noEmit"]);
run(tool("tsc"), ["-p", "__test__", "--noEmit"]);
run(tool("knip"), ["--no-progress", "--treat-config-hints-as-errors"]);
run(tool("cspell"), ["--no-progress", "--no-summary", "--dot", "**"]);
run(process.execPath, ["scripts/types.mjs", "--check"]);
run(tool("vitest"), ["run", "__test__/architecture"]);
run("cargo", ["fmt", "--all", "--check"]);
run("cargo", ["clippy", "--all-targets", "--locked", "--quiet", "--", "--deny", "warnings"]);
const env = { ...process.env, RUSTDOCFLAGS: "--deny warnings" };
run("cargo", ["doc", "--no-deps", "--document-private-items", "--locked", "--quiet"], { env });
run(process.execPath, ["scripts/addon-types.mjs", "--check"]);
