/**
 * npm's install script. The package brings its native parts for common platforms; for any other, cargo builds them here.
 * npm may be set not to run it: with the parts in place nothing is missing then, without them the first pool says so.
 */
import { accessSync, chmodSync, constants, existsSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { buildNativeParts, hasCargo, nativeParts, platform, root } from "./addon.mjs";

/** Only a checkout has the TypeScript sources; `npm run build` takes care of it. */
const inCheckout = existsSync(join(root, "js"));

if (!inCheckout && platform() !== undefined) {
  const problem = whatIsWrong();
  if (problem !== undefined) {
    build(problem);
  }
}

/** Why the native parts can't be used as they are; undefined if they can. */
function whatIsWrong() {
  const { addon, launcher, complete } = nativeParts();
  if (!complete) {
    return `it brings no native parts for ${platform()}`;
  }
  makeExecutable(launcher);
  try {
    createRequire(import.meta.url)(addon);
  } catch (error) {
    return `the addon it brings for ${platform()} does not load here: ${error.message}`;
  }
}

/** npm keeps the mode that a file has in the tarball; not every archive and file store on the way there does. */
function makeExecutable(path) {
  try {
    accessSync(path, constants.X_OK);
  } catch {
    chmodSync(path, 0o755);
  }
}

function build(problem) {
  if (!hasCargo()) {
    fail(`${problem}, and there is no cargo on PATH to build them`);
  }
  console.log(`knitting-native: ${problem}. Building them by cargo, which takes a minute or two.`);
  try {
    buildNativeParts();
  } catch (error) {
    fail(`${problem}, and building them failed: ${error.message}`);
  }
  // Hundreds of megabytes that nobody would look for in node_modules.
  rmSync(join(root, "target"), { recursive: true, force: true });
}

function fail(message) {
  // Not `npm rebuild`: that goes by the name the package is installed under, and skips scripts that are not approved.
  const again = `node ${fileURLToPath(import.meta.url)}`;
  console.error(
    `knitting-native: ${message}.\n` +
      `Install Rust (https://rustup.rs) and a C compiler for its linker, then run \`${again}\``,
  );
  process.exit(1);
}
