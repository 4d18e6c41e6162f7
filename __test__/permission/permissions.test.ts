/**
 * What workers may do under a policy: what is denied, what is allowed, and that the pool's table is correct about both.
 */

import { once } from "node:events";
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { createServer as createWebServer } from "node:http";
import { createServer, type Server } from "node:net";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import {
  createPool,
  importTask,
  type PermissionOptions,
  type PermissionRule,
  type PoolOptions,
  type WorkerOptions,
} from "knitting-native";
import { getDefaultProcessSharedBufferPrimitives, ProcessSharedBuffer } from "knitting-native/shared-memory";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { resolvePermission } from "../../build/permission/resolve.js";
import { kernelPlan } from "../../build/permission/sandbox-spec.js";
// @ts-expect-error the scripts are plain JavaScript
import { ensureNodes } from "../../scripts/runtimes.mjs";
import { run, write } from "../support/installed";
import { kindNamed, kinds, onChildren, onEveryRuntime } from "../support/kinds";
import { makeProject, type Project, tasksOf } from "../support/project";

const onDeno = kindNamed("process on deno");
const bwrapped = kinds.filter(({ name }) => name.endsWith("in bwrap"));

let project: Project;
let listener: Server;
let port: number;
const home = process.cwd();

beforeAll(async () => {
  project = makeProject();
  // Rules that can't be enforced are in the table.
  vi.spyOn(process, "emitWarning").mockImplementation(() => {});
  // A thread has no working directory of its own.
  process.chdir(project.folder);
  listener = createServer((socket) => socket.end()).listen(0, "127.0.0.1");
  await new Promise((resolve) => listener.once("listening", resolve));
  port = (listener.address() as { port: number }).port;
  process.env.KNITTING_TEST_SECRET = "of the host";
  process.env.KNITTING_TEST_ALLOWED = "allowed";
});
afterAll(() => {
  delete process.env.KNITTING_TEST_SECRET;
  delete process.env.KNITTING_TEST_ALLOWED;
  listener.close();
  vi.restoreAllMocks();
  process.chdir(home);
  project.remove();
});

/** A pool with a policy whose rules are only listed if they can't be enforced. */
function open(worker: WorkerOptions, permission: PoolOptions["permission"]) {
  const tolerant = typeof permission === "object" && permission.mode !== "unsafe";
  const policy = tolerant ? { onUnsupported: "warn" as const, ...permission } : permission;
  return createPool({ worker, permission: policy })(tasksOf(project));
}
type Pool = ReturnType<typeof open>;

const inParent = (path: string) => join(project.parent, path);
const inProject = (path: string) => join(project.folder, path);

interface Attempt {
  readonly what: string;
  readonly rule: PermissionRule["rule"];
  /** A name in the rule's value, if there are several rules of that name. */
  readonly names?: () => string;
  readonly go: (pool: Pool) => Promise<unknown>;
}

const attempts: readonly Attempt[] = [
  {
    what: "read outside of what is granted",
    rule: "read",
    go: ({ call }) => call.read(inParent("outside/secret.txt")),
  },
  {
    what: "read outside of it, by another thread of the runtime",
    rule: "read",
    go: ({ call }) => call.readLater(inParent("outside/secret.txt")),
  },
  {
    what: "list a folder outside of it",
    rule: "read",
    go: ({ call }) => call.list(inParent("outside")),
  },
  {
    what: "read what is denied inside of it",
    rule: "denyRead",
    names: () => inProject(".env"),
    go: ({ call }) => call.read(inProject(".env")),
  },
  {
    what: "read what is denied outside of it",
    rule: "denyRead",
    names: () => "/etc",
    go: ({ call }) => call.read("/etc/passwd"),
  },
  {
    what: "write outside of what is granted",
    rule: "write",
    go: ({ call }) => call.write([inParent("outside/new.txt"), "new"]),
  },
  {
    what: "write outside of it, by another thread of the runtime",
    rule: "write",
    go: ({ call }) => call.writeLater([inParent("outside/new.txt"), "new"]),
  },
  {
    what: "write what is denied inside of it",
    rule: "denyWrite",
    names: () => inProject("node_modules"),
    go: ({ call }) => call.append([inProject("node_modules/greet/index.js"), "\n"]),
  },
  {
    what: "connect to a server",
    rule: "net",
    go: ({ call }) => call.connect(port),
  },
  {
    what: "start a program",
    rule: "run",
    go: ({ call }) => call.start(["git", "--version"]),
  },
  {
    what: "start a program without waiting for it",
    rule: "run",
    go: ({ call }) => call.startLater(["git", "--version"]),
  },
];

