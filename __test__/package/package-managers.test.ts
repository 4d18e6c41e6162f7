/**
 * The package from its tarball, in an empty folder, with each package manager: it installs without a warning about
 * scripts, because it has none, and the README's first example runs.
 */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
// @ts-expect-error the scripts are plain JavaScript
import { ensureManagers, ensureNodes } from "../../scripts/runtimes.mjs";
import { type Packed, pack, run, write } from "../support/installed";

const minutes = 60_000;
const temporary = mkdtempSync(join(tmpdir(), "knitting-managers-"));
const folders: Record<string, string> = ensureManagers();
const nodes: Record<string, string> = { 20: process.execPath, ...ensureNodes() };

/** The program of each package manager, the command that adds a tarball, and the Node that runs it. */
const MANAGERS = [
  { manager: "npm@10.9.9", node: "20", program: "bin/npm-cli.js", add: ["install"] },
  { manager: "npm@11.21.2", node: "24", program: "bin/npm-cli.js", add: ["install"] },
  { manager: "npm@12.2.2", node: "24", program: "bin/npm-cli.js", add: ["install"] },
  { manager: "pnpm@10.34.8", node: "20", program: "bin/pnpm.cjs", add: ["add"] },
  { manager: "pnpm@10.34.8", node: "24", program: "bin/pnpm.cjs", add: ["add"] },
  { manager: "pnpm@11.28.10", node: "24", program: "bin/pnpm.mjs", add: ["add"] },
  { manager: "yarn@1.22.22", node: "24", program: "bin/yarn.js", add: ["add"] },
];

let packed: Packed;
beforeAll(async () => {
  packed = await pack(temporary);
}, 10 * minutes);
afterAll(() => rmSync(temporary, { recursive: true, force: true }));

// At once: each has a home and a folder of its own, and waits for a registry.
describe.concurrent.each(MANAGERS)("$manager on Node $node", ({ manager, node, program, add }) => {
  test(
    "installs the tarball in an empty folder, and the first example runs",
    async () => {
      const folder = join(temporary, `${manager}-${node}`);
      write(folder, { "package.json": '{ "private": true, "type": "module", "license": "MIT" }' });
      const home = join(temporary, `home-${manager}-${node}`);
      const env = {
        HOME: home,
        XDG_DATA_HOME: home,
        XDG_CACHE_HOME: home,
        npm_config_cache: join(home, "npm"),
        CI: "1",
      };
      const argv = [join(folders[manager], program), ...add, packed.path];
      const installed = await run(nodes[node], argv, { cwd: folder, env, watchdog: 3 * minutes });
      const output = installed.stdout + installed.stderr;
      expect(installed.status, output).toBe(0);
      expect(output).not.toMatch(/script|ignored build|approve/i);
      write(folder, { "example.mjs": firstExample() });
      const outcome = await run(nodes[node], ["example.mjs"], { cwd: folder });
      expect(outcome).toEqual({ status: 0, stdout: expect.stringMatching(/\S/), stderr: "" });
    },
    5 * minutes,
  );
});

/** The first JavaScript program of the README. */
function firstExample(): string {
  const readme = readFileSync(join(__dirname, "../../README.md"), "utf8");
  return /^```js\n(.*?)^```/ms.exec(readme)?.[1] as string;
}
