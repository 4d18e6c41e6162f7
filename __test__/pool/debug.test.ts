/** The option `debug` and the environment variable KNITTING_DEBUG: what a pool and its workers log to stderr. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { createPool, InvalidOptionError, importTask } from "knitting-native";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { run, write } from "../support/installed";
import { onEveryRuntime } from "../support/kinds";

const root = join(__dirname, "..", "..");
let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "knitting-debug-"));
  const library = JSON.stringify(pathToFileURL(join(root, "dist", "index.js")).href);
  write(folder, {
    "tasks.mjs": `
      globalThis.leftBehind = 1;
      export const echo = (text) => text;
      export const fail = () => { throw new Error("the secret of the task"); };`,
    "setup.mjs": "export default () => { globalThis.fromSetup = 1; };",
    "host.mjs": `
      import { once } from "node:events";
      import { createPool, importTask } from ${library};
      const { options } = JSON.parse(process.env.OPTIONS);
      const task = (name) => importTask({ href: "./tasks.mjs", name });
      const worker = { ...options.worker, bootstrap: { href: "./setup.mjs", data: "the secret of the setup" } };
      const pool = createPool({ ...options, worker })({ echo: task("echo"), fail: task("fail") });
      await pool.call.echo("the secret of the call");
      await pool.call.fail().catch(() => {});
      // What threads write on their way out can be lost. The test ends this when it has read what it waits for.
      await once(process.stdin.resume(), "end");
      await pool.shutdown();`,
  });
});
afterAll(() => rmSync(folder, { recursive: true }));

interface Line {
  readonly namespace: string;
  /** The pool, or one of its workers. */
  readonly who: string;
  readonly what: string;
}

const LINE = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z knitting:(\w+) (p1(?:\/w\d)?) (.*)$/;

/** The text of a line without its time; undefined if the line belongs to no namespace. */
function parsed(line: string): Line | undefined {
  const parts = LINE.exec(line);
  return parts === null ? undefined : { namespace: parts[1], who: parts[2], what: parts[3] };
}

/**
 * The logged lines of the namespaces. The host's pool stays open until the lines that `isEnough` waits for have
 * arrived.
 */
async function lines(
  options: object,
  variable = "",
  isEnough: (said: readonly Line[]) => boolean = () => true,
): Promise<Line[]> {
  const env = { OPTIONS: JSON.stringify({ options }), KNITTING_DEBUG: variable };
  const { status, stdout, stderr } = await run(process.execPath, ["host.mjs"], {
    cwd: folder,
    env,
    isEnough: (written) =>
      isEnough(
        written
          .split("\n")
          .slice(0, -1)
          .flatMap((line) => parsed(line) ?? []),
      ),
  });
  expect({ status, stdout }, stderr).toEqual({ status: 0, stdout: "" });
  expect(stderr).not.toContain("secret");
  expect(stderr).not.toContain("BOOT");
  const said = stderr.split("\n").slice(0, -1);
  return said.map((line) => {
    const found = parsed(line);
    expect(found, line).toBeDefined();
    return found as Line;
  });
}

