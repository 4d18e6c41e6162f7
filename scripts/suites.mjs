/** Which suites may run beside others, and which are too long for `npm test -- --fast`. */

export const ALL = ["__test__/**/*.test.ts"];

/** Those that measure time or memory, or load the machine: one after the other, when the others are done. */
export const ALONE = [
  "__test__/lane/pressure.test.ts",
  "__test__/lane/timers.test.ts",
  "__test__/payload/collisions.test.ts",
  "__test__/payload/fuzz.test.ts",
  "__test__/payload/limits.test.ts",
];

/** Those about containers, about whole processes that are killed by the hundred, and about the package as it is installed. */
export const LEFT_OUT_OF_FAST = [
  "__test__/package/{bundles,docs,installation}.test.ts",
  "__test__/permission/{escape,sandbox}.test.ts",
  "__test__/process/{containers,container-workers,orphans}.test.ts",
];
