/**
 * What `pool.permissions` says is tried, rule by rule, on every version of Node and every runtime, with the kernel and
 * without: what somebody enforces can't be done in any way that is tried, and what nobody enforces can.
 */
import { copyFileSync, existsSync, realpathSync } from "node:fs";
import { join } from "node:path";
import type { PermissionOptions, PermissionRule, WorkerOptions } from "knitting-native";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
// @ts-expect-error the scripts are plain JavaScript
import { ensureRuntimes } from "../../scripts/runtimes.mjs";
import { run, write } from "../support/installed";
import { makeProject, type Project } from "../support/project";
import { scope } from "../support/repetitions";

const root = join(__dirname, "..", "..");
const paths: Record<string, string> = ensureRuntimes();
const SECRET = { name: "KNITTING_TEST_SECRET", value: "known to the host alone" };
const MARK = "claims: ";

let project: Project;
beforeAll(() => {
  project = makeProject();
  copyFileSync(join(root, "__test__/fixtures/tasks/claims.mjs"), inProject("claims.mjs"));
  write(project.folder, { "data/private.txt": "private", "node_modules/greet/data.txt": "data" });
});
afterAll(() => project.remove());

const inParent = (path: string) => join(project.parent, path);
const inProject = (path: string) => join(project.folder, path);

const COPIER = realpathSync("/usr/bin/cp");
const PROGRAM = realpathSync("/usr/bin/true");

/** What is granted in each policy differs, so that each rule is there with nothing granted and with something. */
const policies = (): Readonly<Record<string, PermissionOptions>> => ({
  strict: { denyWrite: [inParent("outside")] },
  lists: {
    ...{ net: ["127.0.0.1:1"], run: [COPIER], allowImport: ["127.0.0.1:1"], env: { allow: ["PATH"] } },
    denyWrite: [inParent("outside")],
  },
  most: {
    ...{ read: true, write: true, net: true, run: true, allowImport: true },
    denyRead: ["data/private.txt"],
    denyWrite: ["data"],
    denyNet: ["127.0.0.1:<port>"],
    denyRun: [PROGRAM],
  },
});

interface Claim {
  readonly rule: PermissionRule["rule"];
  /** A name in the rule's value, if there are several rules of that name. */
  readonly names?: string;
  readonly group: string;
  readonly at: object;
  /** A part of the note of a rule that leaves this open, although the runtime enforces it otherwise. */
  readonly open?: string;
}

function claims(): Claim[] {
  const own = {
    own: inProject("variables.env"),
    scratch: inProject("out/scratch.txt"),
    copier: COPIER,
  };
  const outside = inParent("outside/secret.txt");
  return [
    { rule: "read", group: "reading", at: { path: outside, ...own } },
    { rule: "read", group: "reading", at: { path: inProject("linked.txt"), ...own }, open: "symbolic link" },
    { rule: "read", group: "byProgram", at: { path: outside, ...own }, open: "programs" },
    ...[".env", "data/private.txt"].map((path): Claim => {
      const denied = inProject(path);
      return { rule: "denyRead", names: denied, group: "reading", at: { path: denied, ...own } };
    }),
    { rule: "denyRead", names: "/etc", group: "reading", at: { path: "/etc/passwd", ...own } },
    { rule: "write", group: "writing", at: { path: outside, ...own } },
    ...[
      [inProject("node_modules"), inProject("node_modules/greet/data.txt")],
      [inProject("data"), inProject("data/private.txt")],
      [inParent("outside"), outside],
    ].map(([names, path]): Claim => {
      return { rule: "denyWrite", names, group: "writing", at: { path, ...own } };
    }),
    { rule: "net", group: "connecting", at: {} },
    { rule: "denyNet", group: "connecting", at: {} },
    { rule: "run", group: "starting", at: { program: PROGRAM } },
    { rule: "denyRun", group: "starting", at: { program: PROGRAM } },
    { rule: "allowImport", group: "importing", at: { specifier: "http://127.0.0.1:<port>/module.js" } },
    { rule: "env", group: "asking", at: { ...SECRET, host: "<host>", ...own } },
    { rule: "console", group: "printing", at: { host: "<host>", ...own } },
  ];
}

