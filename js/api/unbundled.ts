/**
 * Throws a helpful error if a bundler has made this package part of a bundle. This module must be imported before
 * anything else: esbuild's ES modules fail at the first `require`, with a message that doesn't explain the cause.
 */
import { UnsupportedPlatformError } from "../base/errors";
import { isWhole } from "../native/package";

if (!isWhole()) {
  throw new UnsupportedPlatformError(
    "knitting-native was bundled, and can't work like that: its workers and its native parts are files " +
      "of their own. Leave it out of the bundle (esbuild: --external:knitting-native, Vite: " +
      "ssr.external), and have it installed where the bundle runs",
  );
}
