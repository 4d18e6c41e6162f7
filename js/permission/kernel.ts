/**
 * A policy as the kernel is to enforce it: what the launcher reads (`src/sandbox`). All paths are absolute and without symbolic
 * links: the launcher follows none, so that nobody can lead it elsewhere.
 */
import { accessSync, constants, mkdirSync, statSync } from "node:fs";
import { delimiter, join, resolve } from "node:path";
import { InvalidOptionError } from "../errors";
import { type KernelLayer, native, type ProgramNeeds, type SandboxProbe } from "../native";
import { LAUNCHER, nativePath } from "../platform";
import { describe } from "../validate";
import type { ResolvedWorker } from "../worker-options";
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
const PROGRAM_FOLDERS = ["/usr", "/bin", "/sbin", "/lib", "/lib64", "/opt"];
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
  const programs = programsOf(policy);
  const denied = canonical([...policy.denyRead, ...tasks.denied]).filter(
    (path) => path === PROCESSES || !isWithin(path, PROCESSES),
  );
  const cache = denoCache(worker, policy);
  const sandbox: Sandbox = {
    read: canonical([...everything(policy.read), ...tasks.roots, ...tasks.packages, ...cache.read]),
    write: canonical([...everything(policy.write), ...cache.write]),
    execute: unique([...runtime.execute, ...programs.execute]),
    needs: unique([...runtime.read, ...programs.read, ...canonical(own)]),
    devices: unique([...runtime.devices, ...programs.devices]),
    denyRead: unique([...denied, ...programs.denied]),
    denyWrite: canonical(policy.denyWrite).filter((path) => !isWithin(path, PROCESSES)),
    net: online,
    unix: policy.net === true && policy.write === true,
    run: !isNothing(policy.run),
    optional: [],
  };
  return { sandbox, runtime, programs, cache };
}

/**
 * Deno's cache, of modules and of what it has compiled: without it each start compiles anew. Where modules from the web are
 * allowed it is one of our own, and is written. Deno's own flags keep the tasks from there.
 */
function denoCache({ runtime }: ResolvedWorker, policy: Policy): Pick<Sandbox, "read" | "write"> {
  const folder = denoFolder(policy);
  const isFetching = runtime === "deno" && !isNothing(policy.allowImport);
  if (isFetching) {
    mkdirSync(folder, { recursive: true });
  }
  const found = runtime === "deno" ? real(folder) : undefined;
  const cache = found === undefined ? [] : [found];
  return { read: cache, write: isFetching ? cache : [] };
}

function everything(grant: Grant): readonly string[] {
  return grant === true ? ["/"] : grant;
}

/** Those that are what they say. Each other one has its own beside it. */
function canonical(paths: readonly string[]): string[] {
  return unique(paths.filter((path) => realOrFuture(path) === path));
}

/** What it takes to start the programs of `run`, and those that may not be started among what does. */
function programsOf({ run, denyRun }: Policy): ProgramNeeds & { denied: readonly string[] } {
  const denied = denyRun.flatMap((program) => findProgram(program) ?? []);
  if (run === true) {
    const folders = [...(process.env.PATH?.split(delimiter) ?? []), ...PROGRAM_FOLDERS];
    const execute = unique(folders.flatMap((folder) => real(folder) ?? []));
    return { read: [], execute, devices: [], denied };
  }
  const programs = run.map((program, index) => {
    const path = findProgram(program);
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

/** Where a program really is. */
function findProgram(program: string): string | undefined {
  const folders = process.env.PATH?.split(delimiter) ?? [];
  const paths = program.includes("/") ? [resolve(program)] : folders.map((folder) => join(folder, program));
  const found = paths.find(isProgram);
  return found === undefined ? undefined : real(found);
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}
