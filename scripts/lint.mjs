/**
 * `npm run lint`: formatting and lints of both languages, the architecture, and whether generated files are up to date.
 * Changes nothing.
 */
import { LINTS_OF_CRATE, LINTS_OF_SCRIPTS } from "./lints.mjs";
import { ensureBuilt, inTurn } from "./setup.mjs";

await ensureBuilt();
await Promise.all([inTurn(LINTS_OF_SCRIPTS), inTurn(LINTS_OF_CRATE)]);
