/** What the strict profile says where the user says nothing. */
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { absolute } from "./paths";

/** What a project keeps to itself: names in its folder. */
const OF_A_PROJECT = [".env", ".git", ".npmrc", ".docker", ".secrets"];
const OF_THE_USER = ["~/.ssh", "~/.gnupg", "~/.aws", "~/.azure", "~/.config/gcloud", "~/.kube"];
const OF_THE_SYSTEM = ["/proc", "/proc/self", "/proc/self/environ", "/proc/self/mem", "/sys", "/dev", "/etc"];
const PACKAGES = "node_modules";
/** Files that runtimes look for in the working directory. */
const LOCK_FILE = /^(deno\.lock|bun\.lock.*)$/;

/** Paths that are neither read nor written. */
export function sensitivePaths(cwd: string): string[] {
  return [...sensitiveInProject(cwd), ...OF_THE_USER.map((path) => absolute(path, cwd)), ...OF_THE_SYSTEM];
}

/** Those in a project's folder. */
export function sensitiveInProject(folder: string): string[] {
  return OF_A_PROJECT.map((name) => join(folder, name));
}

/** The folder of packages, which is not written. */
export function packagesOf(folder: string): string {
  return join(folder, PACKAGES);
}

/** The lock files in the working directory, which are read whatever `read` says. */
export function lockFiles(cwd: string): string[] {
  return namesIn(cwd)
    .filter((name) => LOCK_FILE.test(name))
    .map((name) => join(cwd, name));
}

/** None where this user may not look: then there is nothing to grant. */
function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}
