/** What a process is told, once, of where its policy holds less than its words say. */
import { join } from "node:path";
import type { PoolOptions } from "knitting-native";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { missing } from "../support/containers";
import { run } from "../support/installed";
import { kindNamed, onEveryRuntime } from "../support/kinds";
import { makeProject, type Project } from "../support/project";

const root = join(__dirname, "..", "..");
const fixture = join(root, "__test__/fixtures/hosts/warned-pools.mjs");

let project: Project;
beforeAll(() => {
  project = makeProject();
});
afterAll(() => project.remove());

interface Told {
  readonly outcome: string;
  readonly warnings: readonly string[];
}

/** The outcomes of pools with these options, in one process that starts in this folder. */
async function toldOf(
  cwd: string,
  options: readonly PoolOptions[],
  wrapper: readonly string[] = [],
): Promise<Told[]> {
  const given = JSON.stringify({ cwd, project: project.folder, options });
  const [program = "", ...argv] = [...wrapper, process.execPath, "--no-warnings", fixture, given];
  const { status, stdout, stderr } = await run(program, argv, { cwd: root });
  expect(status, stderr).toBe(0);
  return JSON.parse(stdout);
}

const SECRET = "TOKEN=secret";

onEveryRuntime(({ worker }) => {
  test("a working directory of / grants the whole disk, which is said once", async () => {
    const read = [project.folder];
    const [first, second, both, none] = await toldOf("/", [
      { worker },
      { worker },
      { worker, permission: { console: true } },
      { worker, permission: { read, write: [] } },
    ]);
    expect(first?.warnings).toEqual([expect.stringContaining('the workers\' working directory is "/"')]);
    expect(first?.warnings[0]).toContain("permission.read and permission.write");
    for (const later of [second, both, none]) {
      expect(later?.warnings).toEqual([]);
    }
  });

  test("which names only what is not granted by name", async () => {
    const read = [project.folder];
    const [granted, asked, rest] = await toldOf("/", [
      { worker, permission: { read, write: [] } },
      { worker, permission: { read: ["/"], write: ["/"] } },
      { worker, permission: { read } },
    ]);
    expect(granted?.warnings).toEqual([]);
    expect(asked?.warnings).toEqual([]);
    expect(rest?.warnings).toEqual([expect.stringContaining("List folders in permission.write, or")]);
    const [elsewhere] = await toldOf(project.folder, [{ worker }]);
    expect(elsewhere?.warnings).toEqual([]);
  });
});

/** A system without user namespaces, for a user without capabilities: what most containers are. */
const WITHOUT_NAMESPACES = [
  ...["bwrap", "--bind", "/", "/", "--dev-bind", "/dev", "/dev", "--proc", "/proc"],
  ...["--unshare-user", "--disable-userns", "--cap-drop", "ALL", "--die-with-parent"],
];

describe.skipIf(missing("bwrap") !== undefined)("where there are no user namespaces", () => {
  test.each(["node", "bun"])(
    "a process on %s reads .env by default, which is said once, and a policy is an error that names the way out",
    async (name) => {
      const { worker } = kindNamed(`process on ${name}`);
      const options = [
        { worker },
        { worker },
        { worker, permission: { console: true } },
        { worker, permission: { console: true, onUnsupported: "warn" } },
        { worker, permission: "unsafe" },
      ] as const;
      const [first, second, refused, warned, unsafe] = await toldOf(
        project.folder,
        options,
        WITHOUT_NAMESPACES,
      );
      expect(first?.outcome).toBe(SECRET);
      expect(first?.warnings).toEqual([expect.stringContaining(join(project.folder, ".env"))]);
      expect(first?.warnings[0]).toContain("docs/containers.md");
      expect(second).toMatchObject({ outcome: SECRET, warnings: [] });
      expect(refused?.warnings).toEqual([]);
      expect(refused?.outcome).toContain("docs/containers.md");
      expect(refused?.outcome).toContain('With permission.onUnsupported: "warn" the workers run without it');
      expect(warned?.outcome).toBe(SECRET);
      expect(warned?.warnings).toHaveLength(1);
      expect(unsafe).toMatchObject({ outcome: SECRET, warnings: [] });
    },
  );

  test("Deno's flags deny what is in a granted folder", async () => {
    const { worker } = kindNamed("process on deno");
    const [first, strict] = await toldOf(
      project.folder,
      [{ worker }, { worker, permission: "strict" }],
      WITHOUT_NAMESPACES,
    );
    expect([first?.warnings, strict?.warnings]).toEqual([[], []]);
    expect([first?.outcome, strict?.outcome]).not.toContain(SECRET);
  });
});
