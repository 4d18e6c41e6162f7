import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { inheritedExecArgv } from "../../build/runtime/exec-argv.js";
import { onEveryRuntime } from "../support/kinds";

test.each([
  ["--env-file .env", ""],
  ["--env-file=.env --no-warnings", "--no-warnings"],
  ["--env-file-if-exists .env --env-file .env.local", ""],
  ["--inspect-port 9229 --stack-trace-limit 5", "--stack-trace-limit 5"],
  ["--watch --watch-path ./src --expose-gc", "--expose-gc"],
  ["-r ./a.cjs --require=./b.cjs -C dev --max-http-header-size 9000", "--max-http-header-size 9000"],
  ["--test --no-deprecation", "--no-deprecation"],
  ["--no-deprecation -e 1+1", "--no-deprecation"],
  ["--title my-host --enable-source-maps", "--enable-source-maps"],
])("of %j a worker gets %j", (given, inherited) => {
  expect(inheritedExecArgv(given.split(" ")).join(" ")).toBe(inherited);
});

onEveryRuntime(({ worker }) => {
  test("a host with an environment file has workers", () => {
    const folder = mkdtempSync(join(tmpdir(), "knitting-exec-argv-"));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const file = join(folder, "host.env");
    writeFileSync(file, "FROM_FILE=yes\n");
    const host = `
      const { createPool, importTask } = require(${JSON.stringify(join(__dirname, "../../dist/index.js"))});
      const href = "data:text/javascript,export default () => process.env.FROM_FILE";
      const options = { worker: ${JSON.stringify(worker)}, permission: "unsafe" };
      const pool = createPool(options)({ read: importTask({ href }) });
      pool.call.read().then(console.log).finally(() => pool.shutdown());
    `;
    const run = spawnSync(process.execPath, ["--env-file", file, "-e", host], { encoding: "utf8" });
    expect(run).toMatchObject({ stdout: "yes\n", stderr: "", status: 0 });
  });
});