function isEnforced({ permissions }: Pool, { rule, names }: Attempt): boolean {
  const found = permissions.rules.filter(
    (entry) => entry.rule === rule && (names === undefined || [entry.value].flat().includes(names())),
  );
  expect(found).toHaveLength(1);
  return found[0].enforcedBy.length > 0;
}

onEveryRuntime(({ worker, isProcess }) => {
  test.each([
    ["in the strict profile", { mode: "strict" }],
    ["without a word", undefined],
  ] as const)(
    "%s what the table says is enforced is denied, the rest is not, and the worker lives on",
    async (_, permission) => {
      rmSync(inParent("outside/new.txt"), { force: true });
      await using pool = open(worker, permission);
      const pid = await pool.call.pid();
      for (const attempt of attempts) {
        const outcome = await attempt.go(pool).then(
          () => "done",
          (error) => error,
        );
        if (isEnforced(pool, attempt)) {
          expect(outcome, attempt.what).toBeInstanceOf(Error);
        } else {
          expect(outcome, attempt.what).toBe("done");
        }
      }
      expect(await pool.call.pid()).toBe(pid);
      expect(pool.workers[0]).toMatchObject({ state: "ready", served: attempts.length + 2 });
      expect(existsSync(inParent("outside/new.txt"))).toBe(!isEnforced(pool, attempts[5]));
    },
  );

  test('under "unsafe" everything of it can be done', async () => {
    await using pool = open(worker, "unsafe");
    for (const { what, go } of attempts) {
      await go(pool).catch((error) => expect.fail(`${what}: ${error.message}`));
    }
    expect(await pool.call.variables()).toMatchObject({ KNITTING_TEST_SECRET: "of the host" });
  });

  test(
    "what is granted can be done: read ./data, write and create in ./out, import a package with " +
      "dependencies",
    async () => {
      await using pool = open(worker, { read: ["./data"], write: ["./out"] });
      expect(await pool.call.read(inProject("data/numbers.txt"))).toBe("1 2 3");
      expect(await pool.call.readLater(inProject("data/numbers.txt"))).toBe("1 2 3");
      expect(await pool.call.list(inProject("data"))).toEqual(["numbers.txt"]);
      await pool.call.write([inProject("out/new.txt"), "by a worker"]);
      await pool.call.append([inProject("out/new.txt"), ", twice"]);
      expect(readFileSync(inProject("out/new.txt"), "utf8")).toBe("by a worker, twice");
      expect(await pool.call.greet("you")).toBe("hello you, please");
    },
  );

  test("an explicit grant replaces the working directory", async () => {
    await using pool = open(worker, { write: ["./out"] });
    const attempt: Attempt = {
      what: "write beside it",
      rule: "write",
      go: ({ call }) => call.write([inProject("data/new.txt"), ""]),
    };
    if (isEnforced(pool, attempt)) {
      await expect(attempt.go(pool)).rejects.toThrow();
    } else {
      await attempt.go(pool);
    }
  });

  test("a granted symbolic link grants what it leads to", async () => {
    await using pool = open(worker, { read: ["./linked.txt"] });
    expect(await pool.call.read(inProject("linked.txt"))).toBe("hello from outside");
    expect(await pool.call.read(inParent("outside/greeting.txt"))).toBe("hello from outside");
  });

  test("a worker without the network can't serve", async () => {
    await using pool = open(worker, { mode: "strict" });
    const attempt: Attempt = { what: "serve", rule: "net", go: ({ call }) => call.serve("hello") };
    if (isEnforced(pool, attempt)) {
      await expect(attempt.go(pool)).rejects.toThrow();
    } else {
      expect(await attempt.go(pool)).toBe("hello");
    }
  });

  test("a server runs and can be reached where the network is granted", async () => {
    await using pool = open(worker, { net: true });
    expect(await pool.call.serve("hello")).toBe("hello");
    expect(await pool.call.connect(port)).toBe("connected");
  });

  test("a program of the list runs", async () => {
    await using pool = open(worker, { run: ["git"], env: { allow: ["PATH"] } });
    expect(await pool.call.start(["git", "--version"])).toMatch(/^git version/);
    expect(await pool.call.startLater(["git", "--version"])).toMatch(/^git version/);
  });

  test("modules from the web are imported by Deno alone, from the hosts that are allowed", async () => {
    const web = createWebServer((_, response) => {
      response.writeHead(200, { "content-type": "text/javascript" }).end("export const fetched = 1;");
    }).listen(0, "127.0.0.1");
    await once(web, "listening");
    const host = `127.0.0.1:${(web.address() as { port: number }).port}`;
    const fetched = async (permission: PoolOptions["permission"]) => {
      await using pool = open(worker, permission);
      return await pool.call.imports(`http://${host}/module.js`).catch((error) => error);
    };
    try {
      expect(await fetched({ net: true })).toBeInstanceOf(Error);
      expect(await fetched({ allowImport: ["example.com"] })).toBeInstanceOf(Error);
      if (worker.processRuntime === "deno") {
        expect(await fetched({ allowImport: [host] })).toEqual(["fetched"]);
      } else {
        expect(await fetched({ allowImport: true, net: true })).toBeInstanceOf(Error);
      }
    } finally {
      web.close();
      web.closeAllConnections();
    }
  });

  test("its variables are those that are allowed, and those of the files", async () => {
    process.env.EXPORTED = "of the host";
    await using pool = open(worker, {
      env: { allow: ["KNITTING_TEST_ALLOWED", "EXPORTED", "NOT_SET"], files: "variables.env" },
    });
    const { KNITTING_TEST_SECRET, ...others } = await pool.call.variables();
    delete process.env.EXPORTED;
    expect(KNITTING_TEST_SECRET).toBeUndefined();
    expect(others).toMatchObject({
      KNITTING_TEST_ALLOWED: "allowed",
      FROM_FILE: "yes",
      QUOTED: "a b",
      EXPORTED: "of the host",
    });
    const rule = pool.permissions.rules.find(({ rule }) => rule === "env");
    expect(rule?.enforcedBy).toEqual(isProcess ? ["host"] : []);
    expect([rule?.value].flat().sort()).toEqual(Object.keys(others).sort());
  });

  test("denied variables are not there, wherever they come from", async () => {
    await using pool = open(worker, {
      env: { allow: true, deny: ["KNITTING_TEST_SECRET", "PATH", "FROM_FILE"], files: ["variables.env"] },
    });
    const variables = await pool.call.variables();
    expect(variables).toMatchObject({ KNITTING_TEST_ALLOWED: "allowed", QUOTED: "a b" });
    expect(Object.keys(variables)).not.toEqual(expect.arrayContaining(["KNITTING_TEST_SECRET"]));
    // Deno sets a PATH of its own.
    expect(variables.PATH).not.toBe(process.env.PATH);
    expect(variables.FROM_FILE).toBeUndefined();
  });

  test("worker.env and worker.stdio stand before the policy's defaults", async () => {
    const output: string[] = [];
    const given = { ...worker, env: { MODE: "test" }, stdio: "pipe" as const };
    await using pool = open(given, { mode: "strict" });
    pool.on("output", ({ line }) => output.push(line));
    expect((await pool.call.variables()).MODE).toBe("test");
    await pool.call.print("a line");
    await expect.poll(() => output).toEqual(["a line", "a line"]);
  });
});

