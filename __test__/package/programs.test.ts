/**
 * The two bundled programs of the package: what each contains, that a task's imports find the worker's one file, and
 * that several copies of the package work in one process.
 */
import { cpSync, mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as knitting from "knitting-native";
import { createPool, Envelope, InvalidOptionError, importTask, KnittingError } from "knitting-native";
import * as sharedMemory from "knitting-native/shared-memory";
import { ProcessSharedBuffer } from "knitting-native/shared-memory";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
// @ts-expect-error the scripts are plain JavaScript
import { bundles } from "../../scripts/bundle.mjs";
// @ts-expect-error the scripts are plain JavaScript
import { ensureRuntimes } from "../../scripts/runtimes.mjs";
import { run, write } from "../support/installed";
import { onEveryRuntime } from "../support/kinds";

const root = join(__dirname, "..", "..");
const { deno, bun }: Record<string, string> = ensureRuntimes();

/**
 * Bytes that a worker reads and compiles at each start. A larger size needs a reason: it was 117 KiB when white space was
 * first left out.
 */
const MOST_WORKER_BYTES = 120 * 1024;

describe("the bundles", () => {
  const COMMON = ["base", "native", "task", "stream", "shared-memory", "payload", "lane"];
  const foldersOf = (modules: readonly string[]) =>
    new Set(
      modules.filter((path) => path.startsWith("js/")).map((path) => path.split("/").slice(1, -1).join("/")),
    );

  test(
    "a worker's holds nothing of the host's program, " +
      "and no other package but what tells musl from glibc",
    async () => {
      const { worker } = await bundles();
      expect([...foldersOf(worker)].sort()).toEqual(
        [...COMMON, "lane/worker", "worker", "worker/deno", ""].sort(),
      );
      const packages = worker.filter((path: string) => path.startsWith("node_modules/"));
      expect(packages.filter((path: string) => !path.startsWith("node_modules/detect-libc/"))).toEqual([]);
    },
  );

  test("a host's holds nothing of the worker's program", async () => {
    const { host } = await bundles();
    const folders = [...foldersOf(host)];
    expect(folders).toContain("pool");
    expect(folders.filter((folder) => /^(lane\/)?worker/.test(folder))).toEqual([]);
  });

  test("a worker's is small", () => {
    expect(statSync(join(root, "dist", "worker.js")).size).toBeLessThan(MOST_WORKER_BYTES);
  });

  test("what is packed is bundles, stubs and licences", () => {
    expect(readdirSync(join(root, "dist")).sort()).toEqual(
      ["LICENSES.txt", "cli.js", "host.js", "index.js", "shared-memory.js", "worker.js"].sort(),
    );
  });

  test("exported classes have the names that they are exported by", () => {
    for (const [name, value] of [...Object.entries(knitting), ...Object.entries(sharedMemory)]) {
      if (typeof value === "function" && name !== "default") {
        expect(value.name).toBe(name);
      }
    }
  });

  test("loading a worker's program by another program starts nothing and marks nothing", async () => {
    const program = `
      const { index } = require(${JSON.stringify(join(root, "dist", "worker.js"))});
      console.log(typeof index.createPool, Symbol.for("knitting-native.worker") in globalThis);`;
    const outcome = await run(process.execPath, ["-e", program], { cwd: root });
    expect(outcome).toEqual({ status: 0, stdout: "function false\n", stderr: "" });
  });
});

describe("each name can be imported by an ES module", () => {
  const names = Object.keys(createRequire(__filename)("knitting-native"));
  const memory = Object.keys(createRequire(__filename)("knitting-native/shared-memory"));
  const folder = mkdtempSync(join(tmpdir(), "knitting-names-"));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  beforeAll(() => {
    cpSync(join(root, "dist"), join(folder, "node_modules/knitting-native/dist"), { recursive: true });
    cpSync(join(root, "npm"), join(folder, "node_modules/knitting-native/npm"), { recursive: true });
    cpSync(join(root, "package.json"), join(folder, "node_modules/knitting-native/package.json"));
    const imports = `
      import { ${names.join(", ")} } from "knitting-native";
      import { ${memory.join(", ")} } from "knitting-native/shared-memory";
      const all = [${[...names, ...memory].join(", ")}];`;
    write(folder, {
      "names.mjs": `${imports}\nconsole.log(all.filter((value) => value === undefined).length, isMain, workerInfo);`,
      "tasks.mjs":
        `${imports}\nexport const count = () => [all.filter((value) => value !== undefined).length, ` +
        "isMain];",
    });
  });

  test("of 20 and more, the same on both sides", () => {
    const worker = createRequire(__filename)(join(root, "dist", "worker.js"));
    expect(names.length).toBeGreaterThan(20);
    expect(Object.keys(worker.index).sort()).toEqual([...names].sort());
    expect(Object.keys(worker.sharedMemory).sort()).toEqual([...memory].sort());
  });

  test.each([
    ["node", process.execPath, []],
    ["deno", deno, ["run", "--allow-all", "--quiet", "--node-modules-dir=manual"]],
    ["bun", bun, ["run"]],
  ])("in a program of %s", async (_name, program, flags) => {
    const outcome = await run(program, [...flags, "names.mjs"], { cwd: folder });
    expect(outcome).toEqual({ status: 0, stdout: "1 true undefined\n", stderr: "" });
  });

  onEveryRuntime(({ worker }) => {
    test("in a worker, where they are of the worker's own program", async () => {
      const href = join(folder, "tasks.mjs");
      const count = importTask<void, [number, boolean]>({ href, name: "count" });
      await using pool = createPool({ worker })({ count });
      expect(await pool.call.count()).toEqual([names.length + memory.length, false]);
    });
  });
});

describe("two copies of the package in one process", () => {
  const folder = mkdtempSync(join(tmpdir(), "knitting-copies-"));
  const copy = join(folder, "node_modules", "knitting-native");
  let other: typeof knitting;
  let otherMemory: typeof sharedMemory;
  const name = `/knitting-copies-${process.pid}`;

  beforeAll(() => {
    for (const part of ["dist", "npm", "package.json"]) {
      cpSync(join(root, part), join(copy, part), { recursive: true });
    }
    write(folder, {
      "tasks.mjs": `
        import { createPool, Envelope, InvalidOptionError, isMain, task, UnsupportedPayloadError } from "knitting-native";
        class Mine extends InvalidOptionError {}
        export const sees = () => isMain;
        export const starts = () => createPool({})({ sees });
        export const wraps = (header) => new Envelope(header, new Uint8Array([1, 2, 3]).buffer);
        export const opens = ({ header, payload }) => [header, payload.byteLength];
        export const fails = () => { new Envelope({}, "no bytes"); };
        export const failsAsMine = () => { throw new Mine("mine"); };
        export const first = (memory) => { const bytes = memory.bytes(); bytes[0] += 1; return bytes[0]; };
        export const defined = task({ f: (x) => x * 2 });`,
    });
    other = createRequire(__filename)(copy);
    otherMemory = createRequire(__filename)(join(copy, "dist", "shared-memory.js"));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  test("are two", () => {
    expect(other.createPool).not.toBe(createPool);
  });

  test("errors of one are instances of the other's classes, those of a class derived from them are not", () => {
    const Mine = class extends (KnittingError as unknown as new (code: string, message: string) => Error) {};
    const error = caught(() => other.createPool({ threads: 0 }));
    expect(error).not.toBe(undefined);
    expect(Object.getPrototypeOf(error)).not.toBe(InvalidOptionError.prototype);
    expect(error).toBeInstanceOf(InvalidOptionError);
    expect(error).toBeInstanceOf(KnittingError);
    expect(error).not.toBeInstanceOf(knitting.PoolClosedError);
    expect(error).not.toBeInstanceOf(Mine);
    const mine = new Mine("MINE", "mine");
    expect(mine).toBeInstanceOf(Mine);
    expect(mine).toBeInstanceOf(other.KnittingError);
  });

  onEveryRuntime(({ worker, isProcess }) => {
    const tasks = () => {
      const from = <A, R>(task: string) => importTask<A, R>({ href: join(folder, "tasks.mjs"), name: task });
      return {
        sees: from<void, boolean>("sees"),
        starts: from<void, never>("starts"),
        wraps: from<unknown, Envelope>("wraps"),
        opens: from<Envelope, [unknown, number]>("opens"),
        fails: from<void, never>("fails"),
        failsAsMine: from<void, never>("failsAsMine"),
        first: from<ProcessSharedBuffer, number>("first"),
        defined: from<number, number>("defined"),
      };
    };

    test("a task that imports the other copy starts no second worker and is in a worker", async () => {
      await using pool = createPool({ worker })(tasks());
      expect(await pool.call.sees()).toBe(false);
      expect(await pool.call.defined(21)).toBe(42);
      await expect(pool.call.starts()).rejects.toMatchObject({ code: "KNITTING_POOL_IN_WORKER" });
    });

    test("envelopes of the other copy arrive as this one's, from both sides", async () => {
      await using pool = createPool({ worker })(tasks());
      const wrapped = await pool.call.wraps({ a: 1 });
      expect(wrapped).toBeInstanceOf(Envelope);
      expect(wrapped).toMatchObject({ header: { a: 1 }, payload: new Uint8Array([1, 2, 3]).buffer });
      const foreign = new other.Envelope({ b: 2 }, new Uint8Array(5).buffer);
      expect(await pool.call.opens(foreign as Envelope)).toEqual([{ b: 2 }, 5]);
    });

    test("errors of the other copy arrive as this one's, those of a class derived from them as Error", async () => {
      await using pool = createPool({ worker })(tasks());
      const error = await pool.call.fails().catch((reason: unknown) => reason);
      expect(Object.getPrototypeOf(error)).toBe(InvalidOptionError.prototype);
      const mine = await pool.call.failsAsMine().catch((reason: unknown) => reason);
      expect(Object.getPrototypeOf(mine)).toBe(Error.prototype);
      expect(mine).toMatchObject({ message: "mine", code: "KNITTING_INVALID_OPTION" });
    });

    test("shared memory of the other copy is shared by its name, and refused without one", async () => {
      await using pool = createPool({ worker })(tasks());
      using memory = otherMemory.ProcessSharedBuffer.create({ size: 64, name });
      try {
        expect(await pool.call.first(memory as unknown as ProcessSharedBuffer)).toBe(1);
        expect(await pool.call.first(memory as unknown as ProcessSharedBuffer)).toBe(2);
        expect(memory.bytes()[0]).toBe(2);
      } finally {
        sharedMemory.getDefaultProcessSharedBufferPrimitives().unlinkSharedMemory(name);
      }
      using nameless = otherMemory.ProcessSharedBuffer.create(64);
      await expect(pool.call.first(nameless as unknown as ProcessSharedBuffer)).rejects.toThrow(
        /^\$ can't be shared: it was made by another copy of knitting-native and has no name/,
      );
      using own = ProcessSharedBuffer.create(64);
      expect(await pool.call.first(own)).toBe(1);
      expect(isProcess || own.bytes()[0] === 1).toBe(true);
    });
  });
});

function caught(run: () => unknown): unknown {
  try {
    run();
  } catch (error) {
    return error;
  }
  return undefined;
}
