/** Which native parts are this platform's, and whether there can be any. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { UnsupportedPlatformError } from "../base/errors";
import { isMain } from "../base/side";
import { nativeParts } from "./package";

/** File name of the addon. */
export const ADDON = "knitting-native.node";
/** File name of the launcher. */
export const LAUNCHER = "knitting-launcher";

/** Such as `linux-x64-gnu`. Throws outside Linux. */
export function platformName(): string {
  if (process.platform !== "linux") {
    throw new UnsupportedPlatformError(
      `knitting-native runs on Linux, this is ${process.platform}: its workers share memory through memfd, futex and pidfd`,
    );
  }
  return `linux-${process.arch}-${libc()}`;
}

const LIBCS = ["gnu", "musl"];

/** In a worker it is the one that is installed: what it takes to ask may be denied there. */
function libc(): string {
  const installed = isMain
    ? []
    : LIBCS.filter((name) => existsSync(join(nativeParts, `linux-${process.arch}-${name}`)));
  if (installed.length === 1) {
    return installed[0];
  }
  // Loaded here alone: a worker seldom asks, and it loads child_process.
  const { familySync, MUSL } = require("detect-libc") as typeof import("detect-libc");
  return familySync() === MUSL ? "musl" : "gnu";
}

/** The path of a native part. Throws outside Linux. */
export function nativePath(file: typeof ADDON | typeof LAUNCHER): string {
  return join(nativeParts, platformName(), file);
}
