/**
 * The option `permission`: what is refused, which policy it gives, and what happens to rules that can't be enforced.
 */
import { chmodSync, copyFileSync, mkdirSync, rmSync, symlinkSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import {
  createPool,
  InvalidOptionError,
  importTask,
  type PermissionOptions,
  type PermissionRule,
  PermissionUnsupportedError,
  type PoolOptions,
  type WorkerOptions,
} from "knitting-native";
import {
  afterAll,
  afterEach,
  beforeAll,
  beforeEach,
  describe,
  expect,
  type MockInstance,
  test,
  vi,
} from "vitest";
import { kindNamed, kinds } from "../support/kinds";
import { makeProject, type Project, tasksOf } from "../support/project";

let project: Project;
let warn: MockInstance<typeof process.emitWarning>;
const home = process.cwd();

beforeAll(() => {
  project = makeProject();
  process.chdir(project.folder);
});
afterAll(() => {
  process.chdir(home);
  project.remove();
});
beforeEach(() => {
  warn = vi.spyOn(process, "emitWarning").mockImplementation(() => {});
});
afterEach(() => {
  vi.restoreAllMocks();
  vi.unstubAllEnvs();
});

const inProject = (path: string) => join(project.folder, path);
const onNode: WorkerOptions = { runtime: "process", processRuntime: "node" };
const worker = (name: string) => kindNamed(name).worker;

/** The rules of a pool by name. Rules of the same name are merged. */
async function rulesOf(permission: PoolOptions["permission"], options: PoolOptions = {}) {
  await using pool = createPool({ ...options, permission })(tasksOf(project));
  return pool.permissions.rules;
}

function saidOf(rules: readonly PermissionRule[], name: PermissionRule["rule"]) {
  const found = rules.filter(({ rule }) => rule === name);
  return found.length === 0 ? undefined : found.flatMap<unknown>(({ value }) => value);
}

describe("a wrong policy is refused by name, value and what is allowed", () => {
  const of = (fields: object) => ({ permission: fields });

  test.each([
    [{ permission: "lax" }, '"permission" is "lax", it must be "strict", "unsafe" or an object such as {'],
    [{ permission: null }, '"permission" is null, it must be'],
    [{ permission: [] }, '"permission" is an empty array, it must be'],
    [of({ mode: "loose" }), '"permission.mode" is "loose", it must be "strict" or "unsafe"'],
    [of({ reed: [] }), 'unknown option "permission.reed", did you mean "permission.read"?'],
    [of({ zzz: 1 }), 'unknown option "permission.zzz", known are mode, read, write'],
    [of({ mode: "unsafe", read: [] }), '"permission.read" is for mode: "strict"; with "unsafe" nothing is'],
    [of({ read: "data" }), '"permission.read" is "data", it must be true, false or an array of strings'],
    [of({ read: [""] }), '"permission.read[0]" is "", it must be a string, not empty and without NUL'],
    [of({ write: ["out", "a\0b"] }), '"permission.write[1]" is "a\\u0000b", it must be a string'],
    [of({ read: [5] }), '"permission.read[0]" is 5, it must be a string'],
    [of({ read: ["data", "no-such"] }), '"permission.read[1]" is "no-such", it must be a path that exists ('],
    [
      of({ write: ["out/new/deep"] }),
      '"permission.write[0]" is "out/new/deep", it must be a path that exists',
    ],
    [of({ denyRead: true }), '"permission.denyRead" is true, it must be an array of strings'],
    [of({ denyWrite: ["\0"] }), '"permission.denyWrite[0]" is "\\u0000", it must be a string'],
    [
      of({ read: ["data"], denyRead: ["./data"] }),
      '"permission.read" has "data", which "permission.denyRead" denies by "./data"',
    ],
    [
      of({ write: ["out"], denyWrite: ["."] }),
      '"permission.write" has "out", which "permission.denyWrite" denies by "."',
    ],
    [
      of({ read: [".", ".env"] }),
      '"permission.read" has ".env", which the strict profile denies inside of "."',
    ],
    [
      of({ net: "example.com" }),
      '"permission.net" is "example.com", it must be true, false or an array of strings',
    ],
    [of({ net: [""] }), '"permission.net[0]" is ""'],
    [
      of({ net: ["a", "https://example.com"] }),
      '"permission.net[1]" is "https://example.com", it must be a host such as "example.com"',
    ],
    [of({ net: ["::1"] }), '"permission.net[0]" is "::1", it must be a host such as'],
    [of({ net: ["a,b"] }), '"permission.net[0]" is "a,b", it must be a host such as'],
    [
      of({ denyNet: ["example.com:http"] }),
      '"permission.denyNet[0]" is "example.com:http", it must be a host',
    ],
    [
      of({ allowImport: ["example.com/x"] }),
      '"permission.allowImport[0]" is "example.com/x", it must be a host',
    ],
    [of({ denyNet: "example.com" }), '"permission.denyNet" is "example.com", it must be an array of strings'],
    [of({ allowImport: 1 }), '"permission.allowImport" is 1, it must be true, false or an array of strings'],
    [of({ run: {} }), '"permission.run" is an object, it must be true, false or an array of strings'],
    [of({ denyRun: [1] }), '"permission.denyRun[0]" is 1'],
    [of({ console: "yes" }), '"permission.console" is "yes", it must be true or false'],
    [of({ env: true }), '"permission.env" is true, it must be an object: { allow }'],
    [of({ env: { alow: [] } }), 'unknown option "permission.env.alow", did you mean "permission.env.allow"?'],
    [of({ env: { allow: "PATH" } }), '"permission.env.allow" is "PATH", it must be'],
    [
      of({ env: { allow: ["A=b"] } }),
      '"permission.env.allow[0]" is "A=b", it must be a variable\'s name, without "="',
    ],
    [of({ env: { deny: [""] } }), '"permission.env.deny[0]" is ""'],
    [
      of({ env: { files: ["no.env"] } }),
      '"permission.env.files[0]" is "no.env", it must be a file that can be read: ENOENT',
    ],
    [of({ env: { files: 5 } }), '"permission.env.files" is 5, it must be'],
    [of({ node: true }), '"permission.node" is true, it must be an object: { allowChildProcess }'],
    [
      of({ node: { allowChildProcess: 1 } }),
      '"permission.node.allowChildProcess" is 1, it must be true or false',
    ],
    [of({ node: { allowRun: true } }), 'unknown option "permission.node.allowRun"'],
    [of({ deno: { allowRun: "git" } }), '"permission.deno.allowRun" is "git", it must be true or false'],
    [of({ kernel: "yes" }), '"permission.kernel" is "yes", it must be true or false'],
    [
      of({ kernel: true }),
      '"permission.kernel" is for process workers, and a thread has the rights of its process',
    ],
    [of({ onUnsupported: "ignore" }), '"permission.onUnsupported" is "ignore", it must be "error" or "warn"'],
    [
      { ...of({ console: false }), worker: { stdio: "pipe" } },
      '"permission.console" is false, and "worker.stdio" is "pipe": only one of them can hold',
    ],
    [
      { ...of({ console: true }), worker: { stdio: "ignore" } },
      '"permission.console" is true, and "worker.stdio" is "ignore": only one of them can hold',
    ],
    [
      of({ write: ["out"], denyRead: ["."] }),
      '"permission.write" has "out", which "permission.denyRead" denies by "."',
    ],
    [
      of({ read: true, write: ["/etc/ssl"] }),
      '"permission.write" has "/etc/ssl", which the strict profile denies inside of what ' +
        '"permission.read": true grants',
    ],
    [
      { ...of({ env: { allow: ["A"] } }), worker: { env: { A: "b" } } },
      '"permission.env.allow" and "worker.env" both say which variables there are',
    ],
  ])("%j", (options, message) => {
    const create = () => createPool(options as object);
    expect(create).toThrow(InvalidOptionError);
    expect(create).toThrow(message);
  });

  describe.each([
    ["./data/pr*", "a pattern, and none is expanded"],
    ["data/?.txt", "a pattern"],
    ["data/[a-z].txt", "a pattern"],
    ["data/{a,b}", "a pattern"],
    ["file:///etc/hostname", "a URL: fileURLToPath() of node:url gives its path"],
    ["https://example.com/data", "a URL"],
    ["$HOME/.ssh", "a variable, as a shell has them"],
    ["$(pwd)/data", "a variable"],
    ["%HOME%/.ssh", "a variable"],
    ["~root/.ssh", "another user's home folder"],
    ["!data", "an exception"],
    [" data", "with blanks or quotation marks"],
    ['"data"', "with blanks or quotation marks"],
  ])("%j, which would have to be expanded", (said, form) => {
    test.each(["denyRead", "denyWrite", "read", "write", "run", "denyRun"] as const)("in %s", (field) => {
      for (const { worker } of kinds.filter(({ isWrapped }) => !isWrapped)) {
        const create = () => createPool({ worker, permission: { [field]: ["data", said].slice(-1) } });
        expect(create).toThrow(InvalidOptionError);
        expect(create).toThrow(`"permission.${field}[0]" is ${JSON.stringify(said)}, it must be a `);
        expect(create).toThrow(form);
      }
    });

    test("in a list of variables", () => {
      for (const list of [{ allow: [said] }, { deny: [said] }]) {
        expect(() => createPool({ permission: { env: list } })).toThrow(form);
      }
      expect(() => createPool({ worker: { ...onNode, env: { inherit: [said] } } })).toThrow(form);
    });
  });

  test.each(["*", "exa*.com", "*.0.0.1", "$HOST", "{a.com,b.com}", "local?ost", "[a-z]"])(
    "%j, which is no host of Deno's",
    (host) => {
      for (const field of ["net", "denyNet", "allowImport"] as const) {
        const create = () => createPool({ permission: { [field]: [host] } });
        expect(create).toThrow(
          `"permission.${field}[0]" is ${JSON.stringify(host)}, it must be a host such as`,
        );
      }
    },
  );

  test.each(["git push", "/bin/sh -c"])("the program %j with its arguments", (said) => {
    for (const field of ["run", "denyRun"]) {
      expect(() => createPool({ permission: { [field]: [said] } })).toThrow("without arguments");
    }
  });

  test("but not a file or folder that has such a name, nor a name that something may get later", async () => {
    const names = ["pages/[id]", "a {b,c}", "why?", "$cash", "!important"];
    for (const name of names) {
      mkdirSync(inProject(name), { recursive: true });
    }
    const permission: PermissionOptions = { denyRead: [...names, "later.txt"], denyWrite: names };
    for (const name of ["process on node", "process on bun"]) {
      await using pool = createPool({ worker: worker(name), permission })(tasksOf(project));
      for (const denied of names) {
        await expect(pool.call.list(inProject(denied)), denied).rejects.toThrow();
      }
      expect(saidOf(pool.permissions.rules, "denyRead")).toContain(inProject("later.txt"));
    }
    for (const name of names) {
      rmSync(inProject(name), { recursive: true });
    }
  });

  test("flags of the runtime that would contradict it", () => {
    const create = (runtime: string, flag: string) => {
      const workerExecArgv = ["--no-warnings", flag];
      const options = {
        permission: "strict",
        worker: worker(`process on ${runtime}`),
        workerExecArgv,
      } as const;
      return () => createPool(options)(tasksOf(project));
    };
    for (const [runtime, ...flags] of [
      ["node", "--allow-fs-read=*", "--permission", "--no-permission"],
      ["deno", "-A", "--deny-net", "-R=/etc", "-RN", "-qA"],
    ]) {
      for (const flag of flags) {
        expect(create(runtime, flag)).toThrow(
          `"workerExecArgv[1]" is "${flag}", and the option "permission" gives the runtime its permissions`,
        );
      }
      expect(create(runtime, "--env-file=variables.env")).toThrow(
        'and the option "permission" says which variables there are. permission.env.files takes files of them',
      );
    }
  });

  test("but not files of variables where nothing is said of permissions", async () => {
    const workerExecArgv = ["--env-file=variables.env"];
    await using pool = createPool({ worker: onNode, workerExecArgv })(tasksOf(project));
    expect(await pool.call.variables()).toMatchObject({ FROM_FILE: "yes" });
  });

  test("a path that Node's flags can't name", () => {
    const path = join(project.parent, "a*");
    mkdirSync(path);
    expect(() => createPool({ permission: { read: [path] } })(tasksOf(project))).toThrow(
      `permission: Node can't be told ${JSON.stringify(path)}, in its flags "*" stands for anything`,
    );
  });

  test("but not a working directory that flags can't name where nothing is said of permissions", async () => {
    const cwd = join(project.parent, "b*,c");
    mkdirSync(cwd);
    for (const runtime of ["node", "deno"]) {
      const given = { ...worker(`process on ${runtime}`), cwd };
      await using pool = createPool({ worker: given })(tasksOf(project));
      expect(await pool.call.pid()).toBeGreaterThan(0);
      const read = pool.permissions.rules.find(({ rule }) => rule === "read");
      expect(read?.enforcedBy).toEqual(["kernel"]);
      expect(() => createPool({ worker: given, permission: "strict" })(tasksOf(project))).toThrow(
        "can't be told",
      );
    }
  });

  test("an executable that is no Node", () => {
    const create = () =>
      createPool({ worker: { ...onNode, processRuntimePath: "/bin/true" }, permission: "strict" })(
        tasksOf(project),
      );
    expect(create).toThrow(InvalidOptionError);
    expect(create).toThrow('"/bin/true" is to run the workers, and does not tell Node\'s version');
  });

  test("writing what is hidden in the tasks' own package", () => {
    const create = () => createPool({ permission: { read: ["data"], write: [".git"] } })(tasksOf(project));
    expect(create).toThrow(`"permission.write" names ${inProject(".git")}, or what is in it`);
  });

  test("a task whose module nobody may read", () => {
    const permission: PermissionOptions = { denyRead: ["tasks.mjs"], read: ["data"] };
    expect(() => createPool({ permission })(tasksOf(project))).toThrow(
      `"permission.denyRead" denies ${inProject("tasks.mjs")}: a worker could not import it`,
    );
  });
});

describe("the strict profile", () => {
  const inHome = [".ssh", ".gnupg", ".aws", ".azure", ".config/gcloud", ".kube"].map((name) =>
    join(homedir(), name),
  );
  const inSystem = ["/proc", "/proc/self", "/proc/self/environ", "/proc/self/mem", "/sys", "/dev", "/etc"];
  const inCwd = [".env", ".git", ".npmrc", ".docker", ".secrets"];

  test.each(["strict", {}, { mode: "strict" }, { mode: "strict", read: undefined }] as const)(
    "is %j: the working directory, and nothing of what is sensitive",
    async (permission) => {
      const rules = await rulesOf(permission);
      const { folder } = project;
      expect(saidOf(rules, "read")).toEqual([folder, inProject("deno.lock")]);
      expect(saidOf(rules, "write")).toEqual([folder]);
      const sensitive = [...inCwd.map(inProject), ...inHome, ...inSystem];
      expect(saidOf(rules, "denyRead")).toEqual(expect.arrayContaining(sensitive));
      expect(saidOf(rules, "denyWrite")).toEqual(
        expect.arrayContaining([...sensitive, inProject("node_modules")]),
      );
      for (const rule of ["net", "run", "allowImport", "env"] as const) {
        expect(saidOf(rules, rule), rule).toEqual([]);
      }
      expect(saidOf(rules, "console")).toEqual([false]);
    },
  );

  test.each(kinds.filter(({ isWrapped }) => !isWrapped))(
    "holds where the option is left out, but for modules from the web: $name",
    async ({ worker, isProcess }) => {
      await using pool = createPool({ worker })(tasksOf(project));
      const { mode, rules } = pool.permissions;
      expect(mode).toBe("default");
      expect(saidOf(rules, "read")).toEqual([project.folder, inProject("deno.lock")]);
      expect(saidOf(rules, "allowImport")).toBeUndefined();
      await expect(pool.call.read("/etc/passwd")).rejects.toThrow(/denied|access|permission/i);
      await expect(pool.call.write([join(project.parent, "new.txt"), ""])).rejects.toThrow();
      expect(await pool.call.variables()).not.toHaveProperty("HOME");
      // Rules that can't be enforced for threads are listed without a warning.
      const unenforced = rules.filter(({ enforcedBy }) => enforcedBy.length === 0);
      expect(unenforced.map(({ rule }) => rule).includes("denyRead")).toBe(!isProcess);
      expect(unenforced.every(({ note }) => note !== undefined)).toBe(true);
      expect(warn).not.toHaveBeenCalled();
    },
  );

  test('restricts nothing in the mode "unsafe"', async () => {
    for (const permission of ["unsafe", { mode: "unsafe" }] as const) {
      await using pool = createPool({ permission })(tasksOf(project));
      expect(pool.permissions).toEqual({ mode: "unsafe", rules: [], needs: [] });
    }
  });

  test('is in the mode "unsafe" not restricted but for what is said of the console', async () => {
    await using pool = createPool({ permission: { mode: "unsafe", console: false } })(tasksOf(project));
    const rule = {
      rule: "console",
      value: false,
      enforcedBy: [],
      note: expect.stringContaining("descriptor"),
    };
    expect(pool.permissions.rules).toEqual([rule]);
  });

  test("loses a denial that a grant names something inside of", async () => {
    const rules = await rulesOf({ read: ["/etc/hostname", "data"] });
    expect(saidOf(rules, "denyRead")).not.toContain("/etc");
    expect(saidOf(rules, "denyRead")).toContain("/proc");
    expect(saidOf(rules, "denyWrite")).toContain("/etc");
  });
});

describe("what a policy comes to", () => {
  test(
    "paths start at the working directory or at home, and symbolic links are listed with what they lead " +
      "to",
    async () => {
      symlinkSync("../outside", inProject("link"));
      const rules = await rulesOf({
        read: ["./data/../data", "link"],
        write: ["~"],
        denyWrite: ["later", "link/x"],
      });
      const outside = join(project.parent, "outside");
      expect(saidOf(rules, "read")).toEqual([
        inProject("data"),
        inProject("link"),
        outside,
        inProject("deno.lock"),
      ]);
      expect(saidOf(rules, "write")).toEqual(expect.arrayContaining([homedir()]));
      const denied = [inProject("later"), inProject("link/x"), join(outside, "x")];
      expect(saidOf(rules, "denyWrite")).toEqual(expect.arrayContaining(denied));
    },
  );

  test("true grants all and needs no rule, false and an empty list grant nothing", async () => {
    const all = await rulesOf({ read: true, write: true, net: true, run: true, allowImport: true });
    for (const rule of ["read", "write", "net", "run", "allowImport"] as const) {
      expect(saidOf(all, rule), rule).toBeUndefined();
    }
    for (const none of [false, []]) {
      const rules = await rulesOf({ write: none, net: none, run: none });
      for (const rule of ["write", "net", "run"] as const) {
        expect(saidOf(rules, rule), rule).toEqual([]);
      }
    }
  });

  test("node.allowChildProcess and deno.allowRun are for their own runtime", async () => {
    const permission = { onUnsupported: "warn", node: { allowChildProcess: true } } as const;
    expect(saidOf(await rulesOf(permission), "run")).toBeUndefined();
    expect(saidOf(await rulesOf(permission, { worker: worker("process on deno") }), "run")).toEqual([]);
    const ofDeno = { onUnsupported: "warn", deno: { allowRun: true } } as const;
    expect(saidOf(await rulesOf(ofDeno), "run")).toEqual([]);
    expect(saidOf(await rulesOf(ofDeno, { worker: worker("process on deno") }), "run")).toBeUndefined();
    const never = { run: ["git"], node: { allowChildProcess: false } };
    expect(saidOf(await rulesOf(never), "run")).toEqual([]);
    expect(saidOf(await rulesOf({ ...never, node: { allowChildProcess: true } }), "run")).toEqual(["git"]);
  });

  test("files of variables say what is wrong with them", () => {
    mkdirSync(inProject("folder.env"), { recursive: true });
    expect(() => createPool({ permission: { env: { files: "folder.env" } } })).toThrow("EISDIR");
    if (process.getuid?.() !== 0) {
      chmodSync(inProject("variables.env"), 0);
      expect(() => createPool({ permission: { env: { files: "variables.env" } } })).toThrow("EACCES");
      chmodSync(inProject("variables.env"), 0o600);
    }
  });

  test(
    "of a module without a package what it needs is its folder, " + "or itself where that is the home folder",
    async () => {
      const lone = join(project.parent, "lone");
      mkdirSync(lone, { recursive: true });
      copyFileSync(inProject("tasks.mjs"), join(lone, "tasks.mjs"));
      const ofTasks = async () => {
        const href = pathToFileURL(join(lone, "tasks.mjs")).href;
        const tasks = { pid: importTask<void, number>({ href, name: "pid" }) };
        await using pool = createPool({ worker: onNode, permission: { read: ["data"] } })(tasks);
        expect(await pool.call.pid()).toBeGreaterThan(0);
        return pool.permissions.needs.filter((need) => need.for === "tasks").map(({ path }) => path);
      };
      expect(await ofTasks()).toEqual([lone]);
      vi.stubEnv("HOME", lone);
      expect(await ofTasks()).toEqual([join(lone, "tasks.mjs")]);
    },
  );

  test("what the workers need beside it is shown", async () => {
    await using pool = createPool({ permission: "strict" })(tasksOf(project));
    const { needs } = pool.permissions;
    expect(needs).toContainEqual({ path: project.folder, access: "read", for: "tasks" });
    expect(needs).toContainEqual({ path: join(home, "dist"), access: "read", for: "knitting-native" });
    expect(needs.every(({ path }) => path.startsWith("/"))).toBe(true);
  });
});

describe("what nobody enforces", () => {
  const hosts: PermissionOptions = { net: ["api.example.com"] };

  test("is one warning for threads, which names the rules and the way to have them enforced", async () => {
    await using pool = createPool({ threads: 2, permission: hosts })(tasksOf(project));
    await Promise.all([pool.call.pid(), pool.call.pid()]);
    expect(warn).toHaveBeenCalledTimes(1);
    const [message, options] = warn.mock.calls[0] as unknown as [string, object];
    expect(message).toContain('net ("api.example.com"): Node has no lists of hosts');
    expect(message).toContain('worker: { runtime: "process", processRuntime: "deno" }');
    expect(options).toEqual({ type: "PermissionWarning", code: "KNITTING_PERMISSION_UNSUPPORTED" });
  });

  test("is for threads said of the rules that were written, and of those alone", async () => {
    for (const permission of [
      { console: true },
      {},
      { read: ["data"], write: [], run: false },
      { net: true },
      { env: { allow: ["PATH"] } },
    ]) {
      await rulesOf(permission);
      expect(warn, JSON.stringify(permission)).not.toHaveBeenCalled();
    }
    for (const [permission, written] of [
      [{ denyRead: ["data/numbers.txt"] }, ["data/numbers.txt"]],
      [{ denyWrite: ["data"], console: true }, ["data"]],
      [{ run: ["git"] }, ["git"]],
      [{ denyNet: ["example.org"], net: true }, ["example.org"]],
      [{ env: { allow: ["PATH"], deny: ["HOME"] } }, ["env"]],
      [{ console: false }, ["false"]],
    ] as const) {
      warn.mockClear();
      await rulesOf(permission as PermissionOptions);
      expect(warn, JSON.stringify(permission)).toHaveBeenCalledTimes(1);
      const message = String(warn.mock.calls[0]?.[0]);
      for (const name of written) {
        expect(message).toContain(name);
      }
      expect(message).not.toMatch(/\/\.env|\.git"|node_modules/);
      expect(message.length).toBeLessThan(350);
    }
  });

  test.each(["strict", { mode: "strict" }] as const)(
    "is for threads said of the whole profile where it is asked for by its name: %j",
    async (permission) => {
      await rulesOf(permission);
      expect(warn).toHaveBeenCalledTimes(1);
      for (const rule of ["denyRead", "denyWrite", "env", "console"]) {
        expect(String(warn.mock.calls[0]?.[0])).toContain(`${rule} (`);
      }
    },
  );

  test("is an error for threads where that is asked for", () => {
    for (const permission of [hosts, { console: true }]) {
      expect(() =>
        createPool({ permission: { ...permission, onUnsupported: "error" } })(tasksOf(project)),
      ).toThrow(PermissionUnsupportedError);
    }
    expect(warn).not.toHaveBeenCalled();
  });

  test.each(["node", "bun"])("is an error for processes on %s, before anything is spawned", (runtime) => {
    const create = () =>
      createPool({ worker: worker(`process on ${runtime}`), permission: hosts })(tasksOf(project));
    expect(create).toThrow(PermissionUnsupportedError);
    expect(create).toThrow(
      /createPool: permission: nobody enforces this for workers on .*net \("api\.example\.com"\)/,
    );
    try {
      create();
    } catch (error) {
      expect(error).toMatchObject({ code: "KNITTING_PERMISSION_UNSUPPORTED" });
      expect((error as PermissionUnsupportedError).rules).toContain("net");
    }
    expect(warn).not.toHaveBeenCalled();
  });

  test("is a warning for processes where that is asked for", async () => {
    const permission = { ...hosts, onUnsupported: "warn" } as const;
    await using pool = createPool({ worker: onNode, permission })(tasksOf(project));
    expect(await pool.call.pid()).not.toBe(process.pid);
    expect(warn).toHaveBeenCalledTimes(1);
  });

  test("lists of hosts are what Deno takes", async () => {
    const net = [
      "example.com",
      "*.example.com",
      "127.0.0.1:8080",
      "10.0.0.0/8",
      "[::1]",
      "[::1]:8080",
      "a-b",
    ];
    await using pool = createPool({ worker: worker("process on deno"), permission: { net } })(
      tasksOf(project),
    );
    expect(await pool.call.pid()).toBeGreaterThan(0);
    expect(saidOf(pool.permissions.rules, "net")).toEqual(net);
  });

  test("lists of hosts are enforced by Deno", async () => {
    const permission: PermissionOptions = { net: ["127.0.0.1"], denyNet: ["127.0.0.1:1"] };
    await using pool = createPool({ worker: worker("process on deno"), permission })(tasksOf(project));
    const enforcers = (name: string) => pool.permissions.rules.find(({ rule }) => rule === name)?.enforcedBy;
    expect(enforcers("net")).toEqual(["runtime"]);
    expect(enforcers("denyNet")).toEqual(["runtime"]);
    await expect(pool.call.connect(1)).rejects.toMatchObject({ name: "NotCapable" });
    expect(await pool.call.serve("hello")).toBe("hello");
    expect(warn).not.toHaveBeenCalled();
  });

  test("is nothing in a container, whose runtime is not looked for here", async () => {
    const contained: WorkerOptions = {
      ...onNode,
      processRuntimePath: "/no/such/node",
      processSharedMemory: "named",
      processCommandPrefix: ["nice"],
    };
    await using pool = createPool({ worker: contained, permission: "strict" })(tasksOf(project));
    const ofWorker = pool.permissions.rules.filter(({ enforcedBy }) => !enforcedBy.includes("host"));
    expect(ofWorker.map(({ rule }) => rule)).toEqual(expect.arrayContaining(["read", "net", "run"]));
    for (const { rule, enforcedBy } of ofWorker) {
      expect(enforcedBy, rule).toEqual(rule === "allowImport" ? ["runtime", "wrapper"] : ["wrapper"]);
    }
  });

  test("is nothing behind a wrapper, which is taken for the one who enforces", async () => {
    const wrapped = { ...onNode, processCommandPrefix: ["nice"] };
    await using pool = createPool({ worker: wrapped, permission: hosts })(tasksOf(project));
    const { rules } = pool.permissions;
    expect(rules.find(({ rule }) => rule === "net")?.enforcedBy).toEqual(["wrapper"]);
    expect(rules.find(({ rule }) => rule === "read")?.enforcedBy).toEqual(["runtime", "wrapper"]);
    expect(await pool.call.pid()).not.toBe(process.pid);
    expect(warn).not.toHaveBeenCalled();
  });
});
