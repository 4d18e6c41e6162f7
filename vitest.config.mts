/** The suites of `npm test`, which says by TEST_SCOPE how much of them runs: see __test__/support/repetitions.ts. */
import { defineConfig } from "vitest/config";
import LongestFirst from "./scripts/sequencer.mjs";
import { ALL, ALONE, ARCHITECTURE, LEFT_OUT_OF_FAST } from "./scripts/suites.mjs";

const left = process.env.TEST_SCOPE === "fast" ? LEFT_OUT_OF_FAST : [];

/** Makes what several files would otherwise make at the same time. */
const PREPARE = "./__test__/support/prepare.ts";

export default defineConfig({
  test: {
    // Watchdogs: a test that hangs fails, none measures time by them.
    testTimeout: 120_000,
    hookTimeout: 120_000,
    // A test's own worker is a process, as a user's program is.
    pool: "forks",
    // One copy of each module: what a test imports is what the modules beside it have loaded.
    server: { deps: { external: [/\/build\/.*\.js$/] } },
    sequence: { sequencer: LongestFirst },
    reporters: ["default", "./scripts/failures.mjs"],
    projects: [
      {
        extends: true,
        // Reads sources and starts nothing: part of the lints too.
        test: { name: "architecture", include: ARCHITECTURE, sequence: { groupOrder: 0 } },
      },
      {
        extends: true,
        test: {
          name: "side by side",
          include: ALL,
          exclude: [...ARCHITECTURE, ...ALONE, ...left],
          globalSetup: PREPARE,
          // Most of these wait for processes to start and to end, more than they compute.
          maxWorkers: 3,
          sequence: { groupOrder: 1 },
        },
      },
      {
        extends: true,
        test: {
          name: "alone",
          include: ALONE,
          exclude: left,
          globalSetup: PREPARE,
          maxWorkers: 1,
          sequence: { groupOrder: 2 },
        },
      },
    ],
  },
});
