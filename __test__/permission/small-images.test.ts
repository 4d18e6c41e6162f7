/**
 * Hosts in containers of a small image, which has no configuration of the dynamic linker or of OpenSSL: a worker starts
 * there under every policy, or `createPool` says what the container keeps from being enforced.
 */
import { chmodSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ensureContainers } from "../support/containers";
import { run } from "../support/installed";
import { onChildren } from "../support/kinds";
import { makeProject, type Project } from "../support/project";

const { available, reason, podman, image, environment } = ensureContainers();
const root = join(__dirname, "..", "..");

let project: Project;
beforeAll(() => {
  project = makeProject();
  chmodSync(project.parent, 0o755);
});
afterAll(() => project.remove());

interface Found {
  /** What was read, or the error's code: what is granted, what is denied in there, what is outside. */
  readonly outcomes?: string[];
  /** The rules that nobody enforces. */
  readonly open?: string[];
  readonly code?: string;
  readonly message?: string;
}

async function inContainer(
  flags: readonly string[],
  worker: object,
  permissions: readonly unknown[],
): Promise<{ found: Found[]; stderr: string }> {
  const { parent, folder } = project;
  const host = join(root, "__test__", "fixtures", "hosts", "permitted-in-container.mjs");
  const mounts = [root, parent].flatMap((path) => ["-v", `${path}:${path}:ro`]);
  const argv = ["run", "--rm", "--label", "knitting-test=small", ...flags, ...mounts, "-w", root, image];
  // The container's Node is the one in its image.
  const seen = { ...worker, processRuntimePath: pathInContainer(worker) };
  const outcome = await run(
    podman,
    [...argv, "node", host, JSON.stringify({ folder, worker: seen, permissions })],
    { cwd: root, env: environment },
  );
  expect(outcome, outcome.stderr).toMatchObject({ status: 0 });
  return { found: JSON.parse(outcome.stdout), stderr: outcome.stderr };
}

function pathInContainer(worker: { processRuntime?: string; processRuntimePath?: string }) {
  return worker.processRuntime === "node" ? "/usr/local/bin/node" : worker.processRuntimePath;
}

/** Left out, strict, and one that covers the whole disk. */
const POLICIES = [null, "strict", { read: true }];
const denied = expect.stringMatching(/^(EACCES|ENOENT|ERR_ACCESS_DENIED|NotCapable)$/);

describe.skipIf(!available)(`in a small image${available ? "" : ` (skipped: ${reason})`}`, () => {
  onChildren(({ name, worker }) => {
    test.each([
      ["plain", []],
      ["as another user", ["--user", "1000"]],
      ["that can't be written", ["--read-only"]],
      ["with little memory", ["--memory=200m", "--shm-size=1m"]],
    ])("a container %s keeps everything", async (_, flags) => {
      const { found, stderr } = await inContainer(flags, worker, POLICIES);
      expect(found).toEqual(POLICIES.map(() => ({ outcomes: ["1 2 3", denied, denied], open: [] })));
      expect(stderr).toBe("");
    });

    test("without capabilities and new privileges, what can't be kept is said", async () => {
      const flags = ["--cap-drop=all", "--security-opt=no-new-privileges"];
      const permissions = [null, "strict", { onUnsupported: "warn" }];
      const { found, stderr } = await inContainer(flags, worker, permissions);
      if (name.includes("deno")) {
        // Deno's own flags deny what is inside of a granted folder.
        const kept = { outcomes: ["1 2 3", "NotCapable", "NotCapable"], open: [] };
        expect(found).toEqual([kept, kept, kept]);
        return;
      }
      const [byDefault, strict, tolerant] = found;
      const open = expect.arrayContaining(["denyRead", "denyWrite"]);
      expect(byDefault).toEqual({ outcomes: ["1 2 3", "TOKEN=secret", denied], open });
      expect(strict.code).toBe("KNITTING_PERMISSION_UNSUPPORTED");
      const reason = /nobody enforces this .*denyRead \(.*\.env".*there are no private mounts/;
      expect(strict.message).toMatch(reason);
      expect(stderr).toMatch(reason);
      expect(tolerant).toEqual(byDefault);
    });
  });
});
