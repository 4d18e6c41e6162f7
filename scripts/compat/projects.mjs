/** The projects whose suites `npm run compat` can run: what is replaced by the facade, and what runs the suite. */
import { mocha, tap, vitest } from "./runners.mjs";

/**
 * By the name in a checkout's package.json. `facade` is a file of examples/compat/. `entries` are the files of the
 * project that the facade is copied to; `modules` are other files that its suite imports, with what stands in for them.
 * `compiled` are files that are compiled to CommonJS where they lie.
 */
export const PROJECTS = {
  tinypool: {
    facade: "tinypool.mjs",
    entries: ["dist/index.js"],
    modules: {},
    suite: /^test\/[^/]+\.test\.ts$/,
    runner: vitest,
  },
  piscina: {
    facade: "piscina.cjs",
    entries: ["dist/main.js"],
    modules: {
      "dist/index.js": 'module.exports = require("./main.js");',
      "dist/esm-wrapper.mjs": 'export { default } from "./main.js"; export * from "./main.js";',
      "dist/symbols.js": 'exports.kQueueOptions = require("./main.js").queueOptionsSymbol;',
      "dist/common.js":
        'module.exports = { ...require("./main.js"), getAvailableParallelism: require("os").availableParallelism };',
    },
    // As ts-node would do when they are required. Our workers import their tasks, past its hook.
    compiled: /^test\/.*\.ts$/,
    suite: /^test\/[^/]+\.ts$/,
    runner: tap,
  },
  workerpool: {
    facade: "workerpool.cjs",
    entries: ["src/index.js"],
    modules: {
      "src/Pool.js": 'module.exports = require("./index.js").Pool;',
      "src/Promise.js": 'exports.Promise = require("./index.js").Promise;',
    },
    suite: /^test\/[^/]+test\.js$/,
    runner: mocha,
  },
};
