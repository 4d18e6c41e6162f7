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

const columns: readonly (readonly [head: string, worker: WorkerOptions])[] = [
  ["thread", { runtime: "thread" }],
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

async function cell({ policy, rule, names }: Row, worker: WorkerOptions): Promise<string> {
  const permission = { ...policy, onUnsupported: "warn" as const };
  await using pool = createPool({ worker, permission })(tasksOf(project));
  const found = pool.permissions.rules.filter(
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

/** The threads of the table are those of a host before Node 25, which restricts the network of its threads too. */
const isOfTable = Number.parseInt(process.versions.node, 10) < 25;

test.skipIf(!isOfTable)("the table of docs/permissions.md is what the pools say", async () => {
  const lines = [
    ["rule", ...columns.map(([head]) => head)],
    ["---", ...columns.map(() => "---")],
  ];
  for (const row of rows) {
    lines.push([row.head, ...(await Promise.all(columns.map(([, worker]) => cell(row, worker))))]);
  }
  const table = lines.map((cells) => `| ${cells.join(" | ")} |`).join("\n");
  expect(readFileSync(join(root, "docs", "permissions.md"), "utf8")).toContain(table);
});
