/**
 * Writes src/binding/addon.d.ts: the types of the addon's exports, with the doc comments of src/binding. With `--check`
 * it only checks whether the file is up to date.
 *
 * napi-derive describes the exports while the crate is compiled, one JSON object per line. This script turns them into
 * a TypeScript module.
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { root } from "./addon.mjs";

const FILE = "src/binding/addon.d.ts";
const HEADER = `// Generated from src/binding by \`node scripts/addon-types.mjs\`. Do not edit.

/** The hot call of a lane, see \`exchangeFunction\`. */
export type Exchange = ReturnType<HostLane["exchangeFunction"]>;

/** The call of a lane that finds room for a payload, see \`reserveFunction\`. */
export type Reserve = ReturnType<HostLane["reserveFunction"]>;

/** What both ends of a lane have. */
export type Lane = Pick<HostLane, Extract<keyof HostLane, keyof WorkerLane>>;
`;

/** napi-derive's descriptions of the exports, in the order of the sources. */
function definitions() {
  // In a folder that no earlier build knows, cargo compiles the crate again, and that writes the descriptions.
  const folder = mkdtempSync(join(tmpdir(), "knitting-addon-types-"));
  try {
    const { status, error } = spawnSync(
      "cargo",
      ["check", "--lib", "--locked", "--quiet", "--features", "addon-types"],
      { cwd: root, stdio: "inherit", env: { ...process.env, NAPI_TYPE_DEF_TMP_FOLDER: folder } },
    );
    if (error || status !== 0) {
      throw new Error(`cargo check failed${error ? `: ${error.message}` : ""}`);
    }
    const lines = readdirSync(folder).flatMap((name) => readFileSync(join(folder, name), "utf8").split("\n"));
    return lines.filter((line) => line !== "").map((line) => JSON.parse(line));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The lines of a text with this indentation in place of napi-derive's. */
function indented(text, indentation) {
  return text
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "")
    .map((line) => `${indentation}${line.startsWith("*") ? " " : ""}${line}\n`)
    .join("");
}

/** Members of a class or an interface, with the semicolons that napi-derive leaves out. */
function members(text, indentation) {
  return indented(text, indentation)
    .split("\n")
    .map((line) => (/^\s*(\/\*\*|\*|$)/.test(line) ? line : `${line};`))
    .join("\n");
}

/** The variants of a union, one object type each. Fields and their comments get lines of their own. */
function union(text) {
  const variants = text.split(/^\s*\| /m).filter((variant) => variant.trim() !== "");
  return variants
    .map((variant) => {
      const fields = variant.trim().slice(1, -1).trim();
      // A comment stands before each field except the first, which names the variant.
      const lines = fields.replaceAll("; /**", "\n/**");
      return lines.includes("\n") ? `  | {\n${members(lines, "      ")}    }` : `  | { ${lines} }`;
    })
    .join("\n");
}

function declaration({ kind, name, def, js_doc: doc }, implementations) {
  const comment = indented(doc, "");
  switch (kind) {
    case "struct": {
      const body = members(implementations.get(name) ?? "", "  ");
      const isMade = /^\s*constructor\(/m.test(body) ? "" : "  private constructor();\n";
      return `${comment}export declare class ${name} {\n${isMade}${body}}\n`;
    }
    case "interface":
      return `${comment}export interface ${name} {\n${members(def, "  ")}}\n`;
    case "type":
      return `${comment}export type ${name} =\n${union(def)};\n`;
    case "string_enum": {
      // JavaScript passes the strings themselves.
      const values = [...def.matchAll(/= '([^']*)'/g)].map(([, value]) => `"${value}"`);
      return `${comment}export type ${name} = ${values.join(" | ")};\n`;
    }
    case "const":
      return `${comment}${def.replace("export const", "export declare const")};\n`;
    case "fn":
      return `${comment}export declare ${def};\n`;
    default:
      throw new Error(`${name} is a ${kind}, which this script does not know`);
  }
}

/** The text of the module. */
function typescript() {
  const all = definitions();
  const implementations = new Map(
    all.filter(({ kind }) => kind === "impl").map(({ name, def }) => [name, def]),
  );
  const declarations = all
    .filter(({ kind }) => kind !== "impl")
    .map((definition) => declaration(definition, implementations));
  return [HEADER, ...declarations]
    .join("\n")
    .replace(/Array<(\w+)>/g, "$1[]")
    .replace(/'(\w+)'/g, '"$1"');
}

const path = join(root, FILE);
const text = typescript();
if (!process.argv.includes("--check")) {
  writeFileSync(path, text);
} else if (!existsSync(path) || readFileSync(path, "utf8") !== text) {
  console.error(`${FILE} is not what src/binding exports: run \`node scripts/addon-types.mjs\``);
  process.exitCode = 1;
}
