#!/usr/bin/env bash
# Bun 1.4.5: a rejection that nobody handles ends the process with status 1, as in Node and Deno, but those who want to record
# it are told otherwise. Listeners of `exit` get the status 0, and `uncaughtExceptionMonitor` is not told at all, while Node
# and Deno tell it with the origin "unhandledRejection". For an exception thrown late all three agree.
#
# Seen:
#   node rejection: monitor unhandledRejection, exit listener 1, status 1
#   deno rejection: monitor unhandledRejection, exit listener none, status 1
#   bun  rejection: monitor none, exit listener 0, status 1
#   node exception: monitor uncaughtException, exit listener 1, status 1
#   bun  exception: monitor uncaughtException, exit listener 1, status 1
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init --yes >/dev/null
npm install --silent --no-audit --no-fund @oven/bun-linux-x64-baseline@1.4.5 @deno/linux-x64-glibc@2.9.6 2>/dev/null
bun=node_modules/@oven/bun-linux-x64-baseline/bin/bun
deno=node_modules/@deno/linux-x64-glibc/deno

cat >ends.mjs <<'JS'
import { writeFileSync } from "node:fs";
const seen = { monitor: "none", exit: "none" };
const note = () => writeFileSync("seen", `monitor ${seen.monitor}, exit listener ${seen.exit}`);
note();
process.on("uncaughtExceptionMonitor", (_, origin) => {
  seen.monitor = origin;
  note();
});
process.on("exit", (status) => {
  seen.exit = status;
  note();
});
if (process.argv[2] === "rejection") {
  Promise.reject(new Error("nobody handles it"));
} else {
  setTimeout(() => {
    throw new Error("late");
  }, 1);
}
JS

end() {
  local kind=$1 status=0
  shift
  "$@" ends.mjs "$kind" 2>/dev/null || status=$?
  echo "$(cat seen), status $status"
}
report=$(
  echo "node rejection: $(end rejection node)"
  echo "deno rejection: $(end rejection "$deno" run --allow-all)"
  echo "bun  rejection: $(end rejection "$bun")"
  echo "node exception: $(end exception node)"
  echo "bun  exception: $(end exception "$bun")"
)
echo "$report"
[ "$report" = "node rejection: monitor unhandledRejection, exit listener 1, status 1
deno rejection: monitor unhandledRejection, exit listener none, status 1
bun  rejection: monitor none, exit listener 0, status 1
node exception: monitor uncaughtException, exit listener 1, status 1
bun  exception: monitor uncaughtException, exit listener 1, status 1" ]
