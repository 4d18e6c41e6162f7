import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { resolveOptions } from "../../build/pool/options.js";
import { runtimeCommand } from "../../build/runtime/command.js";
import { environmentOf, isUnrestricted, valuesOf } from "../../build/runtime/environment.js";
// @ts-expect-error the scripts are plain JavaScript
import { ensureRuntimes } from "../../scripts/runtimes.mjs";

const { deno, bun }: Record<string, string> = ensureRuntimes();
const executable = { node: process.execPath, deno, bun };
const runtimes = ["node", "deno", "bun"] as const;

const original = process.env;
const boot = { KNITTING_PROCESS_WORKER: "1", KNITTING_PROCESS_WORKER_BOOT: "{}" };
const needed = { PATH: "/bin:/usr/bin", LD_LIBRARY_PATH: "/lib" };
const others = { SECRET: "s3cret", LANG: "C", EMPTY: "" };

beforeEach(() => {
  process.env = { ...needed, DENO_DIR: "/cache", ...others, ...boot };
});
afterEach(() => {
  process.env = original;
});

const permission = "unsafe";
const thread = (env?: object) =>
  valuesOf(environmentOf(resolveOptions({ worker: { env }, permission }).worker));
const options = (env: object | undefined, processRuntime = "node", more = {}) =>
  resolveOptions({ worker: { runtime: "process", processRuntime, env, ...more }, permission }).worker;
const ofProcess = (...args: Parameters<typeof options>) => valuesOf(environmentOf(options(...args)));

describe("a process worker's variables", () => {
  test("are the host's where nothing is restricted, but for those of an outer pool", () => {
    expect(ofProcess(undefined)).toEqual({ ...needed, DENO_DIR: "/cache", ...others });
  });

  test("are those of an object, and what it takes to start", () => {
    expect(ofProcess({ MODE: "test" })).toEqual({ ...needed, MODE: "test" });
    expect(ofProcess({}, "bun")).toEqual(needed);
    expect(ofProcess({}, "deno")).toEqual({ ...needed, DENO_DIR: "/cache" });
    expect(ofProcess({ PATH: "/mine", DENO_DIR: undefined }, "deno")).toEqual({
      ...needed,
      DENO_DIR: "/cache",
      PATH: "/mine",
    });
  });

  test("are picked by a choice, where what is set wins", () => {
    const env = { inherit: ["LANG", "EMPTY", "NOT_SET", "SECRET"], set: { SECRET: "none", MODE: "" } };
    expect(ofProcess(env)).toEqual({ ...needed, LANG: "C", EMPTY: "", SECRET: "none", MODE: "" });
  });

  test("have nothing that the host has not", () => {
    process.env = {};
    expect(ofProcess({ A: "b" }, "deno")).toEqual({ A: "b" });
  });

  test("bear the limits that Bun takes from nowhere else", () => {
    const resourceLimits = { codeRangeSizeMb: 16, stackSizeMb: 1.5 };
    expect(ofProcess({ BUN_JSC_maxPerThreadStackUsage: "1" }, "bun", { resourceLimits })).toEqual({
      ...needed,
      BUN_JSC_jitMemoryReservationSize: "16777216",
      BUN_JSC_maxPerThreadStackUsage: "1572864",
    });
  });
});

describe("a worker thread's variables", () => {
  test("are a copy of the host's where nothing is restricted", () => {
    expect(isUnrestricted(resolveOptions({ permission }).worker)).toBe(true);
    expect(thread()).toEqual({ ...needed, DENO_DIR: "/cache", ...others });
  });

  test("are those of an object alone, or of a choice", () => {
    expect(thread({ MODE: "test" })).toEqual({ MODE: "test" });
    expect(thread({ inherit: ["LANG", "NOT_SET"], set: { MODE: "test" } })).toEqual({
      LANG: "C",
      MODE: "test",
    });
  });
});

describe("each runtime starts with what is left of an environment that is replaced", () => {
  test.each(runtimes)("%s", (runtime) => {
    process.env = { ...original, SECRET: "s3cret" };
    const worker = options({ MODE: "test" }, runtime);
    const script = join(__dirname, "..", "fixtures", "tasks", "environment.cjs");
    const [program, ...args] = runtimeCommand(worker, executable[runtime], script);
    const env = valuesOf(environmentOf(worker));
    const { status, stdout, stderr } = spawnSync(program, args, { env, encoding: "utf8" });
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    expect(JSON.parse(stdout)).toMatchObject({ MODE: "test" });
    expect(stdout).not.toContain("s3cret");
  });
});
