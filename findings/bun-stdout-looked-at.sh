#!/usr/bin/env bash
# Bun 1.4.5 on Linux: whoever only asks whether `process` has a property `stdout` has changed the descriptor of the whole
# process, and of everyone who shares it: it becomes non-blocking. After that `fs.writeSync(1, …)` throws EAGAIN where a pipe is
# full, instead of waiting, and what `process.stdout.write` has not got rid of is lost on `process.exit()`. In Node the same
# question changes nothing.
#
# Seen:
#   bun:  waits before, does not wait after the question
#   node: waits before, waits after the question
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init --yes >/dev/null
npm install --silent --no-audit --no-fund @oven/bun-linux-x64-baseline@1.4.5 2>/dev/null
bun=node_modules/@oven/bun-linux-x64-baseline/bin/bun

cat >ask.mjs <<'JS'
import { readFileSync, writeFileSync } from "node:fs";
const O_NONBLOCK = 0o4000;
const how = () => {
  const [, flags] = /flags:\t(\d+)/.exec(readFileSync("/proc/self/fdinfo/1", "utf8"));
  return (Number.parseInt(flags, 8) & O_NONBLOCK) === 0 ? "waits" : "does not wait";
};
const before = how();
Object.hasOwn(process, "stdout");
writeFileSync("seen", `${before} before, ${how()} after the question`);
JS

ask() {
  "$1" ask.mjs | cat
  cat seen
}
report=$(printf 'bun:  %s\nnode: %s\n' "$(ask "$bun")" "$(ask node)")
echo "$report"
[ "$report" = "bun:  waits before, does not wait after the question
node: waits before, waits after the question" ]
