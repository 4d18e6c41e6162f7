#!/usr/bin/env bash
# esbuild 0.28.2, Node 20 and later: a class that names itself in its own body is called `_Name` once it is bundled, although
# nothing is minified and no other module has that name. A class that does not name itself keeps its name. `keepNames` keeps
# both, and has the price of a call for each function and each closure that is made.
#
# Seen:
#   single file: Point Plain
#   bundled:     _Point Plain
#   keepNames:   Point Plain
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init --yes >/dev/null
npm install --silent --no-audit --no-fund esbuild@0.28.2

cat >classes.mjs <<'JS'
export class Point {
  constructor(x) {
    this.x = x;
  }
  moved() {
    return new Point(this.x + 1);
  }
}
export class Plain {}
JS
cat >main.mjs <<'JS'
import { Plain, Point } from "./classes.mjs";
console.log(Point.name, Plain.name);
JS

bundle() {
  node_modules/.bin/esbuild main.mjs --bundle --platform=node --target=node20 --log-level=error "$@" --outfile=out.cjs
  node out.cjs
}

single=$(node main.mjs)
bundled=$(bundle)
kept=$(bundle --keep-names)
printf 'single file: %s\nbundled:     %s\nkeepNames:   %s\n' "$single" "$bundled" "$kept"
[ "$single" = "Point Plain" ]
[ "$bundled" = "_Point Plain" ]
[ "$kept" = "Point Plain" ]