describe.each(["node", "threads"])("on %s", (kind) => {
  const worker: WorkerOptions =
    kind === "threads" ? { runtime: "thread" } : { runtime: "process", processRuntime: "node" };

  test("a denied operation is Node's own error", async () => {
    await using pool = open(worker, { mode: "strict" });
    for (const attempt of [attempts[0], attempts[1], attempts[5], attempts[9]]) {
      await expect(attempt.go(pool), attempt.what).rejects.toMatchObject({ code: "ERR_ACCESS_DENIED" });
    }
  });
});

describe.each<PermissionOptions>([{ kernel: false }, { net: ["example.com"] }, { allowImport: true }])(
  "on Deno, where it is the runtime that keeps the network from tasks: %j",
  (permission) => {
    test("who may not listen gets Deno's error, and the worker lives on", async () => {
      await using pool = open(onDeno.worker, permission);
      const pid = await pool.call.pid();
      for (const kind of ["net", "http"] as const) {
        for (const host of [undefined, "127.0.0.1"]) {
          const listening = pool.call.listen([kind, host]);
          await expect(listening, `${kind} ${host}`).rejects.toMatchObject({ name: "NotCapable" });
        }
      }
      for (const host of [undefined, "127.0.0.1"]) {
        await expect(pool.call.bind(host), `UDP ${host}`).rejects.toMatchObject({ code: "EPERM" });
      }
      expect(await pool.call.pid()).toBe(pid);
    });
  },
);

