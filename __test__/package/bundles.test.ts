/** A project that is bundled by esbuild and by Vite, and runs under plain Node. */
import { existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type BuildOptions, build as esbuild } from "esbuild";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { run, write } from "../support/installed";
import { kinds } from "../support/kinds";

type Format = "esm" | "cjs";
interface Variant {
  readonly format: Format;
  /** Everything in one file, or the modules that two entries share in separate files. */
  readonly shape: "one bundle" | "chunks";
  readonly minify: boolean;
}

const root = join(__dirname, "..", "..");
const SOURCES = {
  "tasks.ts": `
    import { setModuleUrl, task } from "knitting-native";
    setModuleUrl(import.meta.url);
    export const double = task({ f: (n: number) => n * 2 });
    const treble = task({ f: (n: number) => n * 3, timeout: 60_000 });
    export { treble as triple };
    export default task({ f: (n: number) => n * 4 });`,
  "texts.ts": `
    import { setModuleUrl, task } from "knitting-native";
    setModuleUrl(import.meta.url);
    export const shout = task({ f: async (text: string) => text.toUpperCase() });`,
  "entry-of-its-own.ts": 'export const greet = (name: string) => "Hello " + name;',
  // Shares modules with main.ts, which bundlers then put into chunks.
  "other.ts": `
    import { double, triple } from "./tasks.js";
    import { shout } from "./texts.js";
    export const all = [double, triple, shout];`,
  "main.ts": `
    import { createPool, importTask, isMain } from "knitting-native";
    import quadruple, { double, triple } from "./tasks.js";
    import { shout } from "./texts.js";
    export const add = ([a, b]: [number, number]) => a + b;
    const greet = importTask<string, string>({ href: "./entry-of-its-own.js", name: "greet" });
    async function main() {
      for (const worker of JSON.parse(process.env.WORKERS as string)) {
        const pool = createPool({ worker })({ double, triple, quadruple, shout, add, greet });
        const { call } = pool;
        const calls = [call.double(2), call.triple(2), call.quadruple(2), call.shout("a"), call.add([1, 2]), call.greet("b")];
        const values = await Promise.all(calls as Promise<unknown>[]);
        await pool.shutdown();
        const single = triple.createPool({ worker });
        console.log(worker.processRuntime ?? "thread", ...values, await single.call(5));
        await single.shutdown();
      }
    }
    if (isMain) void main();`,
};
const ENTRIES = ["main", "entry-of-its-own"];

const workers = kinds.filter(({ isWrapped }) => !isWrapped).map(({ worker }) => worker);
const expected = ["thread", "node", "deno", "bun"].map((name) => `${name} 4 6 8 A 3 Hello b 15\n`).join("");

const folder = mkdtempSync(join(tmpdir(), "knitting-bundles-"));
const source = join(folder, "src");

beforeAll(() => {
  write(source, SOURCES);
  mkdirSync(join(folder, "node_modules"));
  symlinkSync(root, join(folder, "node_modules", "knitting-native"));
});
afterAll(() => rmSync(folder, { recursive: true }));

/** A folder for output, whose .js files are of this format. */
function output(name: string, format: Format): string {
  const to = join(folder, name);
  write(to, { "package.json": JSON.stringify({ type: format === "esm" ? "module" : "commonjs" }) });
  return to;
}

async function byEsbuild(to: string, { format, shape, minify }: Variant, more: BuildOptions = {}) {
  const entries = shape === "chunks" ? [...ENTRIES, "other"] : ENTRIES;
  await esbuild({
    ...{ bundle: true, platform: "node", target: "node20", logLevel: "error", external: ["knitting-native"] },
    ...{ format, minify, outdir: to, entryPoints: entries.map((entry) => join(source, `${entry}.ts`)) },
    // Only for ES modules. Bundles in CommonJS are complete each.
    splitting: shape === "chunks" && format === "esm",
    ...more,
  });
}

