/**
 * Writes index.d.ts and shared-memory.d.ts, which are committed: the public declarations of js/, rolled into one file
 * per entry point, without declarations marked `@internal`. With `--check` it only compares, and fails if a file
 * differs.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { rollup } from "rollup";
import { dts } from "rollup-plugin-dts";
import { root } from "./addon.mjs";

/**
 * The entry points, and the module of js/ that declares each. Declarations of another entry point are imported from it,
 * so that each class is declared once.
 */
const ENTRIES = { index: "index", "shared-memory": "shared-memory/process-shared-buffer" };

const BANNER = `// Written by scripts/types.mjs. The sources are in js/.

// For \`using\`, where a project's own libraries don't bring it.
/// <reference lib="esnext.disposable" />
`;

/** The comment at the head of a source file would be read as part of the first declaration's comment. */
const FILE_COMMENT = /^\/\*\*(?:(?!\*\/).)*\*\/\n+(?=\/\*\*)/gms;

async function declarations(entry) {
  const others = new Map(
    Object.keys(ENTRIES)
      .filter((other) => other !== entry)
      .map((other) => [source(other), `./${other}.js`]),
  );
  const bundle = await rollup({
    input: source(entry),
    external: (id) => others.has(id) || id.startsWith("node:"),
    plugins: [separate(others), dts({ tsconfig: join(root, "tsconfig.json") })],
    onwarn(warning) {
      throw new Error(`${entry}.d.ts: ${warning.message}`);
    },
  });
  const { output } = await bundle.generate({ format: "es", paths: Object.fromEntries(others) });
  await bundle.close();
  return `${BANNER}\n${output[0].code.replace(FILE_COMMENT, "")}`;
}

/** Leaves modules that are entry points themselves out of the bundle. */
function separate(others) {
  return {
    name: "separate-entries",
    resolveId(id, importer) {
      const path = importer === undefined ? id : `${join(importer, "..", id)}.ts`;
      return others.has(path) ? { id: path, external: true } : null;
    },
  };
}

function source(entry) {
  return join(root, "js", `${ENTRIES[entry]}.ts`);
}

for (const entry of Object.keys(ENTRIES)) {
  const file = join(root, `${entry}.d.ts`);
  const fresh = await declarations(entry);
  if (!process.argv.includes("--check")) {
    writeFileSync(file, fresh);
  } else if (readFileSync(file, "utf8") !== fresh) {
    console.error(
      `${entry}.d.ts is not what js/ declares. Run \`node scripts/types.mjs\`, read the difference and commit it`,
    );
    process.exit(1);
  }
}