test.each([
  { permission: {} },
  { permission: { run: ["git"] } },
  { permission: { run: true, denyRun: ["true"] } },
])("on Deno a program that is denied is told of by its own error: %j", async ({ permission }) => {
  await using pool = open(onDeno.worker, { ...permission, env: { allow: ["PATH"] } });
  const { call } = pool;
  const denied = [
    call.start(["/bin/true"]),
    call.startLater(["/bin/true"]),
    call.startSync("/bin/true"),
    call.startByRequire("/bin/true"),
    ...(permission.run === true ? [] : [call.startInShell("true")]),
  ];
  for (const starting of denied) {
    await expect(starting).rejects.toMatchObject({ name: "NotCapable" });
  }
  if (permission.run !== undefined) {
    expect(await call.startSync("git")).toBe(1);
    await expect(call.startByRequire("git")).rejects.toMatchObject({ status: 1 });
  }
});

describe.each(Object.entries<string>(ensureNodes()))("a process worker on Node %s", (major, path) => {
  const worker: WorkerOptions = {
    runtime: "process",
    processRuntime: "node",
    processRuntimePath: path,
    stdio: "pipe",
  };

  test("is limited, reads and writes what it may, and writes no warnings", async () => {
    const output: string[] = [];
    await using pool = open(worker, { run: ["git"], env: { allow: ["PATH"] } });
    pool.on("output", ({ line }) => output.push(line));
    await expect(attempts[0].go(pool)).rejects.toMatchObject({ code: "ERR_ACCESS_DENIED" });
    await expect(attempts[5].go(pool)).rejects.toMatchObject({ code: "ERR_ACCESS_DENIED" });
    expect(await pool.call.greet("you")).toBe("hello you, please");
    await pool.call.write([inProject("out/new.txt"), "new"]);
    expect(await pool.call.start(["git", "--version"])).toMatch(/^git version/);
    await pool.call.print("the end");
    await expect.poll(() => output).toEqual(["the end", "the end"]);
  });

  test("who may not listen is told of it, and the worker lives on", async () => {
    await using pool = open(worker, { mode: "strict" });
    const pid = await pool.call.pid();
    const code = Number(major) < 25 ? "EACCES" : "ERR_ACCESS_DENIED";
    for (const kind of ["net", "http"] as const) {
      for (const host of [undefined, "127.0.0.1"]) {
        await expect(pool.call.listen([kind, host]), `${kind} ${host}`).rejects.toMatchObject({ code });
      }
    }
    for (const host of [undefined, "127.0.0.1"]) {
      await expect(pool.call.bind(host), `UDP ${host}`).rejects.toMatchObject({ code });
    }
    expect(await pool.call.pid()).toBe(pid);
  });

  test(`the network ${Number(major) < 25 ? "is not" : "is"} among what its flags limit`, async () => {
    await using pool = open(worker, { kernel: false });
    const rule = pool.permissions.rules.find(({ rule }) => rule === "net");
    expect(rule?.enforcedBy).toEqual(Number(major) < 25 ? [] : ["runtime"]);
    const connecting = pool.call.connect(port);
    if (Number(major) < 25) {
      expect(await connecting).toBe("connected");
    } else {
      await expect(connecting).rejects.toMatchObject({ code: "ERR_ACCESS_DENIED" });
    }
  });
});

