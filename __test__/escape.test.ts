/**
 * Ways out of the strict profile, tried by a worker process on each runtime, in JavaScript. Each succeeds under `"unsafe"`: what
 * is denied is denied by the policy. What JavaScript has no words for is tried by native code in tests/sandbox.rs.
 */
import { chmodSync, chownSync, copyFileSync, readdirSync, realpathSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createPool, type PermissionRule } from "knitting-native";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ADDON, nativePath } from "../dist/platform.js";
import { run, write } from "./installed";
import { kinds } from "./kinds";
import { makeProject, type Project, tasksOf } from "./project";

const ORDINARY_USER = 65534;
const isRoot = process.getuid?.() === 0;
const users = isRoot ? [0, ORDINARY_USER] : [process.getuid?.() as number];
const workers = kinds.filter(({ isProcess, isWrapped }) => isProcess && !isWrapped);

/** What an error of a denied operation says: the kernel's codes, those of moving what has a mount of its own among them. */
const DENIED =
  /^(EACCES|EPERM|EROFS|ENOENT|EXDEV|EBUSY|ERR_ACCESS_DENIED|NotCapable|PermissionDenied)\b|EPERM|Access to this API has been restricted|Command failed|Requires \w+ access|[Pp]ermission denied|Operation not permitted/;

interface Result {
  readonly outcomes: Readonly<Record<string, string>>;
  readonly rules: readonly PermissionRule[];
}

/** Tries everything in a project of its own. */
async function tryAll(
  worker: (typeof workers)[number]["worker"],
  executable: string,
  permission: "strict" | "unsafe",
  uid: number,
): Promise<Result> {
  const project = makeProject();
  const home = join(project.parent, "home");
  try {
    copyFileSync(join(__dirname, "tasks", "escapes.mjs"), join(project.folder, "escapes.mjs"));
    write(home, { ".ssh/id_ed25519": "key" });
    for (const name of ["victim", "renamed", "long"]) {
      writeFileSync(join(project.parent, "outside", `${name}.txt`), "content");
    }
    giveTo(uid, project.parent);
    const at = {
      parent: project.parent,
      project: project.folder,
      home,
      addon: nativePath(ADDON),
      executable,
      interpreter: realpathSync("/lib64/ld-linux-x86-64.so.2"),
      skip: uid === 0 ? [] : ["write the addon"],
    };
    const outcome = await run(
      process.execPath,
      [join(__dirname, "hosts", "escape.mjs"), JSON.stringify({ worker, permission, at })],
      { cwd: join(__dirname, ".."), uid, env: { HOME: home, KNITTING_TEST_SECRET: "of the host" } },
    );
    expect(outcome).toMatchObject({ status: 0, stderr: "" });
    return JSON.parse(outcome.stdout);
  } finally {
    project.remove();
  }
}

function giveTo(uid: number, folder: string): void {
  if (uid !== process.getuid?.()) {
    const entries = readdirSync(folder, { withFileTypes: true });
    for (const entry of entries.filter((entry) => !entry.isSymbolicLink())) {
      const path = join(folder, entry.name);
      entry.isDirectory() ? giveTo(uid, path) : chownSync(path, uid, uid);
    }
    chownSync(folder, uid, uid);
  }
}

describe.each(users)("as user %i", (uid) => {
  describe.each(workers)("a $name", ({ worker, executable }) => {
    let unsafe: Result;
    let strict: Result;
    beforeAll(async () => {
      unsafe = await tryAll(worker, executable, "unsafe", uid);
      strict = await tryAll(worker, executable, "strict", uid);
    });

    test('gets out in every way under "unsafe"', () => {
      const failed = Object.entries(unsafe.outcomes).filter(([, outcome]) => outcome !== "done");
      expect(Object.fromEntries(failed)).toEqual({});
    });

    test("gets out in no way under the strict profile", () => {
      expect(Object.keys(strict.outcomes)).toEqual(Object.keys(unsafe.outcomes));
      const passed = Object.entries(strict.outcomes).filter(([, outcome]) => !DENIED.test(outcome));
      expect(Object.fromEntries(passed)).toEqual({});
      expect(strict.rules.every(({ enforcedBy }) => enforcedBy.length > 0)).toBe(true);
    });
  });
});

describe.each(workers)("a $name that may start one program of its own project", ({ worker }) => {
  let project: Project;
  const home = process.cwd();
  beforeAll(() => {
    project = makeProject();
    write(project.folder, { "bin/tool": "#!/bin/sh\necho the tool\n" });
    chmodSync(join(project.folder, "bin/tool"), 0o755);
    process.chdir(project.folder);
  });
  afterAll(() => {
    process.chdir(home);
    project.remove();
  });

  test("starts it, and can neither replace it nor start another", async () => {
    const tool = join(project.folder, "bin/tool");
    const other = join(project.folder, "out/other");
    await using pool = createPool({ worker, permission: { run: ["./bin/tool"] } })(tasksOf(project));
    expect(await pool.call.start([tool])).toBe("the tool\n");
    for (const go of [
      () => pool.call.write([tool, "#!/bin/sh\necho replaced\n"]),
      () => pool.call.append([tool, "echo more\n"]),
      () => pool.call.remove(tool),
      () => pool.call.rename([join(project.folder, "data/numbers.txt"), tool]),
      () => pool.call.rename([join(project.folder, "bin"), join(project.folder, "out/bin")]),
    ]) {
      await expect(go()).rejects.toThrow();
    }
    await pool.call.write([other, "#!/bin/sh\necho another\n"]);
    await pool.call.makeExecutable(other);
    for (const [program, ...parameters] of [[other], ["/usr/bin/git", "--version"], ["/bin/cat", other]]) {
      await expect(pool.call.start([program, ...parameters]), program).rejects.toThrow();
    }
    expect(await pool.call.start([tool])).toBe("the tool\n");
  });
});
