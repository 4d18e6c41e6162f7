/** The package as a user gets it: packed, and installed in a folder outside the checkout. Programs run from there. */
import { spawn } from "node:child_process";
import { copyFileSync, linkSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";

const root = join(__dirname, "..", "..");
const minutes = 60_000;

/** A tarball. */
export interface Packed {
  readonly path: string;
  readonly files: readonly { readonly path: string }[];
}

/** Packs the package into a folder. Builds what is missing. */
export async function pack(folder: string): Promise<Packed> {
  const { status, stdout, stderr } = await run("npm", ["pack", "--json", "--pack-destination", folder], {
    cwd: root,
  });
  expect(status, stderr).toBe(0);
  // The build's output comes first.
  const [{ filename, files }] = JSON.parse(stdout.slice(stdout.search(/^\[$/m)));
  return { path: join(folder, filename), files };
}

/** Makes a folder a project that has the package under this name. */
export async function install(
  packed: Packed,
  folder: string,
  name: string,
  ...flags: string[]
): Promise<void> {
  write(folder, { "package.json": '{ "private": true, "type": "module" }' });
  const spec = `${name}@file:${packed.path}`;
  const outcome = await run("npm", ["install", "--prefer-offline", ...flags, spec], { cwd: folder });
  expect(outcome, outcome.stderr).toMatchObject({ status: 0 });
}

/** Writes files by their paths in a folder. */
export function write(folder: string, files: Readonly<Record<string, string>>): void {
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(join(folder, name, ".."), { recursive: true });
    writeFileSync(join(folder, name), text);
  }
}

/** Makes a program available under another path, without a copy where that is possible. */
export function place(program: string, path: string): void {
  try {
    linkSync(program, path);
  } catch {
    copyFileSync(program, path);
  }
}

export interface RunOptions {
  readonly cwd: string;
  /** Variables in addition to those of this process. */
  readonly env?: Readonly<Record<string, string>>;
  /** Milliseconds after which the program is considered to hang. Default: two minutes. */
  readonly watchdog?: number;
  /** User id that runs the program, if it is not this user. */
  readonly uid?: number;
  /**
   * Tells whether the program has written enough; its standard input then ends. Without this function it ends at once.
   */
  readonly isEnough?: (stderr: string) => boolean;
}

export interface Outcome {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a program to its end. Rejects if the program doesn't end. */
export function run(
  program: string,
  argv: readonly string[],
  { cwd, env, watchdog = 2 * minutes, uid, isEnough = () => true }: RunOptions,
): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    // Variables that vitest sets for its own children are not passed on.
    const inherited = Object.entries(process.env).filter(([name]) => !/^(VITEST|TEST$|NODE_ENV$)/.test(name));
    const child = spawn(program, argv, {
      cwd,
      env: { ...Object.fromEntries(inherited), ...env },
      uid,
      gid: uid,
    });
    const output = { stdout: "", stderr: "" };
    // A program that does not read its standard input may have ended by now.
    child.stdin.on("error", () => {});
    const endInput = () => {
      if (isEnough(output.stderr)) {
        child.stdin.end();
      }
    };
    endInput();
    for (const stream of ["stdout", "stderr"] as const) {
      child[stream].setEncoding("utf8").on("data", (text: string) => {
        output[stream] += text;
        endInput();
      });
    }
    const timer = setTimeout(() => {
      child.kill("SIGKILL");
      const said = `${output.stdout}${output.stderr}`;
      reject(new Error(`${program} ${argv.join(" ")} did not end within ${watchdog} ms. It wrote: ${said}`));
    }, watchdog);
    child.on("error", reject);
    child.on("close", (status) => {
      clearTimeout(timer);
      resolve({ status, ...output });
    });
  });
}