test.each(Object.entries<string>(ensureNodes()))(
  "threads of a host on Node %s have the limits that its flags know, and one warning",
  async (major, path) => {
    const at = { project: project.folder, outside: inParent("outside/secret.txt") };
    const argv = [join(__dirname, "..", "fixtures", "hosts", "permitted-threads.mjs"), JSON.stringify(at)];
    const { status, stdout, stderr } = await run(path, argv, { cwd: join(__dirname, "..", "..") });
    expect(status, stderr).toBe(0);
    const { outcomes, enforced } = JSON.parse(stdout);
    const limitsNetwork = Number(major) >= 25;
    expect(outcomes).toEqual({
      "read inside": "done",
      "write inside": "done",
      read: "ERR_ACCESS_DENIED",
      "read later": "ERR_ACCESS_DENIED",
      write: "ERR_ACCESS_DENIED",
      run: "ERR_ACCESS_DENIED",
      net: limitsNetwork ? "ERR_ACCESS_DENIED" : "done",
      listen: limitsNetwork ? "ERR_ACCESS_DENIED" : "done",
    });
    expect(enforced.includes("net")).toBe(limitsNetwork);
    expect(enforced).toEqual(expect.arrayContaining(["read", "write", "run"]));
    expect(stderr.match(/Warning/g)).toHaveLength(1);
    expect(stderr).toContain("[KNITTING_PERMISSION_UNSUPPORTED] PermissionWarning");
  },
);

describe.each(bwrapped)("a $name with permission.kernel", ({ worker, skip }) => {
  test.skipIf(skip !== undefined)("is kept in by the kernel inside of its wrapper too", async () => {
    await using pool = open(worker, { kernel: true, onUnsupported: "error" });
    const rule = pool.permissions.rules.find(({ rule }) => rule === "denyRead");
    expect(rule?.enforcedBy).toEqual(expect.arrayContaining(["kernel", "wrapper"]));
    expect(await pool.call.read(inProject("data/numbers.txt"))).toBe("1 2 3");
    for (const { what, go } of attempts) {
      await expect(go(pool), what).rejects.toThrow();
    }
    expect(await pool.call.greet("you")).toBe("hello you, please");
  });
});

