/**
 * The table of docs/permissions.md: the enforcers of each rule, compared cell by cell with what a pool of that kind
 * reports.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { createPool, type PermissionOptions, type PermissionRule, type WorkerOptions } from "knitting-native";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
// @ts-expect-error the scripts are plain JavaScript
import { ensureRuntimes } from "../../scripts/runtimes.mjs";
import { run } from "../support/installed";
import { makeProject, type Project, tasksOf } from "../support/project";

const root = join(__dirname, "..", "..");
const paths: Record<string, string> = ensureRuntimes();
const home = process.cwd();
let project: Project;

beforeAll(() => {
  project = makeProject();
  process.chdir(project.folder);
  vi.spyOn(process, "emitWarning").mockImplementation(() => {});
});
afterAll(() => {
  vi.restoreAllMocks();
  process.chdir(home);
  project.remove();
});

const onProcess = (processRuntime: "node" | "deno" | "bun", name: string): WorkerOptions => ({
  runtime: "process",
  processRuntime,
  processRuntimePath: paths[name],
});

/** Threads run on the Node of their host, so a column for them has a name in `paths`. */
const columns: readonly (readonly [head: string, worker: WorkerOptions, host?: string])[] = [
  ["thread, node 20 to 24", { runtime: "thread" }, "24"],
  ["thread, node 25 and later", { runtime: "thread" }, "26"],
  ["node 20 to 24", onProcess("node", "24")],
  ["node 25 and later", onProcess("node", "26")],
  ["deno", onProcess("deno", "deno")],
  ["bun", onProcess("bun", "bun")],
];

const nothing: PermissionOptions = {};
const lists: PermissionOptions = {
  net: ["example.com"],
  denyNet: ["example.org"],
  run: ["git"],
  denyRun: ["tar"],
};

interface Row {
  readonly head: string;
  readonly policy: PermissionOptions;
  readonly rule: PermissionRule["rule"];
  /** A name in the rule's value, if there are several rules of that name. */
  readonly names?: string;
}

const rows: readonly Row[] = [
  { head: "`read`: nothing but what is granted", policy: nothing, rule: "read" },
  { head: "`write`: nothing but what is granted", policy: nothing, rule: "write" },
  { head: "`denyRead` inside of what is granted", policy: nothing, rule: "denyRead", names: ".env" },
  {
    head: "`denyWrite` inside of what is granted",
    policy: nothing,
    rule: "denyWrite",
    names: "node_modules",
  },
  { head: "`net`: none", policy: nothing, rule: "net" },
  { head: "`net`: a list of hosts", policy: lists, rule: "net" },
  { head: "`denyNet`", policy: lists, rule: "denyNet" },
  { head: "`run`: none", policy: nothing, rule: "run" },
  { head: "`run`: a list of programs", policy: lists, rule: "run" },
  { head: "`denyRun`", policy: lists, rule: "denyRun" },
  { head: "`allowImport`", policy: nothing, rule: "allowImport" },
  { head: "`env`", policy: nothing, rule: "env" },
  { head: "`console`", policy: nothing, rule: "console" },
];

async function rulesOf(policy: PermissionOptions, worker: WorkerOptions): Promise<readonly PermissionRule[]> {
  const permission = { ...policy, onUnsupported: "warn" as const };
  await using pool = createPool({ worker, permission })(tasksOf(project));
  return pool.permissions.rules;
}

/** The rules for threads of a host on this Node. */
async function threadRulesOf(policy: PermissionOptions, host: string): Promise<readonly PermissionRule[]> {
  const given = JSON.stringify({ project: project.folder, permission: policy });
  const fixture = join(root, "__test__/fixtures/hosts/rules.mjs");
  const { status, stdout, stderr } = await run(host, ["--no-warnings", fixture, given], { cwd: root });
  expect(status, stderr).toBe(0);
  return JSON.parse(stdout);
}

function cell({ rule, names }: Row, rules: readonly PermissionRule[]): string {
  const found = rules.filter(
    (entry) =>
      entry.rule === rule &&
      (names === undefined || [entry.value].flat().includes(join(project.folder, names))),
  );
  expect(found, rule).toHaveLength(1);
  const { enforcedBy, note } = found[0];
  if (enforcedBy.length > 0) {
    return enforcedBy.join(", ");
  }
  expect(note, rule).toBeTruthy();
  return "nobody";
}

test("the table of docs/permissions.md is what the pools say", async () => {
  const lines = [
    ["rule", ...columns.map(([head]) => head)],
    ["---", ...columns.map(() => "---")],
  ];
  for (const row of rows) {
    const rules = columns.map(([, worker, host]) =>
      host === undefined ? rulesOf(row.policy, worker) : threadRulesOf(row.policy, paths[host]),
    );
    lines.push([row.head, ...(await Promise.all(rules)).map((found) => cell(row, found))]);
  }
  const table = lines.map((cells) => `| ${cells.join(" | ")} |`).join("\n");
  expect(readFileSync(join(root, "docs", "permissions.md"), "utf8")).toContain(table);
});

test("no version of Node enforces less for threads than the one before it", async () => {
  const hosts = [process.execPath, paths[22], paths[24], paths[26]];
  for (const policy of [nothing, lists]) {
    const found = await Promise.all(hosts.map((host) => threadRulesOf(policy, host)));
    const enforced = found.map((rules) =>
      rules.flatMap(({ rule, value, enforcedBy }) =>
        enforcedBy.map((by) => JSON.stringify([rule, value, by])),
      ),
    );
    for (const [index, older] of enforced.slice(0, -1).entries()) {
      expect(enforced[index + 1]).toEqual(expect.arrayContaining(older));
    }
  }
});
