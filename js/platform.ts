/** Where the native parts for this platform lie, and whether there can be any. */
import { join } from "node:path";
import { familySync, MUSL } from "detect-libc";
import { UnsupportedPlatformError } from "./errors";

/** File name of the addon. */
export const ADDON = "knitting-native.node";
/** File name of the launcher. */
export const LAUNCHER = "knitting-launcher";

const packageFolder = join(__dirname, "..");

/** Such as `linux-x64-gnu`. Throws outside Linux. */
export function platformName(): string {
  if (process.platform !== "linux") {
    throw new UnsupportedPlatformError(
      `knitting-native runs on Linux, this is ${process.platform}: its workers share memory through memfd, futex and pidfd`,
    );
  }
  const libc = familySync() === MUSL ? "musl" : "gnu";
  return `linux-${process.arch}-${libc}`;
}

/** The script that builds the native parts of this package. */
export const installScript = join(packageFolder, "scripts", "install.mjs");

/** The path of a native part. Throws outside Linux. */
export function nativePath(file: typeof ADDON | typeof LAUNCHER): string {
  return join(packageFolder, "npm", platformName(), file);
}
