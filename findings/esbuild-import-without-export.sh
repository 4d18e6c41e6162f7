#!/usr/bin/env bash
# esbuild 0.28.2: in a package of `"type": "commonjs"`, a TypeScript module that only imports is taken for CommonJS. All modules
# that it reaches are then bundled as functions that run when they are first asked for, instead of being merged into one scope.
# A single `export` in that module brings the merged form back; so does a package without a `type`.
#
# Seen (number of modules that are wrapped in a function):
#   commonjs, no export:   2
#   commonjs, one export:  0
#   no type, no export:    0
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init --yes >/dev/null
npm install --silent --no-audit --no-fund esbuild@0.28.2

cat >first.ts <<'TS'
export const first = 1;
TS
cat >entry.ts <<'TS'
import "./start";
import { first } from "./first";
console.log(first);
export {};
TS

# What the bundle has of `package.json`'s type $1, with start.ts ending in $2.
wrapped() {
  if [ -n "$1" ]; then npm pkg set "type=$1"; else npm pkg delete type; fi
  printf 'import { first } from "./first";\nif (first > 1) throw new Error("never");\n%s\n' "$2" >start.ts
  node_modules/.bin/esbuild entry.ts --bundle --platform=node --format=cjs --log-level=error --outfile=out.cjs
  [ "$(node out.cjs)" = 1 ]
  grep -cE '^var \w+ = __(esm|commonJS)\(' out.cjs || true
}

plain=$(wrapped commonjs "")
exporting=$(wrapped commonjs "export const started = true;")
untyped=$(wrapped "" "")
printf 'commonjs, no export:   %s\ncommonjs, one export:  %s\nno type, no export:    %s\n' "$plain" "$exporting" "$untyped"
[ "$plain" = 2 ]
[ "$exporting" = 0 ]
[ "$untyped" = 0 ]
