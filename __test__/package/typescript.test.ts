import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { createPool, importTask, WorkerBootError } from "knitting-native";
import { describe, expect, test } from "vitest";
// @ts-expect-error the scripts are plain JavaScript
import { ensureNodes } from "../../scripts/runtimes.mjs";

describe("TypeScript hosts and tasks run as they are where Node strips types itself", () => {
  test.each(Object.entries(ensureNodes() as Record<string, string>))("Node %s", (_, node) => {
    const stdout = execFileSync(node, [join(__dirname, "..", "fixtures", "hosts", "typed-host.mts")], {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
      timeout: 60_000,
    });
    expect(stdout).toBe("2 8 3 false\n".repeat(2));
  });
});

const stripsTypes = Boolean((process.features as { typescript?: string | false }).typescript);

test.skipIf(stripsTypes)("where Node does not, the error says which releases do", async () => {
  const add = importTask<{ a: number; b: number }, number>({
    href: "../fixtures/tasks/typed.mts",
    name: "add",
  });
  await using pool = createPool()({ add });
  const error = await pool.call.add({ a: 1, b: 2 }).catch((error: unknown) => error);
  expect(error).toBeInstanceOf(WorkerBootError);
  expect(error).toMatchObject({ message: expect.stringContaining("22.18 and later do") });
});
