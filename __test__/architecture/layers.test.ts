/**
 * Checks which folder may import which. The rules are tables, and each import that breaks one is named.
 *
 * `js/` is two programs with common folders, `src/` is one crate in layers. A folder imports only folders before it,
 * types included. `docs/design.md` has a line for each folder.
 */
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import ts from "typescript";
import { describe, expect, test } from "vitest";

const root = join(__dirname, "../..");

/** The common folders of both programs, in order. */
const COMMON = ["base", "native", "task", "stream", "shared-memory", "payload", "lane"];
/** The folders of the worker program, above the common ones. */
const WORKER = ["lane/worker", "worker"];
/** The folders of the host program, above the common ones. Folders of one group don't import each other. */
const HOST = [
  "call",
  "lane/host",
  "runtime",
  "permission",
  "spawn",
  "pool",
  "messaging | native-module | untrusted | engines",
  "api",
  "cli",
];
/** Files at the top of js/: one for each entry point of the package. They only export. */
const ENTRIES = ["index.ts", "shared-memory.ts"];

/** Files of more lines than this need a reason. */
const MOST_LINES = 500;
const LONG_FILES: Readonly<Record<string, string>> = {
  "js/payload/encode.ts": "the grammar of values on the way out, in one place",
  "js/payload/decode.ts": "the grammar of values on the way in, in one place",
  "js/lane/worker/worker-lane.ts": "the worker's loop: its parts share one turn",
  "js/lane/host/host-lane.ts": "the host's end: the state of its calls, on the way out and on the way in",
  "src/transport/sigbus.rs": "half of it are tests",
  "src/transport/arena.rs": "half of it are tests",
};

interface Import {
  readonly from: string;
  readonly to: string;
}

const files = readdirSync(join(root, "js"), { recursive: true, encoding: "utf8" })
  .filter((path) => path.endsWith(".ts"))
  .sort();
const sources = new Map(
  files.map((file) => {
    const text = readFileSync(join(root, "js", file), "utf8");
    return [file, ts.createSourceFile(file, text, ts.ScriptTarget.Latest, true)];
  }),
);
const imports: Import[] = [...sources].flatMap(([file, source]) =>
  specifiersOf(source)
    .map((specifier) => ({
      from: file,
      to: `${relative(join(root, "js"), resolve(root, "js", dirname(file), specifier))}.ts`,
    }))
    // The only import of Rust's folder: the types that are generated from it.
    .filter(({ from, to }) => from !== "native/addon.ts" || to !== "../src/binding/addon.ts"),
);

/**
 * The imports of a module from this package: by `import` and `export`, of types too, by `import()`, `import("…").T` and
 * `require`.
 */
function specifiersOf(source: ts.SourceFile): string[] {
  const found: string[] = [];
  const visit = (node: ts.Node): void => {
    const specifier = specifierOf(node);
    if (specifier?.startsWith(".")) {
      found.push(specifier);
    }
    ts.forEachChild(node, visit);
  };
  visit(source);
  return found;
}

function specifierOf(node: ts.Node): string | undefined {
  let literal: ts.Node | undefined;
  if (ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) {
    literal = node.moduleSpecifier;
  } else if (ts.isImportTypeNode(node)) {
    literal = ts.isLiteralTypeNode(node.argument) ? node.argument.literal : undefined;
  } else if (ts.isCallExpression(node)) {
    const isRequire = ts.isIdentifier(node.expression) && node.expression.text === "require";
    const isImport = node.expression.kind === ts.SyntaxKind.ImportKeyword;
    literal = isRequire || isImport ? node.arguments[0] : undefined;
  }
  return literal !== undefined && ts.isStringLiteralLike(literal) ? literal.text : undefined;
}

/** The folder of a file in the rules: `lane/host` is a folder of its own, `worker/deno` is part of `worker`. */
function folderOf(file: string): string {
  const folders = [...COMMON, ...WORKER, ...HOST.flatMap((step) => step.split(" | "))];
  const inside = folders.filter((folder) => file.startsWith(`${folder}/`));
  return inside.sort((a, b) => b.length - a.length)[0] ?? (ENTRIES.includes(file) ? "entry" : `js/${file}`);
}

/** The folders that a folder may import, including itself. */
function allowed(folder: string): readonly string[] {
  const common = COMMON.indexOf(folder);
  if (common >= 0) {
    return COMMON.slice(0, common + 1);
  }
  const worker = WORKER.indexOf(folder);
  if (worker >= 0) {
    return [...COMMON, ...WORKER.slice(0, worker + 1)];
  }
  const host = HOST.findIndex((step) => step.split(" | ").includes(folder));
  if (host >= 0) {
    return [...COMMON, ...HOST.slice(0, host).flatMap((step) => step.split(" | ")), folder];
  }
  return folder === "entry" ? [...COMMON, ...HOST.flatMap((step) => step.split(" | "))] : [];
}

