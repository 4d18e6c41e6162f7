/**
 * Says what is wrong when a bundler has made this package a part of a bundle. To be imported before anything else: esbuild's ES
 * modules fail at the first `require`, with a message that helps nobody.
 */
import { UnsupportedPlatformError } from "./errors";

/** In a bundle that is an ES module there is no `__dirname`, in another it is the bundle's. */
function isWhole(): boolean {
  if (typeof __dirname === "undefined") {
    return false;
  }
  const { existsSync } = require("node:fs") as typeof import("node:fs");
  return existsSync(`${__dirname}/worker/entry.js`);
}

if (!isWhole()) {
  throw new UnsupportedPlatformError(
    "knitting-native was bundled, and can't work like that: its workers and its native parts are files of their own. Leave it out of the bundle (esbuild: --external:knitting-native, Vite: ssr.external), and have it installed where the bundle runs",
  );
}