async function byVite(to: string, { format, shape, minify }: Variant) {
  const { build } = await import("vite");
  const entries = shape === "chunks" ? [[...ENTRIES, "other"]] : ENTRIES.map((entry) => [entry]);
  for (const some of entries) {
    await build({
      ...{ root: folder, configFile: false, logLevel: "error", ssr: { external: ["knitting-native"] } },
      build: {
        ...{ ssr: true, outDir: to, emptyOutDir: false, minify, target: "node20" },
        rollupOptions: {
          input: Object.fromEntries(some.map((entry) => [entry, join(source, `${entry}.ts`)])),
          output: { format, entryFileNames: "[name].js", chunkFileNames: "[name]-[hash].js" },
        },
      },
    });
  }
}

const variants = (["esm", "cjs"] as const).flatMap((format) =>
  (["one bundle", "chunks"] as const).flatMap((shape) =>
    [false, true].map((minify): Variant => ({ format, shape, minify })),
  ),
);

describe.each([
  { bundler: "esbuild", bundle: byEsbuild },
  { bundler: "vite", bundle: byVite },
])("$bundler", ({ bundler, bundle }) => {
  test.each(variants)("$format, $shape, minified: $minify", async (variant) => {
    const { format, shape, minify } = variant;
    const to = output([bundler, format, shape.replace(" ", "-"), minify].join("-"), format);
    await bundle(to, variant);
    expect(existsSync(join(to, "tasks.js")), "the tasks are in a bundle").toBe(false);
    const outcome = await run(process.execPath, ["main.js"], {
      cwd: to,
      env: { WORKERS: JSON.stringify(workers) },
      watchdog: 120_000,
    });
    expect(outcome).toEqual({ status: 0, stdout: expected, stderr: "" });
  });
});

describe("what a bundler breaks is said", () => {
  const variant: Variant = { format: "esm", shape: "one bundle", minify: true };
  const failure = async (name: string, format: Format, more: BuildOptions) => {
    const to = output(name, format);
    await byEsbuild(to, { ...variant, format }, { logLevel: "silent", ...more });
    const env = { WORKERS: '[{ "runtime": "thread" }]' };
    const { status, stderr } = await run(process.execPath, ["main.js"], { cwd: to, env });
    expect(status).not.toBe(0);
    return stderr;
  };

  test("tasks without an export, in a module that has not called setModuleUrl", async () => {
    write(source, {
      "forgetful-tasks.ts":
        'import { task } from "knitting-native"; export const lost = task({ f: () => 1 });',
      "forgetful.ts":
        'import { createPool, isMain } from "knitting-native"; import { lost } from ' +
        '"./forgetful-tasks.js"; if (isMain) createPool()({ lost });',
    });
    const stderr = await failure("forgetful", "esm", {
      entryPoints: { main: join(source, "forgetful.ts") },
    });
    expect(stderr).toMatch(
      /TaskNotFoundError: task "lost": .*forgetful\/main\.js has no export "lost" \(it exports nothing\).*setModuleUrl\(import\.meta\.url\)/,
    );
  });

  test("import.meta.url of the source in place of the bundle's", async () => {
    const stderr = await failure("replaced", "esm", {
      define: { "import.meta.url": '"file:///home/builder/src/tasks.ts"' },
    });
    expect(stderr).toMatch(
      /InvalidOptionError: setModuleUrl: "url" is "file:\/\/\/home\/builder\/src\/tasks\.ts", and there is no such file; the file that runs is file:\/\/.*\/replaced\/main\.js\. .* without an argument it is the file that runs/,
    );
  });

  test.each(["esm", "cjs"] as const)("this package in the bundle (%s)", async (format) => {
    const stderr = await failure(`swallowed-${format}`, format, {
      external: [],
      loader: { ".node": "empty" },
    });
    expect(stderr).toContain("knitting-native was bundled, and can't work like that");
    expect(stderr).toContain("--external:knitting-native");
  });
});
