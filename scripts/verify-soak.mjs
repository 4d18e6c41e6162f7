/**
 * `npm run verify:soak`: run before a release. It runs all suites on every kind of worker, wrapped ones too, with the
 * long repetitions of __test__/support/repetitions.ts: a hundred thousand random values for each kind, a million
 * hostile decodes, a million calls at once, ten million calls whose hosts and workers sleep at random moments, a thousand
 * killed workers, a thousand terminated threads on each version of Node, and ten killed hosts in each phase of a worker's
 * life. It takes about two hours on two cores.
 *
 * Before them `cargo deny` checks licences and sources of the crates. It is built on first use, which takes minutes: that is
 * why `npm test` does without it.
 *
 * Arguments are passed to vitest: `npm run verify:soak -- orphans` runs that suite alone.
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { root } from "./addon.mjs";
import { ensureBuilt, run } from "./setup.mjs";
import { runSuites } from "./suites.mjs";

const tools = join(root, "target", "tools");
const deny = join(tools, "bin", "cargo-deny");

await ensureBuilt();
if (!existsSync(deny)) {
  run("cargo", ["install", "--locked", "--quiet", "--root", tools, "cargo-deny@0.20.2"]);
}
run(deny, ["--locked", "check", "licenses", "bans", "sources"]);
runSuites("soak", process.argv.slice(2));
