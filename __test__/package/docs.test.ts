/**
 * Every example of README.md and docs/ is run, from the installed tarball, and must print what its comments say.
 *
 * An example is a fenced block of code that begins with a comment with its file's name. The files of a page lie in one
 * folder. Files that create a pool are programs. Each of their lines `console.log(...); // text` says what is printed,
 * in this order.
 */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
// @ts-expect-error the scripts are plain JavaScript
import { ensureNodes, ensureRuntimes } from "../../scripts/runtimes.mjs";
import { ensureContainers, missing } from "../support/containers";
import { install, pack, place, run, write } from "../support/installed";

const root = join(__dirname, "..", "..");
const containers = ensureContainers();
/** The requirements of an example, recognised by words in its text. */
const needs: readonly (readonly [word: string, skip: string | undefined])[] = [
  ['"bwrap"', missing("bwrap")],
  ['"podman"', containers.available ? undefined : containers.reason],
];

interface Example {
  readonly name: string;
  readonly code: string;
}

interface Page {
  readonly path: string;
  readonly examples: readonly Example[];
}

const pages: readonly Page[] = [
  "README.md",
  ...readdirSync(join(root, "docs")).map((name) => join("docs", name)),
]
  .filter((path) => path.endsWith(".md"))
  .map((path) => ({ path, examples: examplesOf(readFileSync(join(root, path), "utf8")) }))
  .filter(({ examples }) => examples.length > 0);

// Not below /tmp, because the sandbox of an example hides it from its worker.
const folder = mkdtempSync("/var/tmp/knitting-docs-");
const bin = join(folder, "bin");
/** The package supports the system's Node. TypeScript and some syntax need a later one. */
const nodes: Readonly<Record<string, string>> = { system: process.execPath, 24: join(bin, "node") };

beforeAll(async () => {
  await install(await pack(folder), folder, "knitting-native", "--ignore-scripts");
  mkdirSync(bin);
  for (const [name, path] of Object.entries<string>({ ...ensureRuntimes(), node: ensureNodes()[24] })) {
    place(path, join(bin, name));
  }
  for (const { path, examples } of pages) {
    write(join(folder, path), Object.fromEntries(examples.map(({ name, code }) => [name, code])));
  }
}, 600_000);

afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe.each(pages)("$path", ({ path, examples }) => {
  test("each example has a name of its own", () => {
    const names = examples.map(({ name }) => name);
    expect(names).toEqual([...new Set(names)]);
    expect(names.filter((name) => !/^[\w/-]+\.[cm]?[jt]s$/.test(name))).toEqual([]);
  });

  const typed = examples.map(({ name }) => name).filter((name) => /\.[cm]?ts$/.test(name));
  if (typed.length > 0) {
    test("its TypeScript is sound", async () => {
      const tsc = join(root, "node_modules", "typescript", "bin", "tsc");
      const flags = ["--noEmit", "--strict", "--allowImportingTsExtensions"];
      const dialect = ["--module", "nodenext", "--target", "es2022", "--lib", "esnext"];
      const types = ["--types", "node", "--typeRoots", join(root, "node_modules", "@types")];
      const argv = [tsc, ...flags, ...dialect, ...types, ...typed];
      const outcome = await run(nodes.system, argv, { cwd: join(folder, path) });
      expect(outcome).toEqual({ status: 0, stdout: "", stderr: "" });
    });
  }

  const programs = examples.filter(({ code }) => /\bcreatePool\(/.test(code));
  describe.each(Object.keys(nodes))("on Node %s", (version) => {
    test.for(programs.filter(({ name, code }) => version === "24" || !isModern(name, code)))(
      "$name prints what its comments say",
      async ({ name, code }, context) => {
        for (const [word, skip] of needs) {
          context.skip(skip !== undefined && code.includes(word), skip);
        }
        const lines = [...code.matchAll(/console\.log\(.*\);? *\/\/ (.*)$/gm)].map(([, line]) => line);
        expect(lines, "lines that it prints").not.toEqual([]);
        const env = {
          ...containers.environment,
          PATH: `${bin}:${process.env.PATH}`,
          IMAGE: containers.image,
        };
        const outcome = await run(nodes[version], [name], { cwd: join(folder, path), env });
        expect(outcome).toEqual({ status: 0, stdout: `${lines.join("\n")}\n`, stderr: "" });
      },
    );
  });
});

/** The blocks of JavaScript and TypeScript in a page. */
function examplesOf(page: string): Example[] {
  const blocks = [...page.matchAll(/^```(?:js|ts)\n([\s\S]*?)^```$/gm)].map(([, code]) => code);
  return blocks.map((code) => ({ name: /^\/\/ (\S+)\n/.exec(code)?.[1] ?? `no name: ${code}`, code }));
}

function isModern(name: string, code: string): boolean {
  return /\.[cm]?ts$/.test(name) || /\b(await )?using \w+ =/.test(code);
}
