/** Policies with thousands of paths: what they cost the event loop of the host, and how many a worker can be told of. */
import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createPool, InvalidOptionError, importTask, type PermissionOptions } from "knitting-native";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { type Kind, onEveryRuntime } from "../support/kinds";
import { scope } from "../support/repetitions";

const FEW = 400;
const MANY = 3_200;
const TOO_MANY = 12_000;
/** Quadratic time would be this squared. */
const FACTOR = MANY / FEW;
/** Above linear time by what machines do, and far below quadratic time. */
const MOST = 3 * FACTOR;
const ROUNDS = 8;

const home = process.cwd();
let folder: string;
let tasks: Record<"one", ReturnType<typeof importTask<void, number>>>;

beforeAll(() => {
  vi.spyOn(process, "emitWarning").mockImplementation(() => {});
  // Short, because all paths together have to fit into an argument.
  folder = realpathSync(mkdtempSync("/var/tmp/k"));
  for (const name of ["f", "d"]) {
    mkdirSync(join(folder, name));
    for (let index = 0; index < TOO_MANY; index++) {
      writeFileSync(join(folder, name, String(index)), "");
    }
  }
  writeFileSync(join(folder, "tasks.mjs"), "export const one = () => 1;");
  tasks = { one: importTask<void, number>({ href: `file://${folder}/tasks.mjs`, name: "one" }) };
  process.chdir(folder);
});
afterAll(() => {
  process.chdir(home);
  vi.restoreAllMocks();
  rmSync(folder, { recursive: true, force: true });
});

const paths = (name: string, count: number) =>
  Array.from({ length: count }, (_, index) => `${name}/${index}`);

const shapes: Readonly<Record<string, (count: number) => PermissionOptions>> = {
  read: (count) => ({ read: paths("f", count) }),
  write: (count) => ({ read: [], write: paths("f", count) }),
  denyRead: (count) => ({ denyRead: paths("f", count) }),
  "read and denyRead": (count) => ({ read: paths("f", count / 2), denyRead: paths("d", count / 2) }),
  "write and denyWrite": (count) => ({
    read: [],
    write: paths("f", count / 2),
    denyWrite: paths("d", count / 2),
  }),
};

/** The gate leaves out those that differ from Node only in what is not looked at here. */
const isTried = ({ name }: Kind) => scope === "soak" || /node|bun/.test(name);

onEveryRuntime((kind) => {
  const { worker, isProcess } = kind;
  /** The milliseconds of computing that `createPool` takes. Those in which others have the core do not count. */
  async function costOf(permission: PermissionOptions): Promise<number> {
    const before = process.cpuUsage();
    const pool = createPool({ worker, permission })(tasks);
    const { user, system } = process.cpuUsage(before);
    await pool.shutdown();
    return (user + system) / 1_000;
  }

  test.each(isTried(kind) ? Object.entries(shapes) : [])(
    "createPool takes time in proportion to the paths of %s",
    async (_, shape) => {
      const policies = [{}, shape(FEW), shape(MANY)];
      const least = policies.map(() => Number.POSITIVE_INFINITY);
      // In turn, and the least of each: that in which the machine did least besides.
      for (let round = 0; round < ROUNDS; round++) {
        for (const [index, policy] of policies.entries()) {
          least[index] = Math.min(least[index], await costOf(policy));
        }
      }
      const [none, few, many] = least;
      expect((many - none) / Math.max(few - none, 1)).toBeLessThan(MOST);
    },
  );

  test("what is more than a worker can be told is refused by its length", async () => {
    const permission = { read: paths("f", TOO_MANY), onUnsupported: "warn" } as const;
    const tell = (kernel: boolean | undefined) =>
      createPool({ worker, permission: kernel === undefined ? permission : { ...permission, kernel } })(
        tasks,
      );
    const refused = /"permission" have \d+ bytes, and Linux allows \d+ for them\. Name folders instead/;
    if (!isProcess) {
      await using pool = tell(undefined);
      expect(await pool.call.one()).toBe(1);
      return;
    }
    expect(() => tell(undefined)).toThrow(InvalidOptionError);
    expect(() => tell(undefined)).toThrow(refused);
    if (worker.processRuntime === "deno") {
      // Its flags have the same limit.
      expect(() => tell(false)).toThrow(refused);
    } else {
      await using pool = tell(false);
      expect(await pool.call.one()).toBe(1);
    }
  });
});
