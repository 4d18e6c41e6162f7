/**
 * What libraries ask the system for when they are imported: the user, the home folder, the network's interfaces. Where
 * the policy denies the files and sockets that tell, there is an answer all the same.
 */
import { chmodSync, copyFileSync, symlinkSync, writeFileSync } from "node:fs";
import { homedir, networkInterfaces, userInfo } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { createPool, importTask, type PoolOptions } from "knitting-native";
import { afterAll, afterEach, beforeAll, expect, test, vi } from "vitest";
import { run } from "../support/installed";
import { onEveryRuntime } from "../support/kinds";
import { makeProject, type Project } from "../support/project";

const HOST = { home: homedir(), user: userInfo(), interfaces: Object.keys(networkInterfaces()) };

let project: Project;
beforeAll(() => {
  vi.spyOn(process, "emitWarning").mockImplementation(() => {});
  project = makeProject();
  chmodSync(project.parent, 0o755);
  symlinkSync(join(__dirname, "..", ".."), join(project.folder, "node_modules/knitting-native"));
  for (const name of ["asks-at-import.mjs", "asks-at-import.cjs"]) {
    copyFileSync(join(__dirname, "..", "fixtures", "tasks", name), join(project.folder, name));
  }
});
afterEach(() => {
  vi.unstubAllEnvs();
});
afterAll(() => {
  vi.restoreAllMocks();
  project.remove();
});

interface Asked {
  readonly home: string;
  readonly user: { uid: number; gid: number; username: string; homedir: string; shell: string | null };
  readonly interfaces: string[];
}
interface Answers {
  readonly asked: Asked[];
  readonly ids: [uid: number, gid: number];
  readonly raw: boolean;
  readonly text: string;
}

onEveryRuntime(({ name, worker, isProcess }) => {
  function open(permission: PoolOptions["permission"]) {
    const href = pathToFileURL(join(project.folder, "asks-at-import.mjs")).href;
    const place = isProcess ? { cwd: project.folder } : {};
    return createPool({ worker: { ...worker, ...place }, permission })({
      ask: importTask<void, Answers>({ href, name: "ask" }),
      watchFolder: importTask<string, string>({ href, name: "watchFolder" }),
      pollFile: importTask<string, string>({ href, name: "pollFile" }),
    });
  }

  test.each<[string, PoolOptions["permission"]]>([
    ["no option", undefined],
    ["the strict profile", "strict"],
    ["everything readable", { read: true, onUnsupported: "warn" }],
  ])("a module that asks when it is imported gets answers: %s", async (_, permission) => {
    const pool = open(permission);
    const { asked, ids, text } = await pool.call.ask();
    await pool.shutdown();
    const [first, ...others] = asked;
    for (const other of others) {
      expect(other).toEqual(first);
    }
    expect(typeof first.home).toBe("string");
    expect([first.user.uid, first.user.gid]).toEqual(ids);
    expect(first.user.username).toMatch(/./);
    expect(first.user.homedir).toMatch(/^\//);
    if (isProcess && permission !== undefined) {
      expect(first).toEqual({
        home: HOST.home,
        user: { uid: ids[0], gid: ids[1], username: String(ids[0]), homedir: HOST.home, shell: null },
        interfaces: [],
      });
    }
    if (!name.includes("deno") && !name.includes("bun")) {
      expect(text).toBe(first.home);
    }
  });

  test("HOME says where home is, if it is among the variables", async () => {
    const env = { allow: ["HOME"] };
    vi.stubEnv("HOME", project.parent);
    const pool = open({ env, onUnsupported: "warn" });
    const { asked } = await pool.call.ask();
    await pool.shutdown();
    expect(asked.map(({ home }) => home)).toEqual(Array(4).fill(project.parent));
  });

  test("what is granted is looked up", async () => {
    const read = [project.folder, "/etc/passwd"];
    for (const permission of ["unsafe", { read, net: true, onUnsupported: "warn" }] as const) {
      const pool = open(permission);
      const { asked, raw } = await pool.call.ask();
      await pool.shutdown();
      for (const { user, interfaces } of asked) {
        // Bun names the user by a variable of the environment.
        const username = name.includes("bun") ? expect.any(String) : HOST.user.username;
        expect(user).toMatchObject({ uid: HOST.user.uid, username, homedir: HOST.user.homedir });
        expect(interfaces).toEqual(HOST.interfaces);
      }
      // The option is Node's.
      expect(raw || name.includes("deno") || name.includes("bun")).toBe(true);
    }
  });

  test("a folder can't be watched by the kernel's notices, and a file can by looking at it", async () => {
    const pool = open({ onUnsupported: "warn", read: [project.folder], write: [project.folder] });
    const folder = join(project.folder, "out");
    // In Node and Bun `watch` throws, in Deno its watcher emits an error.
    const watched = await pool.call.watchFolder(folder).catch(({ code }: NodeJS.ErrnoException) => code);
    expect(watched).toEqual(isProcess ? "EPERM" : expect.stringMatching(/change|rename/));
    expect(await pool.call.pollFile(join(folder, "polled.txt"))).toBe("change");
    await pool.shutdown();
  });
});

test.skipIf(process.getuid?.() !== 0)(
  "a host whose user has no home folder has the root for it",
  async () => {
    const host = `
    const { createPool, isMain } = require("knitting-native");
    exports.home = () => require("node:os").homedir();
    if (isMain) {
      const worker = { runtime: process.argv[2], processRuntime: process.argv[2] === "process" ? "node" : undefined };
      const pool = createPool({ worker })(exports);
      pool.call.home().then(console.log, ({ code }) => console.log(code)).finally(() => pool.shutdown());
    }`;
    const file = join(project.folder, "homeless.cjs");
    writeFileSync(file, host);
    for (const runtime of ["thread", "process"]) {
      const outcome = await run("env", ["--unset=HOME", process.execPath, file, runtime], {
        cwd: project.folder,
        uid: 4_000_000,
      });
      // A thread asks the system itself.
      expect(outcome).toEqual({
        status: 0,
        stdout: runtime === "process" ? "/\n" : "ERR_SYSTEM_ERROR\n",
        stderr: "",
      });
    }
  },
);