describe("js/", () => {
  test("is read", () => {
    expect(imports.length).toBeGreaterThanOrEqual(300);
    expect(imports.filter(({ to }) => !sources.has(to))).toEqual([]);
  });

  test("a folder imports only folders before it, and neither program the other", () => {
    const broken = imports.filter(({ from, to }) => !allowed(folderOf(from)).includes(folderOf(to)));
    expect(broken.map(({ from, to }) => `${from} imports ${to}`)).toEqual([]);
  });

  test("has no loose file at its top", () => {
    expect(files.filter((file) => !file.includes("/"))).toEqual([...ENTRIES].sort());
  });

  test("entry files export and do nothing", () => {
    for (const entry of ENTRIES) {
      const others = sources
        .get(entry)
        ?.statements.filter(
          (statement) => !ts.isExportDeclaration(statement) && !ts.isImportDeclaration(statement),
        );
      expect(others?.map((statement) => statement.getText())).toEqual([]);
    }
  });

  test("no module takes a whole module of the runtime: a copy of it would load what it loads on demand", () => {
    const whole = [...sources].flatMap(([file, source]) =>
      source.statements
        .filter(ts.isImportDeclaration)
        .filter((statement) => specifierOf(statement)?.startsWith("node:") && takesWhole(statement))
        .map((statement) => `${file}: ${statement.getText()}`),
    );
    expect(whole).toEqual([]);
  });

  test("one file knows where the package lies, one takes timers from the runtime", () => {
    const owners: [string, RegExp][] = [
      ["native/package.ts", /^(__dirname|__filename)$/],
      ["base/clock.ts", /^(setTimeout|setInterval|setImmediate|clearTimeout|queueMicrotask)$/],
    ];
    for (const [owner, names] of owners) {
      const others = [...sources].filter(
        ([file, source]) => file !== owner && freeNames(source).some((name) => names.test(name)),
      );
      expect(others.map(([file]) => `${file} has what is for ${owner}`)).toEqual([]);
    }
  });
});

/** Whether an import is `import * as name` or `import name`, for which a bundler copies all exports. */
function takesWhole({ importClause }: ts.ImportDeclaration): boolean {
  const isType = importClause?.phaseModifier === ts.SyntaxKind.TypeKeyword;
  const bindings = importClause?.namedBindings;
  return (
    !isType &&
    (importClause?.name !== undefined || (bindings !== undefined && ts.isNamespaceImport(bindings)))
  );
}

/** Names that a module uses and neither imports nor declares at its top. */
function freeNames(source: ts.SourceFile): string[] {
  const own = new Set<string>();
  const used = new Set<string>();
  const visit = (node: ts.Node): void => {
    if (ts.isIdentifier(node)) {
      const { parent } = node;
      const isDeclared =
        ts.isImportSpecifier(parent) ||
        ((ts.isVariableDeclaration(parent) || ts.isBindingElement(parent)) && parent.name === node);
      const isMember = ts.isPropertyAccessExpression(parent) && parent.name === node;
      (isDeclared ? own : isMember ? new Set<string>() : used).add(node.text);
    }
    ts.forEachChild(node, visit);
  };
  visit(source);
  return [...used].filter((name) => !own.has(name));
}

/** The order of src/. `transport` and `sandbox` don't import each other. */
const RUST: Readonly<Record<string, readonly string[]>> = {
  sys: [],
  transport: ["sys"],
  sandbox: ["sys"],
  process: ["sys", "transport", "sandbox"],
  binding: ["sys", "transport", "sandbox", "process"],
  bin: ["sys", "transport", "sandbox", "process"],
};

const rust = readdirSync(join(root, "src"), { recursive: true, encoding: "utf8" })
  .filter((path) => path.endsWith(".rs"))
  .sort()
  .map((file) => ({ file, text: readFileSync(join(root, "src", file), "utf8") }));

/** Paths into this crate that a file names: `crate::a::b`, and in the launcher those with the crate's own name. */
function cratePaths(text: string): string[] {
  const code = text.replace(/^\s*\/\/.*$/gm, "");
  return Array.from(code.matchAll(/\b(?:crate|knitting_native)::(\w+)/g), ([, module]) => module);
}

describe("src/", () => {
  test("a module imports only modules below it", () => {
    const named = rust.flatMap(({ file, text }) => cratePaths(text).map((to) => ({ file, to })));
    expect(named.length).toBeGreaterThanOrEqual(50);
    const broken = named.filter(({ file, to }) => {
      const [layer] = file.split("/");
      return file.includes("/") && to !== layer && !RUST[layer]?.includes(to);
    });
    expect(broken.map(({ file, to }) => `src/${file} imports ${to}`)).toEqual([]);
  });

  test("nothing but binding names napi", () => {
    const others = rust.filter(
      ({ file, text }) => !file.startsWith("binding/") && /\bnapi\b/.test(text.replace(/^\s*\/\/.*$/gm, "")),
    );
    expect(others.map(({ file }) => file)).toEqual([]);
  });
});

describe("files", () => {
  test("are short, or say why they are not", () => {
    const all = [
      ...files.map((file) => `js/${file}`),
      ...rust.map(({ file }) => `src/${file}`).filter((file) => !file.endsWith("/tests.rs")),
    ];
    const long = all.filter((file) => linesOf(file) > MOST_LINES);
    expect(long.filter((file) => LONG_FILES[file] === undefined)).toEqual([]);
    // A reason that is not needed any more must be removed.
    expect(Object.keys(LONG_FILES).filter((file) => all.includes(file) && !long.includes(file))).toEqual([]);
  });
});

function linesOf(file: string): number {
  return readFileSync(join(root, file), "utf8").split("\n").length - 1;
}

test("each folder of js/ and src/ has its line in docs/design.md", () => {
  const design = readFileSync(join(root, "docs/design.md"), "utf8");
  const paths = [...files.map((file) => `js/${file}`), ...rust.map(({ file }) => `src/${file}`)];
  const folders = new Set(paths.map((path) => dirname(path)).filter((folder) => folder.includes("/")));
  expect(folders.size).toBeGreaterThan(20);
  expect([...folders].filter((folder) => !design.includes(`| \`${folder}/\` |`))).toEqual([]);
});
