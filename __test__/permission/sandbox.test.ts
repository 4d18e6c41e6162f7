/**
 * Proves that the derived needs of a runtime are enough: each runtime starts under a policy that grants nothing but one
 * folder.
 */
import { spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { native } from "../../build/native/addon.js";
import { launcherPath } from "../../build/native/platform.js";
// @ts-expect-error the scripts are plain JavaScript
import { ensureRuntimes } from "../../scripts/runtimes.mjs";

const ORDINARY_USER = 65534;
const runtimes: Record<string, string> = { system: process.execPath, ...ensureRuntimes() };
const flags: Record<string, string[]> = {
  deno: ["run", "--allow-all", "--quiet", "--no-lock", "--node-modules-dir=manual"],
  bun: ["run", "--no-install"],
};
const users = process.getuid?.() === 0 ? [0, ORDINARY_USER] : [process.getuid?.() as number];

const SCRIPT = `
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { availableParallelism, cpus, freemem } from "node:os";
import { answer } from "dependency";

const codeOf = (error) => error?.code ?? error?.cause?.code ?? String(error);
const attempt = async (what) => {
  try { await what(); return "done"; } catch (error) { return codeOf(error); }
};
const serve = () => new Promise((resolve, reject) => {
  const server = createServer((request, response) => response.end("served"));
  server.on("error", reject);
  server.listen(0, "127.0.0.1", async () => {
    try {
      const text = await (await fetch("http://127.0.0.1:" + server.address().port)).text();
      server.closeAllConnections?.();
      server.close();
      text === "served" ? resolve() : reject(text);
    } catch (error) { reject(error); }
  });
});
const sync = () => readFileSync(process.argv[2]);
const async = () => readFile(process.argv[2]);
console.log(JSON.stringify({
  answer,
  random: randomBytes(4).length,
  memory: process.memoryUsage().rss > 0 && freemem() > 0,
  cores: availableParallelism() > 0 && cpus().length > 0,
  time: new Date(0).toString().includes("1970") || new Date(0).toString().includes("1969"),
  outside: [await attempt(sync), await attempt(async)],
  served: await attempt(serve),
}));
process.exit(0);
`;

let folder: string;
beforeAll(() => {
  folder = realpathSync(mkdtempSync(join(tmpdir(), "knitting-sandbox-")));
  const project = {
    outside: "secret",
    "project/package.json": '{ "dependencies": { "dependency": "1" } }',
    "project/node_modules/dependency/package.json":
      '{ "name": "dependency", "type": "module", "version": "1.0.0", "main": "index.js" }',
    "project/node_modules/dependency/index.js": "export const answer = 42;",
    "project/script.mjs": SCRIPT,
  };
  for (const [name, content] of Object.entries(project)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), content);
  }
  chmodSync(folder, 0o755);
});
afterAll(() => rmSync(folder, { recursive: true }));

function run(name: string, net: boolean, uid: number) {
  const needs = native().runtimeNeeds(runtimes[name], net);
  const sandbox = {
    read: [join(folder, "project")],
    write: [],
    execute: needs.execute,
    needs: needs.read,
    devices: needs.devices,
    denyRead: [],
    denyWrite: [],
    net,
    unix: false,
    run: false,
    optional: [],
  };
  expect(native().sandboxMissing(JSON.stringify(sandbox), native().probeSandbox(launcherPath()))).toEqual([]);
  const { status, stdout, stderr } = spawnSync(
    launcherPath(),
    [
      ...[String(process.pid), `--sandbox=${JSON.stringify(sandbox)}`, "--"],
      ...[runtimes[name], ...(flags[name] ?? []), "script.mjs", join(folder, "outside")],
    ],
    { cwd: join(folder, "project"), uid, gid: uid, encoding: "utf8", env: { HOME: folder, NO_COLOR: "1" } },
  );
  expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
  return JSON.parse(stdout);
}

describe.each(Object.keys(runtimes))("%s starts with what it needs and no more", (name) => {
  test.each(users)("as user %d", (uid) => {
    const works = { answer: 42, random: 4, memory: true, cores: true, time: true };
    expect(run(name, false, uid)).toEqual({
      ...works,
      outside: ["EACCES", "EACCES"],
      served: expect.stringMatching(/EACCES|EPERM|denied/i),
    });
    expect(run(name, true, uid)).toEqual({ ...works, outside: ["EACCES", "EACCES"], served: "done" });
  });
});
