/** Where the native parts for this platform lie, and whether there can be any. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { familySync, MUSL } from "detect-libc";
import { UnsupportedPlatformError } from "./errors";
import { isMain } from "./main";

/** File name of the addon. */
export const ADDON = "knitting-native.node";
/** File name of the launcher. */
export const LAUNCHER = "knitting-launcher";

/** Where this package lies. */
export const packageFolder = join(__dirname, "..");
/** Where the native parts for each platform lie. */
const parts = join(packageFolder, "npm");

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
    : LIBCS.filter((name) => existsSync(join(parts, `linux-${process.arch}-${name}`)));
  return installed.length === 1 ? installed[0] : familySync() === MUSL ? "musl" : "gnu";
}

/** The script that builds the native parts of this package. */
export const installScript = join(packageFolder, "scripts", "install.mjs");

/** The path of a native part. Throws outside Linux. */
export function nativePath(file: typeof ADDON | typeof LAUNCHER): string {
  return join(parts, platformName(), file);
}
