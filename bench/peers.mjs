/**
 * Pools of other packages. They are a package of their own in `peers/`, so that nobody installs them who doesn't run
 * the benchmark. To add one, add its exact version there and run `npm install` in that folder.
 */
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, statSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { refuse } from "./options.mjs";

const FOLDER = fileURLToPath(new URL("./peers/", import.meta.url));
const LOCK = `${FOLDER}package-lock.json`;
/** npm writes this file last. */
const INSTALLED = `${FOLDER}node_modules/.package-lock.json`;
const INSTALL = [
  "install",
  "--prefix",
  FOLDER,
  "--no-save",
  "--ignore-scripts",
  "--omit=optional",
  "--no-audit",
  "--no-fund",
  "--fetch-retries=1",
];
const INSTALL_MILLIS = 120_000;

/** Exact versions of the packages, by name. */
export const PEERS = JSON.parse(readFileSync(`${FOLDER}package.json`, "utf8")).dependencies;

/** Installs the peers if they are not installed. Ends the process with a sentence if that fails. */
export function ensurePeers() {
  if (existsSync(INSTALLED) && modified(INSTALLED) >= modified(LOCK)) {
    return;
  }
  const what = Object.entries(PEERS).map((entry) => entry.join("@"));
  console.error(`Installing ${what.join(", ")} in ${FOLDER}`);
  const { status, error, stderr } = spawnSync("npm", INSTALL, {
    encoding: "utf8",
    timeout: INSTALL_MILLIS,
    stdio: ["ignore", "ignore", "pipe"],
  });
  if (status !== 0) {
    refuse(
      `npm could not install ${what.join(", ")}, which it measures beside this one (${reason(error, stderr)}).`,
    );
  }
}

/** What npm says first. It goes on with advice. */
function reason(error, stderr) {
  const said = stderr?.match(/^npm (?:error|ERR!) (?!code|syscall|errno)(.*)$/m);
  return error?.message ?? said?.[1] ?? "it gave no reason";
}

function modified(path) {
  return statSync(path).mtimeMs;
}
