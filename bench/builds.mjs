/** Builds of this package: the current one, and another one to compare it with. */
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, realpathSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { platform, root } from "../scripts/addon.mjs";
import { refuse } from "./options.mjs";

const NAME = "knitting-native";

/** The names of this build and the other one in a comparison. */
export const THIS = "this";
export const OTHER = "other";

const require = createRequire(import.meta.url);

/** The build of this checkout. */
export function thisBuild() {
  return { name: THIS, ...loadBuild(realpathSync(root)) };
}

/**
 * The build at `path`, which the user has named. Each build has an addon of its own, even if both run in one process.
 */
export function otherBuild(path) {
  const problem = problemOf(path);
  if (problem !== undefined) {
    refuse(`--against is ${JSON.stringify(path)}, ${problem}`);
  }
  try {
    return { name: OTHER, ...loadBuild(realpathSync(path)) };
  } catch (error) {
    const [firstLine] = error.message.split("\n");
    return refuse(
      `--against is ${JSON.stringify(path)}, which can't be loaded: ${firstLine}. ${remedy(path)}`,
    );
  }
}

/** The exports of a build, with its folder. */
export function loadBuild(folder) {
  const { createPool, importTask } = require(folder);
  return { folder, createPool, importTask };
}

/** How a reader recognizes a build: its folder, and its commit if it is a checkout. */
export function describeBuild({ folder }) {
  const { stdout } = spawnSync("git", ["-C", folder, "describe", "--always", "--dirty"], {
    encoding: "utf8",
  });
  const commit = isCheckout(folder) ? stdout?.trim() : undefined;
  return commit ? { folder, commit } : { folder };
}

/** Why there is no other build at `path`: the end of a sentence, and what to do. */
function problemOf(path) {
  if (nameOf(path) !== NAME) {
    return `which is no folder of ${NAME}. Give the path of another checkout, or of an installed package.`;
  }
  if (realpathSync(path) === realpathSync(root)) {
    return "which is this checkout itself. Give the path of another one.";
  }
  const parts = ["dist/index.js", ...["knitting-native.node", "knitting-launcher"].map(inPlatformFolder)];
  const missing = parts.filter((part) => !existsSync(join(path, part)));
  return missing.length > 0
    ? `which is not built: it has no ${missing.join(", no ")}. ${remedy(path)}`
    : undefined;
}

function nameOf(path) {
  try {
    return JSON.parse(readFileSync(join(path, "package.json"), "utf8")).name;
  } catch {
    return undefined;
  }
}

function inPlatformFolder(part) {
  return join("npm", platform(), part);
}

function remedy(path) {
  return isCheckout(path)
    ? `Run \`npm run build\` in ${path}.`
    : `Run \`node ${join(path, "scripts", "install.mjs")}\`, or install the package again.`;
}

/** A published package doesn't contain the sources of its JavaScript. */
function isCheckout(path) {
  return existsSync(join(path, "js"));
}