onChildren(({ worker }) => {
  test("a working directory that is a link is granted as what it leads to", async () => {
    symlinkSync("project", inParent("link"));
    const pool = open({ ...worker, cwd: inParent("link") }, { mode: "strict" });
    try {
      expect(await pool.call.read("data/numbers.txt")).toBe("1 2 3");
      await pool.call.write(["out/by-link.txt", "written"]);
      await expect(pool.call.read(".env")).rejects.toThrow();
    } finally {
      await pool.shutdown();
      rmSync(inParent("link"));
    }
  });

  test("what the user names of the profile's denials can be used", async () => {
    vi.stubEnv("HOME", inParent("home"));
    mkdirSync(inParent("home/.aws/out"), { recursive: true });
    await using pool = open(worker, { read: ["data", ".env"], write: ["~/.aws/out"] });
    expect(await pool.call.read(inProject(".env"))).toBe("TOKEN=secret");
    await pool.call.write([inParent("home/.aws/out/new.txt"), "new"]);
    expect(readFileSync(inParent("home/.aws/out/new.txt"), "utf8")).toBe("new");
    for (const path of [inProject(".git/config"), inParent("home/.aws/out/new.txt")]) {
      await expect(pool.call.read(path), path).rejects.toThrow();
    }
    vi.unstubAllEnvs();
  });

  test("what a link in the tasks' package leads to is denied where the link is", async () => {
    // The working directory is elsewhere.
    renameSync(inProject(".env"), inProject("production.env"));
    symlinkSync("production.env", inProject(".env"));
    const pool = open({ ...worker, cwd: inProject("empty") }, { mode: "strict" });
    try {
      for (const path of [".env", "production.env"]) {
        await expect(pool.call.read(inProject(path)), path).rejects.toThrow();
      }
    } finally {
      await pool.shutdown();
      renameSync(inProject("production.env"), inProject(".env"));
    }
  });

  test("packages that are linked from one another can be imported", async () => {
    const folder = inParent("workspace");
    rmSync(folder, { recursive: true, force: true });
    const manifest = (name: string, on: string) =>
      JSON.stringify({
        name,
        version: "1.0.0",
        type: "module",
        main: "index.js",
        dependencies: { [on]: "1.0.0" },
      });
    write(folder, {
      "app/package.json": manifest("app", "first"),
      "app/tasks.mjs": 'export const say = async () => (await import("first")).say();',
      "first/package.json": manifest("first", "second"),
      "first/index.js": 'export { say } from "second";',
      "first/.env": "TOKEN=secret",
      "second/package.json": manifest("second", "second"),
      "second/index.js": 'export const say = () => "said";',
    });
    for (const [from, to] of [
      ["app", "first"],
      ["first", "second"],
    ]) {
      mkdirSync(join(folder, from, "node_modules"));
      symlinkSync(join("..", "..", to), join(folder, from, "node_modules", to));
    }
    const href = pathToFileURL(join(folder, "app/tasks.mjs")).href;
    const read = importTask<string, string>({
      href: pathToFileURL(inProject("tasks.mjs")).href,
      name: "read",
    });
    const tasks = { say: importTask<void, string>({ href, name: "say" }), read };
    await using pool = createPool({ worker, permission: { read: ["data"] } })(tasks);
    expect(await pool.call.say()).toBe("said");
    await expect(pool.call.read(join(folder, "first/.env"))).rejects.toThrow();
  });

  test("memory that it is sent can be used, and no other be opened", async () => {
    const name = `/knitting-permissions-${process.pid}`;
    const href = pathToFileURL(inProject("tasks.mjs")).href;
    copyFileSync(join(__dirname, "..", "fixtures", "tasks", "permitted-memory.mjs"), inProject("memory.mjs"));
    const at = pathToFileURL(inProject("memory.mjs")).href;
    const tasks = {
      increment: importTask<ProcessSharedBuffer, number>({ href: at, name: "increment" }),
      read: importTask<string, string>({ href, name: "read" }),
    };
    await using pool = createPool({ worker, permission: "strict" })(tasks);
    using anonymous = ProcessSharedBuffer.create(64);
    using named = ProcessSharedBuffer.create({ size: 64, name });
    try {
      for (const memory of [anonymous, named]) {
        expect(await pool.call.increment(memory)).toBe(1);
        expect(memory.view(Int32Array)[0]).toBe(1);
      }
      await expect(pool.call.read(`/dev/shm${name}`)).rejects.toThrow();
    } finally {
      getDefaultProcessSharedBufferPrimitives().unlinkSharedMemory(name);
    }
  });

  test("programs are looked up where the worker is, and denied wherever they are", async () => {
    const script = (text: string) => `#!/bin/sh\necho ${text}\n`;
    write(project.parent, {
      "one/tool": script("one"),
      "two/tool": script("two"),
      "two/other": script("other"),
    });
    for (const path of ["one/tool", "two/tool", "two/other"]) {
      chmodSync(inParent(path), 0o755);
    }
    const env = { PATH: `${inParent("one")}:${inParent("two")}:/usr/bin:/bin` };
    const given = { ...worker, cwd: inParent("two"), env };
    await using some = open(given, { run: ["./other", "tool"], write: [] });
    expect(await some.call.start([inParent("two/other")])).toBe("other\n");
    expect(await some.call.start(["tool"])).toBe("one\n");
    await expect(some.call.start([inParent("two/tool")])).rejects.toThrow();
    await using most = open(given, { run: true, denyRun: ["tool"], write: [] });
    expect(await most.call.start(["other"])).toBe("other\n");
    for (const path of ["one/tool", "two/tool"]) {
      await expect(most.call.start([inParent(path)]), path).rejects.toThrow();
    }
  });
});

test("Bun keeps the folders of packages that it was told of", async () => {
  vi.stubEnv("NODE_PATH", "/opt/packages");
  const bun = kindNamed("process on bun");
  await using pool = open(bun.worker, { env: { allow: ["NODE_PATH"] } });
  expect((await pool.call.variables()).NODE_PATH).toMatch(/(^|node_modules:)\/opt\/packages$/);
  expect(await pool.call.greet("you")).toBe("hello you, please");
  vi.unstubAllEnvs();
});

describe.each(kinds.filter(({ name }) => name.endsWith("in a container")))("a $name", ({ worker, skip }) => {
  test.skipIf(skip !== undefined)("is limited by its container, and says so", async () => {
    const href = new URL("../fixtures/tasks/basic.mjs", pathToFileURL(__filename)).href;
    const tasks = { add: importTask<[number, number], number>({ href, name: "add" }) };
    await using pool = createPool({ worker, permission: { net: ["example.com"] } })(tasks);
    expect(await pool.call.add([1, 2])).toBe(3);
    const of = (name: string) => pool.permissions.rules.filter(({ rule }) => rule === name);
    for (const { enforcedBy } of ["read", "net", "run"].flatMap(of)) {
      expect(enforcedBy).toEqual(["wrapper"]);
    }
  });
});

