/** The test suite: `npm test`. */
import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["__test__/**/*.test.ts"],
    // Watchdogs: a test that hangs fails, none measures time by them.
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // A test's own worker is a process, as a user's program is.
    pool: "forks",
    // A pool wants the machine for itself, and the machine may have two cores.
    fileParallelism: false,
    // One copy of each module: what a test imports is what the modules beside it have loaded.
    server: { deps: { external: [/\/build\/.*\.js$/] } },
    reporters: ["default", "./scripts/failures.mjs"],
  },
});
