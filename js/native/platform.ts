/** The native parts for this platform, and the checks for whether it is supported. */
import { accessSync, chmodSync, constants, existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { UnsupportedPlatformError } from "../base/errors";
import { installScript, nativeParts } from "./package";

/** File name of the addon. */
const ADDON = "knitting-native.node";
/** File name of the launcher. */
const LAUNCHER = "knitting-launcher";

/** The platform's name, such as `linux-x64-gnu`. Throws if the system is not Linux. */
export function platformName(): string {
  assertLinux();
  return nameFor(libc());
}

function assertLinux(): void {
  if (process.platform !== "linux") {
    throw new UnsupportedPlatformError(
      `knitting-native runs on Linux, this is ${process.platform}: its workers share memory through ` +
        "memfd, futex and pidfd",
    );
  }
}

/** What to do if the native parts are missing. */
export const BUILD_ADVICE = `With Rust's cargo on PATH, \`node ${installScript}\` builds it.`;

const LIBCS = ["gnu", "musl"];

function nameFor(libc: string): string {
  return `linux-${process.arch}-${libc}`;
}

function libc(): string {
  // What is mapped into this process is the truth. A policy may deny the file to a worker, and there may be no /proc.
  try {
    return /\/(ld-musl-|libc\.musl-)/.test(readFileSync("/proc/self/maps", "latin1")) ? "musl" : "gnu";
  } catch {
    // The report contains glibc's version if this runtime uses glibc.
    const report = process.report?.getReport() as { header?: { glibcVersionRuntime?: string } } | undefined;
    return report?.header === undefined || report.header.glibcVersionRuntime !== undefined ? "gnu" : "musl";
  }
}

/** The folder of the native parts: the one that is there, or this platform's by its name. */
function partsFolder(): string {
  assertLinux();
  const installed = LIBCS.map((libc) => join(nativeParts, nameFor(libc))).filter((folder) =>
    existsSync(join(folder, LAUNCHER)),
  );
  return installed.length === 1 ? installed[0] : join(nativeParts, platformName());
}

/** The path of the addon. Throws outside Linux. */
export function addonPath(): string {
  return join(partsFolder(), ADDON);
}

let launcher: string | undefined;

/**
 * The path of the launcher, which is made executable if it is not: an archive or a file store may have lost that bit.
 * Throws `UnsupportedPlatformError` if the launcher is missing or can't be made executable, or if the system is not
 * Linux.
 */
export function launcherPath(): string {
  launcher ??= checkLauncher(join(partsFolder(), LAUNCHER));
  return launcher;
}

function checkLauncher(path: string): string {
  if (!existsSync(path)) {
    throw new UnsupportedPlatformError(
      `knitting-native has no launcher for ${platformName()} (${path}).\n${BUILD_ADVICE}`,
    );
  }
  try {
    accessSync(path, constants.X_OK);
  } catch {
    try {
      chmodSync(path, 0o755);
    } catch (cause) {
      throw new UnsupportedPlatformError(
        `knitting-native can't execute its launcher: ${(cause as Error).message}. Run \`chmod 755 ` +
          `${path}\` as the user who owns it`,
        { cause },
      );
    }
  }
  return path;
}
