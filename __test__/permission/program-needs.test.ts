/** What a program needs to start is looked up once, for as long as the program is the file it was. */
import { copyFileSync, mkdtempSync, renameSync, rmSync, utimesSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { programNeeds, runtimeNeeds } from "../../build/permission/program-needs.js";

const folder = mkdtempSync(join(tmpdir(), "knitting-needs-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const program = join(folder, "program");
copyFileSync("/bin/true", program);

test("a second look is the first one's answer, for each question", () => {
  const first = programNeeds(program);
  expect(first.execute).toContain(program);
  expect(programNeeds(program)).toBe(first);
  const offline = runtimeNeeds(program, false);
  expect(runtimeNeeds(program, false)).toBe(offline);
  expect(runtimeNeeds(program, true)).not.toBe(offline);
});

test("another file in its place is looked at anew, and so is the same file at another time", () => {
  const first = programNeeds(program);
  copyFileSync("/bin/false", `${program}.new`);
  renameSync(`${program}.new`, program);
  const second = programNeeds(program);
  expect(second).not.toBe(first);
  utimesSync(program, 1, 1);
  expect(programNeeds(program)).not.toBe(second);
});

test("a program that is gone is an error, whatever was known of it", () => {
  programNeeds(program);
  rmSync(program);
  expect(() => programNeeds(program)).toThrow(/cannot find out what .* needs/);
});
