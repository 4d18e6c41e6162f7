/**
 * Writes index.d.ts, which is committed: the public declarations of js/ rolled into one file, without what is marked
 * `@internal`. With `--check` only compares, and fails if the file differs.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { rollup } from "rollup";
import { dts } from "rollup-plugin-dts";
import { root } from "./addon.mjs";

const file = join(root, "index.d.ts");

const BANNER = `// Written by scripts/types.mjs. The sources are in js/.

// For \`using\`, where a project's own libraries don't bring it.
/// <reference lib="esnext.disposable" />
`;

/** What stands at the head of a source file would be read as part of the first declaration's comment. */
const FILE_COMMENT = /^\/\*\*(?:(?!\*\/).)*\*\/\n(?=\/\*\*)/gms;

async function declarations() {
  const bundle = await rollup({
    input: join(root, "js", "index.ts"),
    plugins: [dts({ tsconfig: join(root, "tsconfig.json") })],
    onwarn(warning) {
      throw new Error(`index.d.ts: ${warning.message}`);
    },
  });
  const { output } = await bundle.generate({ format: "es" });
  await bundle.close();
  return `${BANNER}\n${output[0].code.replace(FILE_COMMENT, "")}`;
}

const fresh = await declarations();
if (!process.argv.includes("--check")) {
  writeFileSync(file, fresh);
} else if (readFileSync(file, "utf8") !== fresh) {
  console.error(
    "index.d.ts is not what js/ declares. Run `node scripts/types.mjs`, read the difference and commit it",
  );
  process.exit(1);
}
