/** `importTask`: each way to name a module. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import {
  createPool,
  InvalidOptionError,
  importTask,
  TaskNotFoundError,
  WorkerBootError,
} from "knitting-native";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { importFromHere } from "../fixtures/importing";
import { kindNamed, kinds, onEveryRuntime } from "../support/kinds";
import { within } from "../support/processes";

const text = "export default (n) => n + 1;\nexport const double = (n) => n * 2;\n";
let folder: string;
beforeAll(() => {
  // Characters that a URL has to escape. Bun finds no file with a question mark in its path.
  folder = mkdtempSync(join(tmpdir(), "knitting-100% ü #1-"));
  writeFileSync(join(folder, "tasks.mjs"), text);
});
afterAll(() => rmSync(folder, { recursive: true }));

onEveryRuntime(({ worker }) => {
  test("a module is named relative to the calling one, by its path, or by a file: or data: URL", async () => {
    const path = join(folder, "tasks.mjs");
    const data = (type: string) => `data:${type},${encodeURIComponent(text)}`;
    const base64 = `data:text/javascript;base64,${Buffer.from(text).toString("base64")}`;
    const hrefs = [path, pathToFileURL(path), pathToFileURL(path).href, base64];
    const byUrl = [...hrefs, data("text/javascript"), data("text/javascript;charset=utf-8"), new URL(base64)];
    for (const href of byUrl) {
      await using pool = createPool({ worker })({
        next: importTask<number, number>({ href }),
        double: importTask<number, number>({ href, name: "double" }),
      });
      const calls = [pool.call.next(20), pool.call.double(21)];
      expect(await within(Promise.all(calls)), String(href)).toEqual([21, 42]);
    }
    for (const href of ["./tasks/basic.mjs", "../fixtures/tasks/basic.mjs", "tasks/basic.mjs"]) {
      await using pool = createPool({ worker })({ echo: importFromHere<string, string>(href, "echo") });
      expect(await within(pool.call.echo(href))).toBe(href);
    }
  });

  test.each(["compiled", "assigned", "bundled", "function"])(
    "default and named exports of CommonJS are found as compilers write them: %s.cjs",
    async (name) => {
      const href = `../fixtures/tasks/${name}.cjs`;
      await using pool = createPool({ worker })({
        first: importTask<string, string>({ href }),
        later: importTask<string, string>({ href, name: "later" }),
        none: importTask<void, void>({ href, name: "bind" }),
        mark: importTask<void, void>({ href, name: "__esModule" }),
      });
      expect(await within(pool.call.first("it"))).toBe("default of it");
      expect(await within(pool.call.later("it"))).toBe("later it");
      await expect(within(pool.call.none())).rejects.toThrow(TaskNotFoundError);
      await expect(within(pool.call.mark())).rejects.toThrow(TaskNotFoundError);
    },
  );
});

describe("https", () => {
  let server: Server;
  let origin: string;
  let certificate: string;
  const requests: string[] = [];

  beforeAll(async () => {
    const key = join(folder, "key.pem");
    certificate = join(folder, "certificate.pem");
    const extensions = ["subjectAltName=DNS:localhost", "basicConstraints=critical,CA:FALSE"];
    const names = ["-subj", "/CN=localhost", ...extensions.flatMap((extension) => ["-addext", extension])];
    const files = ["-keyout", key, "-out", certificate];
    execFileSync("openssl", ["req", "-x509", "-newkey", "rsa:2048", "-nodes", ...names, ...files], {
      stdio: "ignore",
    });
    const options = { key: readFileSync(key), cert: readFileSync(certificate) };
    server = createServer(options, ({ url = "" }, response) => {
      requests.push(url);
      const found = url === "/tasks.mjs";
      response.writeHead(found ? 200 : 404, { "content-type": "text/javascript" });
      response.end(found ? text : "");
    });
    await new Promise<void>((resolve) => server.listen(0, "localhost", resolve));
    origin = `https://localhost:${(server.address() as AddressInfo).port}`;
  });
  afterAll(() => server.close());

  const deno = kindNamed("process on deno").worker;
  const options = () => ({
    worker: { ...deno, env: { ...process.env, DENO_DIR: join(folder, "deno") } },
    workerExecArgv: [`--cert=${certificate}`],
    // The certificate and the cache lie outside of the working directory.
    permission: "unsafe" as const,
  });

  test("Deno imports from it", async () => {
    await using pool = createPool(options())({
      double: importTask<number, number>({ href: `${origin}/tasks.mjs`, name: "double" }),
    });
    expect(await within(pool.call.double(21))).toBe(42);
    expect(requests).toContain("/tasks.mjs");
  });

  test("what isn't there rejects the calls", async () => {
    await using pool = createPool(options())({
      none: importTask<void, void>({ href: `${origin}/none.mjs` }),
    });
    await expect(within(pool.call.none())).rejects.toSatisfy(
      (error) => error instanceof TaskNotFoundError || error instanceof WorkerBootError,
    );
    await expect(within(pool.call.none())).rejects.toThrow(`${origin}/none.mjs`);
  });

  test.each(kinds.filter(({ name }) => !name.includes("deno") && !name.includes("bwrap")))(
    "$name does not, which createPool says",
    ({ worker }) => {
      const tasks = { f: importTask<void, void>({ href: "https://example.com/tasks.mjs" }) };
      expect(() => createPool({ worker })(tasks)).toThrow(InvalidOptionError);
      const who =
        worker.runtime === "thread"
          ? "the workers are threads of Node"
          : `worker.processRuntime is "${worker.processRuntime}"`;
      expect(() => createPool({ worker })(tasks)).toThrow(
        `createPool: task "f" is at https://example.com/tasks.mjs, and ${who}. Deno alone imports from https`,
      );
    },
  );
});
