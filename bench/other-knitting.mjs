/** A checkout of Knitting, the project whose documents inspired this one. It needs no build: Node 26 strips the types. */
import { existsSync, readFileSync, realpathSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { refuse } from "./options.mjs";

const NAME = "knitting";
/** The built file first. A checkout has only the other one. */
const ENTRIES = ["knitting.js", "knitting.ts"];
/** It maps shared memory through `node:ffi`, which came with this release. */
const NODE_MAJOR = 26;

/** The exports of the checkout at `path`, with its folder and version. Ends the process with a sentence if it has none. */
export async function loadOtherKnitting(path) {
  const said = `--knitting is ${JSON.stringify(path)}`;
  const { name, version } = manifestOf(path);
  const entry = ENTRIES.map((file) => join(path, file)).find(existsSync);
  if (name !== NAME || entry === undefined) {
    return refuse(`${said}, which is no checkout of Knitting. Give the path of one.`);
  }
  if (Number.parseInt(process.versions.node, 10) < NODE_MAJOR) {
    return refuse(`${said}, which needs Node ${NODE_MAJOR}, and this is ${process.version}.`);
  }
  try {
    const { createPool } = await import(pathToFileURL(entry));
    return { folder: realpathSync(path), version, createPool };
  } catch (error) {
    const [firstLine] = error.message.split("\n");
    return refuse(`${said}, which can't be loaded: ${firstLine}`);
  }
}

function manifestOf(path) {
  try {
    return JSON.parse(readFileSync(join(path, "package.json"), "utf8"));
  } catch {
    return {};
  }
}
