/** The benchmark's command line: what it refuses, it refuses in a sentence, before it measures. */
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { expect, test } from "vitest";

const root = join(__dirname, "..", "..");
const WATCHDOG_MILLIS = 60_000;

function bench(...args: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, ["scripts/bench.mjs", ...args], {
    cwd: root,
    encoding: "utf8",
    timeout: WATCHDOG_MILLIS,
  });
  return { status, stdout, stderr: stderr.trim() };
}

test("--help tells every option", () => {
  const { status, stdout } = bench("--help");
  expect(status).toBe(0);
  for (const option of ["quick", "only", "against", "knitting", "json", "docs", "node", "help"]) {
    expect(stdout).toMatch(new RegExp(`^  --${option}\\b`, "m"));
  }
});

test.for<[string[], RegExp]>([
  [["--nope"], /Unknown option '--nope'\. `npm run bench -- --help` lists the options\.$/],
  [["numbers"], /Unexpected argument 'numbers'/],
  [["--only"], /--only/],
  [
    ["--only", "nothing of this name"],
    /--only is "nothing of this name", and nothing is called that\. Say one of/,
  ],
  [["--only", "memory", "--docs"], /--only and --docs do not go together/],
  [["--against", "."], /--against is ".*", which is this checkout itself/],
  [["--against", "__test__"], /--against is ".*", which is no folder of knitting-native/],
  [["--only", "workers", "--against", "."], /--against is ".*", which is this checkout itself/],
  [["--knitting", "__test__"], /--knitting is ".*", which is no checkout of Knitting/],
])("%s is refused in a sentence", ([args, sentence]) => {
  const { status, stdout, stderr } = bench(...args);
  expect(status).toBe(1);
  expect(stdout).toBe("");
  expect(stderr).toMatch(/^npm run bench: /);
  expect(stderr).toMatch(sentence);
  expect(stderr).not.toMatch(/^\s+at /m);
});
