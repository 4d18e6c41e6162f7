/**
 * The suites of __test__: how they are run, which of them may run side by side, and which are too long for daily work.
 */
import { run, tool } from "./setup.mjs";

/** The command, for `inTurn` of setup.mjs, that makes what the suites of a scope need and what is missing. */
export function prepareSuites(scope) {
  const program = 'require("./__test__/support/prepare.ts").default()';
  return [tool("tsx"), ["--eval", program], { env: { ...process.env, TEST_SCOPE: scope } }];
}

/** Runs vitest. Exits with its status if a test fails. For `scope` see __test__/support/repetitions.ts. */
export function runSuites(scope, args) {
  // Downloads the missing runtimes and prints which ones are used.
  run(process.execPath, ["scripts/runtimes.mjs"]);
  run(tool("vitest"), ["run", ...args], { env: { ...process.env, TEST_SCOPE: scope } });
}

export const ALL = ["__test__/**/*.test.ts"];

export const ARCHITECTURE = ["__test__/architecture/*.test.ts"];

/** Short files that take long: they begin first, so that none of them is left alone at the end. */
export const LONG = [
  "lane/wakes",
  "package/docs",
  "package/package-managers",
  "package/types",
  "permission/escape",
  "permission/manifests",
  "pool/amid-kills",
  "pool/terminated-threads",
  "process/killed-workers",
  "process/no-memory",
  "process/working-directory",
];

/** Those that measure time or memory, or load the machine: one after the other, when the others are done. */
export const ALONE = [
  "__test__/bench/load.test.ts",
  "__test__/lane/pressure.test.ts",
  "__test__/lane/timers.test.ts",
  "__test__/process/hostile-wakes.test.ts",
];

/** Suites about containers, about hosts that are killed, and about the installed package. */
export const LEFT_OUT_OF_FAST = [
  "__test__/package/{bundles,docs,installation,package-managers,programs,typescript}.test.ts",
  "__test__/permission/{escape,sandbox}.test.ts",
  "__test__/process/{containers,container-workers,killed-workers,orphans,wrapped-calls}.test.ts",
];
