/**
 * A policy as the kernel is to enforce it: what the launcher reads (`src/sandbox`). All paths are absolute and without symbolic
 * links: the launcher follows none, so that nobody can lead it elsewhere.
 */
import { accessSync, constants, mkdirSync, statSync } from "node:fs";
import { delimiter, join, resolve } from "node:path";
import { InvalidOptionError } from "../base/errors";
import { describe } from "../base/validate";
import { type KernelLayer, native, type ProgramNeeds, type SandboxProbe } from "../native/addon";
import { LAUNCHER, nativePath } from "../native/platform";
import { workerEnvironment } from "../runtime/environment";
import type { ResolvedWorker } from "../runtime/resolve-options";
import type { TaskFolders } from "./needs";
import { isWithin, real, realOrFuture, unique } from "./paths";
import { type Grant, isNothing, type Policy } from "./policy";
import { denoFolder } from "./runtime-variables";

/** What the launcher reads; each field is explained in `src/sandbox`. */
export interface Sandbox {
  readonly read: readonly string[];
  readonly write: readonly string[];
  readonly execute: readonly string[];
  readonly needs: readonly string[];
  readonly devices: readonly string[];
  readonly denyRead: readonly string[];
  readonly denyWrite: readonly string[];
  readonly net: boolean;
  readonly unix: boolean;
  readonly run: boolean;
  readonly optional: readonly KernelLayer[];
}

/** Where programs are besides the folders of `PATH`. */
const PROGRAM_FOLDERS = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];
/** What programs are made of. */
const PROGRAM_TREES = ["/usr", "/bin", "/sbin", "/lib", "/lib64", "/opt"];
/** Its entries are others for each process; the whole of it is denied or granted. */
const PROCESSES = "/proc";

let probed: SandboxProbe | undefined;

/** What of a sandbox this kernel can't enforce, and why not. */
export function missingLayers(sandbox: Sandbox): ReadonlyMap<KernelLayer, string> {
  probed ??= native().probeSandbox(nativePath(LAUNCHER));
  const missing = native().sandboxMissing(JSON.stringify(sandbox), probed);
  return new Map(missing.map(({ layer, reason }) => [layer, reason]));
}

/** Whether the kernel can be told of the network: in Deno what fetches modules does not tell itself from the tasks. */
export function keepsFromNetwork({ net, allowImport }: Policy, runtime: ResolvedWorker["runtime"]): boolean {
  return isNothing(net) && (runtime !== "deno" || isNothing(allowImport));
}

/** A sandbox, with what of it is neither the policy's nor the tasks'. */
export interface KernelPlan {
  readonly sandbox: Sandbox;
  readonly runtime: ProgramNeeds;
  readonly programs: ProgramNeeds;
  /** Of the runtime too. */
  readonly cache: Pick<Sandbox, "read" | "write">;
}

interface DenoCache extends Pick<Sandbox, "read" | "write"> {
  /** What is denied of it. */
  readonly private: readonly string[];
}

/** What the launcher is to set up for a worker on `executable`. */
export function kernelPlan(
  policy: Policy,
  worker: ResolvedWorker,
  executable: string,
  own: readonly string[],
  tasks: TaskFolders,
): KernelPlan {
  const online = !keepsFromNetwork(policy, worker.runtime);
  const runtime = native().runtimeNeeds(executable, online);
  const programs = programsOf(policy, worker);
  const cache = denoCache(worker, policy);
  const denied = canonical([...policy.denyRead, ...tasks.denied, ...cache.private]).filter(
    (path) => path === PROCESSES || !isWithin(path, PROCESSES),
  );
  const sandbox: Sandbox = {
    read: canonical([...everything(policy.read), ...tasks.roots, ...tasks.packages, ...cache.read]),
    write: canonical([...everything(policy.write), ...cache.write]),
    execute: unique([...runtime.execute, ...programs.execute]),
    needs: unique([...runtime.read, ...programs.read, ...canonical(own)]),
    devices: unique([...runtime.devices, ...programs.devices]),
    denyRead: unique([...denied, ...programs.denied]),
    denyWrite: canonical(policy.denyWrite).filter((path) => !isWithin(path, PROCESSES)),
    net: online,
    unix: grantsEverything(policy),
    run: !isNothing(policy.run),
    optional: [],
  };
  return { sandbox, runtime, programs, cache };
}

