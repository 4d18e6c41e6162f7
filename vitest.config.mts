/** The suites of `npm test`, which says by TEST_SCOPE how much of them runs: see __test__/support/repetitions.ts. */
import { defineConfig } from "vitest/config";
import { ALL, ALONE, LEFT_OUT_OF_FAST } from "./scripts/suites.mjs";

const left = process.env.TEST_SCOPE === "fast" ? LEFT_OUT_OF_FAST : [];

export default defineConfig({
  test: {
    // Watchdogs: a test that hangs fails, none measures time by them.
    testTimeout: 120_000,
    hookTimeout: 120_000,
    // A test's own worker is a process, as a user's program is.
    pool: "forks",
    // What several files would otherwise make at the same time.
    globalSetup: "./__test__/support/prepare.ts",
    // One copy of each module: what a test imports is what the modules beside it have loaded.
    server: { deps: { external: [/\/build\/.*\.js$/] } },
    reporters: ["default", "./scripts/failures.mjs"],
    projects: [
      {
        extends: true,
        test: {
          name: "side by side",
          include: ALL,
          exclude: [...ALONE, ...left],
          // Most of these wait for processes to start and to end, more than they compute.
          maxWorkers: 3,
          sequence: { groupOrder: 0 },
        },
      },
      {
        extends: true,
        test: {
          name: "alone",
          include: ALONE,
          exclude: left,
          maxWorkers: 1,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});
