/** The table of docs/containers.md: a host in a container of each kind, and what is enforced there. */
import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { WorkerOptions } from "knitting-native";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
// @ts-expect-error the scripts are plain JavaScript
import { ensureRuntimes } from "../../scripts/runtimes.mjs";
import { ensureContainers, podman } from "../support/containers";
import { makeProject, type Project } from "../support/project";

const root = join(__dirname, "..", "..");
const page = readFileSync(join(root, "docs/containers.md"), "utf8");
const paths: Record<string, string> = ensureRuntimes();
const containers = ensureContainers();

/** What Docker's profile forbids to a process without CAP_SYS_ADMIN, of what a sandbox could use. */
const FORBIDDEN_BY_DOCKER = [
  ...["fsconfig", "fsmount", "fsopen", "fspick", "mount", "mount_setattr", "move_mount", "open_tree"],
  ...["pivot_root", "setns", "umount2", "unshare"],
];
const EPERM = 1;
const ENOSYS = 38;

let project: Project;
let profiles: string;
beforeAll(() => {
  project = makeProject();
  chmodSync(project.parent, 0o755);
  profiles = realpathSync(mkdtempSync(join(tmpdir(), "knitting-profiles-")));
  const [, names = ""] = /names: \[([^\]]*)\]/.exec(page) ?? [];
  const allowed = Array.from(names.matchAll(/"(\w+)"/g), ([, name]) => name);
  expect(allowed.length).toBeGreaterThan(0);
  writeProfile("docker.json", FORBIDDEN_BY_DOCKER);
  writeProfile(
    "knitting.json",
    FORBIDDEN_BY_DOCKER.filter((name) => !allowed.includes(name)),
  );
});
afterAll(() => {
  project.remove();
  rmSync(profiles, { recursive: true, force: true });
});

function writeProfile(name: string, forbidden: readonly string[]): void {
  const forbid = (names: readonly string[], errnoRet: number) => ({
    names,
    action: "SCMP_ACT_ERRNO",
    errnoRet,
  });
  const profile = {
    defaultAction: "SCMP_ACT_ALLOW",
    syscalls: [forbid(forbidden, EPERM), forbid(["clone3"], ENOSYS)],
  };
  writeFileSync(join(profiles, name), JSON.stringify(profile));
}

interface Told {
  readonly outcome: string;
  readonly nobody: readonly string[];
  readonly warnings: readonly string[];
}

const worker = (processRuntime: "node" | "deno" | "bun"): WorkerOptions => ({
  runtime: "process",
  processRuntime,
  ...(processRuntime === "node" ? {} : { processRuntimePath: paths[processRuntime] }),
});

/** Starts a host in a container with these flags. */
function toldWith(flags: readonly string[]): Told[] {
  const options = [
    { worker: worker("node") },
    { worker: worker("bun") },
    { worker: worker("deno") },
    { worker: worker("node"), permission: "strict" },
  ];
  const given = JSON.stringify({ cwd: project.folder, project: project.folder, options });
  // An ordinary image has the linker's files, which the one of the tests does without.
  const linker = ["/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/ld.so.conf.d"].filter((path) =>
    existsSync(path),
  );
  const shared = [...linker, root, project.parent].flatMap((path) => ["-v", `${path}:${path}:ro`]);
  const output = podman(
    ...["run", "--rm", "--label", "knitting-test=inside", ...shared, ...flags, containers.image],
    ...["node", "--no-warnings", join(root, "__test__/fixtures/hosts/warned-pools.mjs"), given],
  );
  return JSON.parse(output);
}

const rows = page
  .split("\n")
  .filter((line) => /\| (kernel|nobody) \|$/.test(line))
  .map((line) => line.split("|").map((cell) => cell.trim().replaceAll("`", "")))
  .map(([, flags = "", , enforcer = ""]) => [flags, enforcer] as const);

const SECRET = "TOKEN=secret";

describe.skipIf(!containers.available)(`in containers ${containers.reason}`, () => {
  test("the page has rows with and without private mounts", () => {
    expect(new Set(rows.map(([, enforcer]) => enforcer))).toEqual(new Set(["kernel", "nobody"]));
    expect(rows.length).toBeGreaterThan(5);
  });

  test.each(rows)(
    "podman run %s: what is denied inside of what is granted is enforced by %s",
    (flags, enforcer) => {
      const inProfiles = flags.replace(/seccomp=(\w+\.json)/, `seccomp=${profiles}/$1`);
      const [node, bun, deno, strict] = toldWith(inProfiles.split(" ").filter(Boolean));
      expect(deno?.outcome).not.toBe(SECRET);
      expect(deno).toMatchObject({ nobody: [], warnings: [] });
      if (enforcer === "kernel") {
        for (const told of [node, bun, strict]) {
          expect(told).toEqual({ outcome: "EACCES", nobody: [], warnings: [] });
        }
      } else {
        for (const told of [node, bun]) {
          expect(told?.outcome).toBe(SECRET);
          expect(told?.warnings).toHaveLength(1);
        }
        expect(node?.nobody).toEqual(["denyRead", "denyWrite"]);
        expect(bun?.nobody).toEqual(["write", "denyRead", "denyWrite"]);
        expect(strict?.outcome).toContain("docs/containers.md");
      }
    },
  );
});