onEveryRuntime(({ worker, name }) => {
  test("everything is said, by whom, and nothing of arguments, results and boots", async () => {
    const readyOf = (some: readonly Line[]) => some.find(({ what }) => what.startsWith("is ready"))?.who;
    const workers = ["p1/w0", "p1/w1"];
    const said = await lines(
      { worker, threads: 2, debug: true },
      "",
      (soFar) =>
        // A pool that is shut down early may end a worker before that has run at all.
        workers.every((who) =>
          soFar.some((line) => line.who === who && line.what.startsWith("was started")),
        ) &&
        ["imports", "globals"].every(
          (namespace) =>
            soFar.filter((line) => line.namespace === namespace && line.who === readyOf(soFar)).length >= 3,
        ),
    );
    const of = (namespace: string, who: string) =>
      said.filter((line) => line.namespace === namespace && line.who === who).map(({ what }) => what);
    const runtime = name.replace("process on ", "");
    const at = pathToFileURL(folder).href;
    const inAny = (pattern: RegExp) => expect.stringMatching(pattern);
    expect(of("host", "p1")).toEqual([
      inAny(new RegExp(`^has 2 workers \\(${runtime}\\), roundRobin, in process \\d+$`)),
      `task "echo" is export "echo" of ${at}/tasks.mjs`,
      `task "fail" is export "fail" of ${at}/tasks.mjs`,
      `worker.bootstrap is export "default" of ${at}/setup.mjs`,
      "shutdown(): 0 calls are under way",
      "closed",
    ]);
    for (const who of workers) {
      expect(of("lifecycle", who)).toContainEqual(inAny(/^was started \(\w+, pid (\d+|null)\)$/));
    }
    const ready = readyOf(said) as string;
    expect(of("imports", ready)).toEqual([
      inAny(/setup\.mjs was imported in [\d.]+ ms$/),
      inAny(/^worker\.bootstrap, "default" has run in [\d.]+ ms$/),
      inAny(/tasks\.mjs was imported in [\d.]+ ms$/),
    ]);
    const globals = of("globals", ready);
    expect(globals).toHaveLength(3);
    expect(globals[1]).toMatch(/^worker\.bootstrap, "default" has put on globalThis: .*fromSetup/);
    expect(globals[2]).toMatch(/tasks\.mjs has put on globalThis: .*leftBehind/);
    expect(of("signals", "p1")).toEqual([
      'call 1 of "echo"',
      inAny(/^call 1 of "echo" resolved after [\d.]+ ms$/),
      'call 1 of "fail"',
      inAny(/^call 1 of "fail" rejected after [\d.]+ ms$/),
    ]);
  });
});

describe("what is asked for", () => {
  const namesOf = (said: readonly Line[]) => [...new Set(said.map(({ namespace }) => namespace))].sort();
  const expectNamespaces = async (expected: string[], debug: unknown, variable?: string) => {
    const said = await lines({ debug }, variable, (soFar) => namesOf(soFar).length >= expected.length);
    expect(namesOf(said)).toEqual(expected);
  };

  test("nothing is said where nothing is asked for", async () => {
    await expectNamespaces([], undefined);
    await expectNamespaces([], false, " ");
    await expectNamespaces([], []);
    await expectNamespaces([], { host: false, imports: undefined });
  });

  test("some by an array, an object and the environment; they add up", async () => {
    await expectNamespaces(["host"], ["host"]);
    await expectNamespaces(["imports"], { imports: true, host: false });
    await expectNamespaces(["host", "signals"], undefined, "signals, host");
    await expectNamespaces(["globals", "signals"], ["globals"], "signals");
    await expectNamespaces(["globals", "host", "imports", "lifecycle", "signals"], false, "*");
  });
});

describe("an unknown namespace is refused, with those there are", () => {
  const tasks = { echo: importTask<unknown, unknown>({ href: "../fixtures/tasks/basic.mjs", name: "echo" }) };
  const create = (debug: unknown) => () => createPool({ debug } as object)(tasks);
  afterEach(() => {
    delete process.env.KNITTING_DEBUG;
  });

  test.each([
    [["hots"], '"debug[0]" is "hots", it must be "host", "lifecycle", "imports", "globals" or "signals"'],
    [[5], '"debug[0]" is 5'],
    [new Array(1), '"debug[0]" is undefined'],
    [{ signal: true }, 'unknown option "debug.signal", did you mean "debug.signals"?'],
    [{ host: 1 }, '"debug.host" is 1, it must be true or false'],
    ["host", '"debug" is "host", it must be true, false, an array of namespaces or an object'],
    [null, '"debug" is null'],
    [1, '"debug" is 1'],
  ])("%j", (debug, message) => {
    expect(create(debug)).toThrow(InvalidOptionError);
    expect(create(debug)).toThrow(message);
  });

  test("in the environment too", () => {
    process.env.KNITTING_DEBUG = "host,hots";
    expect(create(undefined)).toThrow(InvalidOptionError);
    expect(create(undefined)).toThrow(
      '"environment variable KNITTING_DEBUG" is "hots", it must be "host", "lifecycle"',
    );
  });
});
