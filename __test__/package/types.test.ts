/** index.d.ts: the package as an editor and a compiler see it. */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { createProgram, displayPartsToString, ModuleKind } from "typescript";
import { expect, test } from "vitest";

const root = join(__dirname, "..", "..");

function run(...argv: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, argv, { cwd: root, encoding: "utf8" });
  return { status, output: stdout + stderr };
}

test("index.d.ts is what js/ declares", () => {
  expect(run("scripts/types.mjs", "--check")).toEqual({ status: 0, output: "" });
});

test("right programs compile and wrong ones don't, from ES modules and from CommonJS", () => {
  expect(run("node_modules/typescript/bin/tsc", "-p", "__test__/types")).toEqual({ status: 0, output: "" });
});

test("every export has a doc comment", () => {
  const program = createProgram([join(root, "index.d.ts")], { module: ModuleKind.NodeNext });
  const checker = program.getTypeChecker();
  const module = checker.getSymbolAtLocation(program.getSourceFile(join(root, "index.d.ts"))!)!;
  const exported = checker.getExportsOfModule(module).map((symbol) => checker.getAliasedSymbol(symbol));
  const bare = exported.filter(
    (symbol) => displayPartsToString(symbol.getDocumentationComment(checker)) === "",
  );
  expect(exported.map(({ name }) => name)).toContain("createPool");
  expect(bare.map(({ name }) => name)).toEqual([]);
});

test("an example follows its tag", () => {
  for (const file of ["index.d.ts", "shared-memory.d.ts"]) {
    const text = readFileSync(join(root, file), "utf8");
    expect(text).toContain("@example");
    expect(text).not.toMatch(/@example\s*\n\s*\*\//);
  }
});