interface Result {
  readonly name: string;
  readonly rules: readonly PermissionRule[];
  readonly outcomes: readonly Readonly<Record<string, string>>[];
}

function isThere(value: boolean | string): boolean {
  return typeof value === "boolean" || !value.startsWith("/") || existsSync(value);
}

/** Tries the claims about a worker under each policy, from a host on this Node. */
async function check(host: string, worker: WorkerOptions, kernel: boolean | undefined): Promise<void> {
  const attempts = claims();
  const said = Object.entries(policies()).map(([name, policy]) => {
    return [name, { ...policy, onUnsupported: "warn", ...(kernel === undefined ? {} : { kernel }) }];
  });
  const given = { worker, policies: Object.fromEntries(said), attempts, project: project.folder, mark: MARK };
  // The output is a pipe: this process's own end is a socket, which nobody can open by its name in /proc.
  const fixture = join(root, "__test__/fixtures/hosts/claims.mjs");
  const argv = ["-c", '"$@" | cat', "sh", host, "--no-warnings", fixture, JSON.stringify(given)];
  const { stdout, stderr } = await run("/bin/sh", argv, { cwd: root, env: { [SECRET.name]: SECRET.value } });
  expect(stderr).toContain(MARK);
  const [shown, results] = stderr.split(MARK);
  for (const { name, rules, outcomes } of JSON.parse(results) as Result[]) {
    const tried = new Set<PermissionRule>();
    for (const [index, { rule, names, group, open }] of attempts.entries()) {
      const found = rules.find(
        (entry) => entry.rule === rule && (names === undefined || [entry.value].flat().includes(names)),
      );
      if (found === undefined) {
        continue;
      }
      const { enforcedBy, note = "" } = found;
      const text = `shown under ${name}`;
      const isShown = `${stdout}${shown}`.includes(text);
      const ways = Object.entries(outcomes[index]).filter(([, outcome]) => outcome === "done");
      const done = group === "printing" ? (isShown ? ["printing"] : []) : ways.map(([way]) => way);
      const what = `${name}: ${rule} ${names ?? ""} by ${enforcedBy.join(", ") || "nobody"} (${note})`;
      if (open !== undefined) {
        // Either it is denied as well, or the rule says that it is not.
        expect(done.length === 0 || enforcedBy.length === 0 || note.includes(open), what).toBe(true);
      } else if (enforcedBy.length > 0) {
        expect(done, what).toEqual([]);
      } else {
        expect(done.length, what).toBeGreaterThan(0);
        expect(note, what).not.toBe("");
      }
      tried.add(found);
    }
    // Paths that don't exist yet can't be tried.
    const rest = rules.filter((rule) => !tried.has(rule) && [rule.value].flat().some(isThere));
    expect(rest, name).toEqual([]);
  }
}

const nodes = { 20: process.execPath, 22: paths[22], 24: paths[24], 26: paths[26] };
const fast = scope === "fast";

describe.each(Object.entries(nodes))("on a host of Node %s", (major, host) => {
  test.skipIf(fast && major !== "24")("what is said of threads is so", () =>
    check(host, { runtime: "thread" }, undefined),
  );
});

describe.each([
  ...Object.entries(nodes).map(([major, path]) => [`Node ${major}`, "node", path] as const),
  ["Deno", "deno", paths.deno] as const,
  ["Bun", "bun", paths.bun] as const,
])("what is said of processes on %s is so", (name, processRuntime, path) => {
  const worker: WorkerOptions = { runtime: "process", processRuntime, processRuntimePath: path };
  test.skipIf(fast && name !== "Node 24").each([undefined, false])("with permission.kernel %j", (kernel) =>
    check(process.execPath, worker, kernel),
  );
});