onChildren(({ worker }) => {
  test("reaches no UNIX socket, but where everything is granted", async () => {
    const path = inProject("out/socket");
    const server = createServer((socket) => socket.end()).listen(path);
    await new Promise((resolve) => server.once("listening", resolve));
    try {
      const most = { read: true, write: true, net: true } as const;
      await using kept = open(worker, most);
      await expect(kept.call.connect(path)).rejects.toThrow();
      await using free = open(worker, { ...most, run: true });
      expect(await free.call.connect(path)).toBe("connected");
    } finally {
      server.close();
    }
  });
});

test("what a worker leaves in a bunfig.toml does not run before the next worker is kept in", async () => {
  const { worker } = kindNamed("process on bun");
  const left = ["bunfig.toml", "preload.mjs", "out/preloaded"].map(inProject);
  const [configuration = "", preload = "", proof = ""] = left;
  try {
    await using first = open(worker, "strict");
    await first.call.write([configuration, 'preload = ["./preload.mjs"]']);
    await first.call.write([preload, 'require("node:fs").writeFileSync("out/preloaded", "")']);
    for (const [permission, runs] of [["strict", false] as const, ["unsafe", true] as const]) {
      await using next = open(worker, permission);
      expect(await next.call.pid()).toBeGreaterThan(0);
      expect(existsSync(proof), permission).toBe(runs);
    }
  } finally {
    left.map((path) => rmSync(path, { force: true }));
  }
});

test("what other programs keep in Deno's cache is denied", () => {
  const cache = inParent("deno-cache");
  vi.stubEnv("DENO_DIR", cache);
  mkdirSync(join(cache, "location_data"), { recursive: true });
  writeFileSync(join(cache, "deno_history.txt"), "secret");
  const subject = {
    runtime: "deno",
    cwd: project.folder,
    stdio: undefined,
    env: undefined,
    debugged: false,
  } as const;
  const policy = resolvePermission("strict", () => subject);
  const worker = { runtime: "deno", cwd: project.folder } as Parameters<typeof kernelPlan>[1];
  const nothing = { roots: [], packages: [], manifests: [], denied: [] };
  const { read, denyRead } = kernelPlan(policy, worker, process.execPath, [], nothing).sandbox;
  expect(read).toContain(cache);
  expect(denyRead).toEqual(
    expect.arrayContaining([join(cache, "location_data"), join(cache, "deno_history.txt")]),
  );
  vi.unstubAllEnvs();
});

test("a worker may have a directory of its own: what is relative starts there", async () => {
  writeFileSync(inProject("empty/own.txt"), "own");
  const worker: WorkerOptions = { runtime: "process", processRuntime: "node", cwd: inProject("empty") };
  await using pool = open(worker, { read: ["own.txt"], write: false });
  const rule = pool.permissions.rules.find(({ rule }) => rule === "read");
  expect(rule?.value).toEqual([inProject("empty/own.txt")]);
  expect(await pool.call.read(inProject("empty/own.txt"))).toBe("own");
});

test("Deno's cache is one of our own where modules from the web may be written to it", async () => {
  const writtenBy = async (permission: PoolOptions["permission"], env?: WorkerOptions["env"]) => {
    await using pool = open({ ...onDeno.worker, env }, permission);
    expect(await pool.call.pid()).toBeGreaterThan(0);
    const { needs } = pool.permissions;
    return needs
      .filter(({ access, path }) => access === "write" && path !== "/dev/null")
      .map(({ path }) => path);
  };
  expect(await writtenBy({ allowImport: true })).toEqual([expect.stringMatching(/\/knitting-native\/deno$/)]);
  expect(await writtenBy({})).toEqual([]);
  // If the cache folder can't be made, it matters only to users who have asked for it.
  vi.stubEnv("XDG_CACHE_HOME", inProject("data/numbers.txt"));
  expect(await writtenBy(undefined)).toEqual([]);
  await expect(writtenBy({ allowImport: true })).rejects.toThrow(
    '"permission.allowImport" has Deno keep modules',
  );
  vi.unstubAllEnvs();
  const said = inParent("cache");
  expect(await writtenBy({ allowImport: true }, { DENO_DIR: said })).toEqual([said]);
});
