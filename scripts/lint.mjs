/** `npm run lint`: formatting and lints of both languages, and drift of what is generated. Changes nothing. */
import { ensureBuilt, run, tool } from "./setup.mjs";

await ensureBuilt();
run("cargo", ["fmt", "--all", "--check"]);
run("cargo", ["clippy", "--all-targets", "--locked", "--quiet", "--", "--deny", "warnings"]);
run(tool("biome"), ["check", "--error-on-warnings"]);
run(tool("tsc"), ["-p", ".", "--noEmit"]);
run(tool("tsc"), ["-p", "__test__", "--noEmit"]);
run(process.execPath, ["scripts/types.mjs", "--check"]);
run(process.execPath, ["scripts/addon-types.mjs", "--check"]);
run(tool("vitest"), ["run", "__test__/architecture"]);
