/**
 * The table of a benchmark's run and the documents that are made from it: every row and every contender is there, and
 * what is written by hand stays. The results are invented; nothing is measured here.
 */
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
// @ts-expect-error the benchmark is plain JavaScript
import { checkPages, docsOf, RESULTS, writeDocs } from "../../bench/docs.mjs";
// @ts-expect-error the benchmark is plain JavaScript
import { report } from "../../bench/report.mjs";
// @ts-expect-error the benchmark is plain JavaScript
import { requirePeer } from "../../bench/require-peer.mjs";
import { benchResults, type Row } from "../support/bench-results";

const root = join(__dirname, "..", "..");
const BENCHMARKS = join("docs", "benchmarks.md");
const MAX_SVG_BYTES = 60 * 1024;

const LOADS = {
  idle: "",
  one: ", one busy process",
  each: ", a busy process on each core",
  two: ", two busy processes on each core",
};

const results = benchResults();
const rows = results.groups.flatMap((group) => group.rows);
const namesOf = (of: Row[]) => [
  ...new Set(of.flatMap(({ contenders }) => contenders.map(({ name }) => name))),
];

const folder = mkdtempSync(join(tmpdir(), "knitting-benchmarks-"));

beforeEach(() => {
  mkdirSync(join(folder, "docs"), { recursive: true });
  for (const page of ["README.md", BENCHMARKS]) {
    cpSync(join(root, page), join(folder, page));
  }
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe("the report", () => {
  const text: string = report(results);

  test("has a block for each row, with a line for each contender", () => {
    const blocks = text.split("\n\n").filter((block) => / \(\d+ rounds[,)]/.test(block));
    expect(blocks.map((block) => block.slice(0, block.indexOf(" (")))).toEqual(
      rows.map(({ title, load }) => title + LOADS[load]),
    );
    for (const [index, block] of blocks.entries()) {
      const lines = block.split("\n").map((line) => line.trim());
      const has = (name: string) =>
        lines.some(
          (line) => line.startsWith(`${name}  `) || (/ - .*: /.test(` ${line}`) && line.includes(name)),
        );
      expect(namesOf([rows[index]!]).filter((name) => !has(name))).toEqual([]);
    }
  });

  test("shows failures in the place of figures and again at the end, and reasons below a row", () => {
    expect(text).toMatch(/^ {2}poolifier +FAILED: no answer for 20 s$/m);
    expect(text).toMatch(/^ {2}- JSON has no bytes: fork$/m);
    expect(text.slice(text.lastIndexOf("failed:"))).toContain(
      "poolifier, an error, sequential: no answer for 20 s",
    );
  });

  test("writes each figure in its unit", () => {
    const lineOf = (title: string) => text.slice(text.indexOf(`\n${title} (`)).split("\n")[3];
    expect(lineOf("one number, sequential")).toMatch(/ µs .* µs .* µs .*x \(.* - .*\)$/);
    expect(lineOf("start of a worker, to its first answer")).toMatch(/ (ms|µs) /);
    expect(lineOf("memory of an idle worker")).toMatch(/ (MiB|KiB) /);
    expect(lineOf("50 us of work, 1 workers")).toMatch(/ k\/s /);
    expect(lineOf("host at rest")).toMatch(/ % /);
    expect(lineOf("one number, sequential, two busy processes on each core")).toMatch(/ µs \(.*x\)$/);
  });

  test("names the machine, the versions and the floors", () => {
    expect(text).toContain("Node v24.21.0, Linux 6.18.44, A processor, 2 cores, 24 GiB");
    expect(text).toContain("others kept 0.13 cores busy");
    expect(text).toContain("piscina 5.3.2");
    expect(text).toMatch(/a cache line there and back +287 ns/);
  });
});

describe("the documents", () => {
  let docs: Record<string, string>;

  beforeAll(async () => {
    docs = await docsOf(results, root);
  });

  test("have all rows and all contenders, figures and reasons", () => {
    const page = docs[BENCHMARKS]!;
    for (const { title } of rows.filter(({ load }) => load === "idle")) {
      expect(page).toContain(`| ${title} |`);
    }
    expect(page).toContain("With two busy processes on each core:\n\n|  | one number, sequential |");
    for (const group of results.groups) {
      const [, rest] = page.split(`\n### ${group.title[0]!.toUpperCase()}${group.title.slice(1)}\n`);
      const section = rest!.split("\n### ")[0]!;
      const lines = section.replaceAll("**", "").split("\n");
      const has = (name: string) =>
        lines.some(
          (line) => line.startsWith(`| ${name} |`) || (line.startsWith("- ") && line.includes(name)),
        );
      expect(namesOf(group.rows).filter((name) => !has(name))).toEqual([]);
    }
    expect(page).toContain("- Failed, no answer for 20 s: poolifier (an error, sequential)\n");
    expect(page).toContain("- JSON has no bytes: fork\n");
    expect(Math.max(...page.split("\n").map((line) => line.split(" | ").length))).toBeLessThanOrEqual(9);
  });

  test("say where this package is behind, and only there", () => {
    const [, rest] = docs[BENCHMARKS]!.split("<!-- bench: weak-points -->");
    const [points] = rest!.split("<!-- /bench -->");
    // Of the invented rates ours are no better than those of others; of the times they are.
    expect(points).toContain("| 50 us of work, 1 workers |");
    expect(points).not.toContain("one number");
    expect(points).not.toContain("at least, computed");
  });

  test("README's table has the busy figure beside the idle one", () => {
    expect(docs["README.md"]).toMatch(
      /^\| \*\*knitting-native, process\*\* \| \*\*[\d.]+ µs\*\* \| \*\*[\d.]+ µs, worst/m,
    );
    expect(docs["README.md"]).toMatch(/^\| postMessage \|/m);
  });

  test("keep what is written by hand, and are the same the second time", async () => {
    const outside = (page: string) => page.replace(/(<!-- bench: [^>]* -->)[\s\S]*?<!-- \/bench -->/g, "$1");
    for (const path of ["README.md", BENCHMARKS]) {
      expect(outside(docs[path]!)).toBe(outside(readFileSync(join(root, path), "utf8")));
      writeFileSync(join(folder, path), docs[path]!);
    }
    expect(await writeDocs(results, folder)).toEqual(Object.keys(docs));
    const second = Object.keys(docs).map((path) => [path, readFileSync(join(folder, path), "utf8")]);
    expect(Object.fromEntries(second)).toEqual(docs);
  });

  test.each([
    ["README.md", "<!-- bench: calls -->", "the marker <!-- bench: calls --> is missing"],
    [BENCHMARKS, "<!-- bench: floors -->", "the marker <!-- bench: floors --> is missing"],
    [BENCHMARKS, "<!-- /bench -->", "is not closed by <!-- /bench -->"],
  ])("%s without %s is refused, and nothing is written", async (path, marker, message) => {
    const page = join(folder, path);
    const text = readFileSync(page, "utf8").replace(marker, "");
    writeFileSync(page, text);
    await expect(writeDocs(results, folder)).rejects.toThrow(message);
    await expect(writeDocs(results, folder)).rejects.toThrow(path);
    expect(() => checkPages(folder)).toThrow(message);
    expect(readFileSync(page, "utf8")).toBe(text);
  });

  test("a figure of a row that nobody measured is refused", async () => {
    const page = join(folder, BENCHMARKS);
    writeFileSync(
      page,
      readFileSync(page, "utf8").replace("figure one number, sequential |", "figure nothing |"),
    );
    await expect(docsOf(results, folder)).rejects.toThrow(
      /benchmarks\.md: .*: The results have no row "nothing"/,
    );
  });

  // There are none before the first run.
  test.runIf(existsSync(join(root, RESULTS)))("of this checkout are what its results say", async () => {
    const committed = await docsOf(JSON.parse(readFileSync(join(root, RESULTS), "utf8")), root);
    for (const [path, text] of Object.entries<string>(committed)) {
      expect(readFileSync(join(root, path), "utf8"), `\`node bench/docs.mjs\` writes ${path}`).toBe(text);
    }
  });

  test("are not made from a part of a run", async () => {
    await expect(docsOf({ ...results, quick: true }, root)).rejects.toThrow("need a whole run");
    await expect(docsOf(benchResults(["numbers"]), root)).rejects.toThrow(
      'no row "one number, sequential", two busy processes on each core',
    );
  });

  test("plots are small, well-formed, and have a title, texts and a dark style", async () => {
    const { optimize } = requirePeer("svgo");
    const plots = Object.entries(docs).filter(([path]) => path.endsWith(".svg"));
    expect(plots).toHaveLength(5);
    for (const [path, svg] of plots) {
      expect(docs[BENCHMARKS]).toContain(`](${path.replace("docs/", "")})`);
      expect(Buffer.byteLength(svg)).toBeLessThan(MAX_SVG_BYTES);
      // It throws at what is no XML.
      expect(optimize(svg, { plugins: [] }).data).toMatch(/^<svg /);
      expect(svg).toMatch(/<svg [^>]*role="img"/);
      expect(svg).toMatch(/<title>.+<\/title><desc>.+<\/desc><style>@media \(prefers-color-scheme: dark\)/);
      expect(svg).toMatch(/<text[^>]*>knitting thread<|>string, 1 MiB, Latin-1</);
      expect(svg).toContain("sans-serif");
    }
  });
});
