/**
 * Builds the native parts of an installed package with cargo, if the package has none for this platform. No package
 * manager runs this script: the first pool reports that they are missing, and prints the command that runs it.
 */
import { accessSync, constants, existsSync, mkdirSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { buildNativeParts, hasCargo, nativeParts, platform, root } from "./addon.mjs";

/** Only a checkout has the TypeScript sources. `npm run build` builds it. */
const inCheckout = existsSync(join(root, "js"));

if (inCheckout) {
  console.error("This is a checkout: `npm run build` builds it.");
  process.exit(1);
}
if (platform() === undefined) {
  console.error(`knitting-native runs on Linux, this is ${process.platform}.`);
  process.exit(1);
}
const problem = whatIsWrong();
if (problem === undefined) {
  console.log(
    `knitting-native has its native parts for ${platform()}, and they load: there is nothing to build.`,
  );
} else {
  build(problem);
}

/** Why the native parts can't be used as they are; undefined if they can. */
function whatIsWrong() {
  const { addon, complete } = nativeParts();
  if (!complete) {
    return `it brings no native parts for ${platform()}`;
  }
  try {
    createRequire(import.meta.url)(addon);
  } catch (error) {
    return `the addon it brings for ${platform()} does not load here: ${error.message}`;
  }
}

function build(problem) {
  const { folder } = nativeParts();
  try {
    mkdirSync(folder, { recursive: true });
    accessSync(folder, constants.W_OK);
    accessSync(root, constants.W_OK);
  } catch (error) {
    const found = `${problem}, and they can't be built into ${folder}: ${error.message}`;
    fail(found, "As a user who may write there");
  }
  if (!hasCargo()) {
    fail(`${problem}, and there is no cargo on PATH to build them`);
  }
  console.log(`knitting-native: ${problem}. Building them by cargo, which takes a minute or two.`);
  try {
    buildNativeParts();
  } catch (error) {
    fail(`${problem}, and building them failed: ${error.message}`);
  }
  // These are hundreds of megabytes, which nobody would look for in node_modules.
  rmSync(join(root, "target"), { recursive: true, force: true });
}

/** `first` is what the user has to do before running the script again. */
function fail(message, first = "Install Rust (https://rustup.rs) and a C compiler for its linker, then") {
  console.error(`knitting-native: ${message}.\n${first} run \`node ${fileURLToPath(import.meta.url)}\``);
  process.exit(1);
}
