/**
 * Attempts of a worker process on each runtime to break out of the strict profile, in JavaScript. Each attempt succeeds
 * under `"unsafe"`, which proves that the policy is what denies it. Attempts that JavaScript can't make are made by
 * native code in tests/sandbox.rs.
 */
import { chmodSync, chownSync, copyFileSync, readdirSync, realpathSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createPool, type PermissionRule, type PoolOptions } from "knitting-native";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { addonPath } from "../../build/native/platform.js";
import { run, write } from "../support/installed";
import { kinds } from "../support/kinds";
import { makeProject, type Project, tasksOf } from "../support/project";

const ORDINARY_USER = 65534;
const isRoot = process.getuid?.() === 0;
const users = isRoot ? [0, ORDINARY_USER] : [process.getuid?.() as number];
const workers = kinds.filter(({ isProcess, isWrapped }) => isProcess && !isWrapped);

/** Error texts of denied operations: the kernel's codes, including those for moving a path that is a mount point. */
const DENIED =
  /^(EACCES|EPERM|EROFS|EXDEV|EBUSY|NOT_SET|ERR_ACCESS_DENIED|NotCapable|PermissionDenied)\b|EPERM|Access to this API has been restricted|Command failed|Requires \w+ access|[Pp]ermission denied|Operation not permitted/;

interface Result {
  readonly outcomes: Readonly<Record<string, string>>;
  readonly rules: readonly PermissionRule[];
}

/** The program of the project that may be started under a policy with `run`. */
const TOOL = "bin/tool";

/**
 * Makes every attempt in a separate project. Under a policy with `run`, makes only the attempts that concern programs.
 */
async function tryAll(
  worker: (typeof workers)[number]["worker"],
  executable: string,
  permission: PoolOptions["permission"],
  uid: number,
  tool?: typeof TOOL,
): Promise<Result> {
  const project = makeProject();
  const home = join(project.parent, "home");
  try {
    copyFileSync(
      join(__dirname, "..", "fixtures", "tasks", "escapes.mjs"),
      join(project.folder, "escapes.mjs"),
    );
    write(home, { ".ssh/id_ed25519": "key" });
    writeTool(project);
    for (const name of ["victim", "renamed", "long"]) {
      writeFileSync(join(project.parent, "outside", `${name}.txt`), "content");
    }
    giveTo(uid, project.parent);
    const at = {
      parent: project.parent,
      project: project.folder,
      home,
      addon: addonPath(),
      executable,
      interpreter: realpathSync("/lib64/ld-linux-x86-64.so.2"),
      skip: uid === 0 ? [] : ["write the addon", "write the addon with a promise"],
      tool: tool && join(project.folder, tool),
    };
    const outcome = await run(
      process.execPath,
      [join(__dirname, "..", "fixtures", "hosts", "escape.mjs"), JSON.stringify({ worker, permission, at })],
      { cwd: join(__dirname, "..", ".."), uid, env: { HOME: home, KNITTING_TEST_SECRET: "of the host" } },
    );
    expect(outcome).toMatchObject({ status: 0, stderr: "" });
    return JSON.parse(outcome.stdout);
  } finally {
    project.remove();
  }
}

function writeTool({ folder }: Project): void {
  write(folder, { [TOOL]: "#!/bin/sh\necho the tool\n" });
  chmodSync(join(folder, TOOL), 0o755);
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
    test("gets out in no way under the strict profile, in which each works without it", async () => {
      const unsafe = await tryAll(worker, executable, "unsafe", uid);
      const strict = await tryAll(worker, executable, "strict", uid);
      expectDenied(strict, unsafe);
    });

    test("where it may start one program it can neither replace that nor start another", async () => {
      const unsafe = await tryAll(worker, executable, "unsafe", uid, TOOL);
      const limited = await tryAll(worker, executable, { run: [TOOL] }, uid, TOOL);
      expectDenied(limited, unsafe);
    });
  });
});

/** Expects that the limited worker can do nothing of what the unsafe one can do. */
function expectDenied(limited: Result, unsafe: Result): void {
  const failed = Object.entries(unsafe.outcomes).filter(([, outcome]) => outcome !== "done");
  expect(Object.fromEntries(failed)).toEqual({});
  expect(Object.keys(limited.outcomes)).toEqual(Object.keys(unsafe.outcomes));
  const passed = Object.entries(limited.outcomes).filter(([, outcome]) => !DENIED.test(outcome));
  expect(Object.fromEntries(passed)).toEqual({});
  expect(limited.rules.every(({ enforcedBy }) => enforcedBy.length > 0)).toBe(true);
}

describe.each(workers)("a $name that may start one program of its own project", ({ worker }) => {
  let project: Project;
  const home = process.cwd();
  beforeAll(() => {
    project = makeProject();
    writeTool(project);
    process.chdir(project.folder);
  });
  afterAll(() => {
    process.chdir(home);
    project.remove();
  });

  test("starts it", async () => {
    await using pool = createPool({ worker, permission: { run: ["./bin/tool"] } })(tasksOf(project));
    expect(await pool.call.start([join(project.folder, TOOL)])).toBe("the tool\n");
    expect(await pool.call.startLater([join(project.folder, TOOL)])).toBe("the tool\n");
  });
});
