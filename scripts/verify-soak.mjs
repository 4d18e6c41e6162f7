/**
 * `npm run verify:soak`: run before a release. It runs all suites on every kind of worker, wrapped ones too, with the
 * long repetitions of __test__/support/repetitions.ts: a hundred thousand random values for each kind, a million
 * hostile decodes, a million calls at once, a thousand killed workers, and ten killed hosts in each phase of a worker's
 * life. It takes about an hour on two cores.
 *
 * Arguments are passed to vitest: `npm run verify:soak -- orphans` runs that suite alone.
 */
import { ensureBuilt } from "./setup.mjs";
import { runSuites } from "./suites.mjs";

await ensureBuilt();
runSuites("soak", process.argv.slice(2));