/** By a UNIX socket a service such as D-Bus or Docker does anything for its user, whatever else is denied here. */
function grantsEverything({ read, write, net, run }: Policy): boolean {
  return [read, write, net, run].every((grant) => grant === true);
}

/** What other programs than the worker keep in Deno's cache: lines typed at its prompt, what web pages would keep in a browser. */
const DENO_PRIVATE = ["deno_history.txt", "location_data"];

/**
 * Deno's cache, of modules and of what it has compiled: without it each start compiles anew. Where modules from the web are
 * allowed it is one of our own, and is written. Deno's own flags keep the tasks from there.
 */
function denoCache(worker: ResolvedWorker, policy: Policy): DenoCache {
  if (worker.runtime !== "deno") {
    return { read: [], write: [], private: [] };
  }
  const folder = denoFolder(policy, worker);
  const isFetching = !isNothing(policy.allowImport);
  if (isFetching) {
    makeCache(folder, policy);
  }
  const found = real(folder);
  const cache = found === undefined ? [] : [found];
  return {
    read: cache,
    write: isFetching ? cache : [],
    private: cache.flatMap((path) => DENO_PRIVATE.map((name) => join(path, name))),
  };
}

/** Without it Deno starts, and keeps nothing: an error only for who has asked for modules from the web. */
function makeCache(folder: string, { mode }: Policy): void {
  try {
    mkdirSync(folder, { recursive: true });
  } catch (cause) {
    if (mode === "default") {
      return;
    }
    throw new InvalidOptionError(
      `createPool: "permission.allowImport" has Deno keep modules from the web in ${folder}, which can't be made: ${(cause as Error).message}. worker.env.DENO_DIR names another folder`,
      { cause },
    );
  }
}

function everything(grant: Grant): readonly string[] {
  return grant === true ? ["/"] : grant;
}

/** Those that are what they say. Each other one has its own beside it. */
function canonical(paths: readonly string[]): string[] {
  return unique(paths.filter((path) => realOrFuture(path) === path));
}

/** What it takes to start the programs of `run`, and those that may not be started among what does. */
function programsOf(
  { run, denyRun }: Policy,
  worker: ResolvedWorker,
): ProgramNeeds & { denied: readonly string[] } {
  const folders = searched(worker);
  const denied = denyRun.flatMap((program) => findPrograms(program, [...folders, ...PROGRAM_FOLDERS]));
  if (run === true) {
    const execute = unique([...folders, ...PROGRAM_TREES].flatMap((folder) => real(folder) ?? []));
    return { read: [], execute, devices: [], denied };
  }
  const programs = run.map((program, index) => {
    const [path] = findPrograms(program, folders);
    if (path === undefined) {
      throw new InvalidOptionError(
        `createPool: "permission.run[${index}]" is ${describe(program)}, it must be a program on PATH or the path of one`,
      );
    }
    return path;
  });
  const needs = programs.filter((path) => !denied.includes(path)).map((path) => native().programNeeds(path));
  return {
    read: needs.flatMap(({ read }) => read),
    execute: needs.flatMap(({ execute }) => execute),
    devices: needs.flatMap(({ devices }) => devices),
    denied: [],
  };
}

/** Where the workers look for a program. */
function searched(worker: ResolvedWorker): string[] {
  const { PATH = process.env.PATH ?? "" } = Object.fromEntries(workerEnvironment(worker));
  const { cwd = process.cwd() } = worker;
  return PATH.split(delimiter).map((folder) => resolve(cwd, folder));
}

/** What a program really is: each of its name in these folders, or the one at its path. */
function findPrograms(program: string, folders: readonly string[]): string[] {
  const paths = program.includes("/") ? [program] : folders.map((folder) => resolve(folder, program));
  return unique(paths.filter(isProgram).flatMap((path) => real(path) ?? []));
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}
