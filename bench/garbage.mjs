/**
 * V8's collector, which JavaScript can't call without a flag. On the command line, workers would get the flag too: it
 * changes what they measure, and Knitting's die of it.
 */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

setFlagsFromString("--expose-gc");
/** `{ type: "minor" }` collects the young garbage alone. */
export const collectGarbage = runInNewContext("gc");
setFlagsFromString("--no-expose-gc");
