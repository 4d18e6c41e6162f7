/** `npm test`: lints, Rust's unit tests, then the suites; what is missing is installed and built first. */
import "./lint.mjs";
import { run, tool } from "./setup.mjs";

run("cargo", ["test", "--locked", "--quiet"]);
run(process.execPath, ["scripts/runtimes.mjs"]);
run(tool("vitest"), ["run", ...process.argv.slice(2)]);
