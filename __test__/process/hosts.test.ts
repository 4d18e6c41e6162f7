/** What runs the host: Node, and what looks like it. */
import { mkdirSync, mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
// @ts-expect-error the scripts are plain JavaScript
import { ensureRuntimes } from "../../scripts/runtimes.mjs";
import { run, write } from "../support/installed";

const runtimes: Record<string, string> = ensureRuntimes();
const root = join(__dirname, "..", "..");
const folder = mkdtempSync("/var/tmp/knitting-hosts-");
afterAll(() => rmSync(folder, { recursive: true }));

mkdirSync(join(folder, "node_modules"));
symlinkSync(root, join(folder, "node_modules", "knitting-native"));
write(folder, {
  // Deno resolves the dependencies that a project declares.
  "package.json": '{ "type": "module", "dependencies": { "knitting-native": "*" } }',
});

describe.each([
  ["Bun", "bun", ["run"]],
  ["Deno", "deno", ["run", "--allow-all"]],
])("in %s", (name, runtime, argv) => {
  test("createPool and a task's createPool say that the host is Node, and nothing else throws", async () => {
    write(folder, {
      "other.mjs": `
        import { createPool, isMain, task, UnsupportedPlatformError } from "knitting-native";
        export const double = (x) => x * 2;
        const treble = task({ f: (x) => x * 3 });
        console.log(isMain);
        for (const worker of [undefined, { runtime: "process", processRuntime: "bun" }]) {
          for (const create of [() => createPool({ worker })({ double }), () => treble.createPool({ worker })]) {
            try {
              console.log(create());
            } catch (error) {
              console.log(error instanceof UnsupportedPlatformError, error.code, error.message);
            }
          }
        }`,
    });
    const { status, stdout } = await run(runtimes[runtime], [...argv, "other.mjs"], { cwd: folder });
    const [isMain, ...refusals] = stdout.trim().split("\n");
    expect({ status, isMain }).toEqual({ status: 0, isMain: "true" });
    expect(refusals).toHaveLength(4);
    const sentence =
      `^true KNITTING_UNSUPPORTED_PLATFORM createPool: the host of a pool runs on Node, and this is ${name} ` +
      `[\\d.]+\\. Start this program with Node .*processRuntime: "${runtime}"`;
    for (const refusal of refusals) {
      expect(refusal).toMatch(new RegExp(sentence));
    }
  });
});
