/** The strict profile: what holds if the user grants nothing else. */
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { absolute } from "./paths";

/** What a project keeps private: names in its folder. */
const OF_A_PROJECT = [".env", ".git", ".npmrc", ".docker", ".secrets"];
const OF_THE_USER = ["~/.ssh", "~/.gnupg", "~/.aws", "~/.azure", "~/.config/gcloud", "~/.kube"];
const OF_THE_SYSTEM = ["/proc", "/proc/self", "/proc/self/environ", "/proc/self/mem", "/sys", "/dev", "/etc"];
/** Name of a folder of packages. */
export const PACKAGES = "node_modules";
/** Files that runtimes look for in the working directory. */
const LOCK_FILE = /^(deno\.lock|bun\.lock.*)$/;

/** Paths that may neither be read nor written. */
export function sensitivePaths(cwd: string): string[] {
  return [...sensitiveInProject(cwd), ...OF_THE_USER.map((path) => absolute(path, cwd)), ...OF_THE_SYSTEM];
}

/** The sensitive paths in a project's folder. */
export function sensitiveInProject(folder: string): string[] {
  return OF_A_PROJECT.map((name) => join(folder, name));
}

/** The folder of packages, which may not be written. */
export function packagesOf(folder: string): string {
  return join(folder, PACKAGES);
}

/** The lock files in the working directory, which may be read whatever `read` grants. */
export function lockFiles(cwd: string): string[] {
  return namesIn(cwd)
    .filter((name) => LOCK_FILE.test(name))
    .map((name) => join(cwd, name));
}

/** The names in a folder; none if this user may not read the folder, because then there is nothing to grant. */
function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}
