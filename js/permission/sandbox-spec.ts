/**
 * The sandbox spec: a policy as the kernel enforces it, in the form that the launcher reads (`src/sandbox`). All paths
 * are absolute and without symbolic links. The launcher follows no links, so that nobody can redirect it.
 */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { InvalidOptionError } from "../base/errors";
import { type KernelLayer, native, type ProgramNeeds, type SandboxProbe } from "../native/addon";
import { launcherPath } from "../native/platform";
import { denoCacheFolder } from "../runtime/deno";
import type { ResolvedWorker } from "../runtime/options";
import { foldersOfPackages, type TaskFolders } from "./needs";
import { isWithin, real, realOrFuture, unique } from "./paths";
import { type Grant, isNothing, type Policy } from "./policy";
import { lookAhead, runtimeNeeds } from "./program-needs";
import { programsOf } from "./programs";

/** The spec that the launcher reads. Each field is explained in `src/sandbox`. */
export interface SandboxSpec {
  readonly read: readonly string[];
  readonly list: readonly string[];
  readonly write: readonly string[];
  readonly execute: readonly string[];
  readonly needs: readonly string[];
  readonly devices: readonly string[];
  readonly names: readonly string[];
  readonly denyRead: readonly string[];
  readonly denyWrite: readonly string[];
  readonly net: boolean;
  readonly unix: boolean;
  readonly run: boolean;
  readonly optional: readonly KernelLayer[];
}

/** The entries of this folder differ for each process, so it is denied or granted as a whole. */
const PROCESSES = "/proc";

let probed: SandboxProbe | undefined;

/** Begins to look up what a sandbox for a worker on `executable` will be made of. */
export function lookAheadFor(executable: string): void {
  lookAhead(executable, probed === undefined ? launcherPath() : undefined);
}

/** What of a sandbox this kernel can't enforce, and why not. */
export function missingLayers(sandbox: SandboxSpec): ReadonlyMap<KernelLayer, string> {
  probed ??= native().probeSandbox(launcherPath());
  const missing = native().sandboxMissing(JSON.stringify(sandbox), probed);
  return new Map(missing.map(({ layer, reason }) => [layer, reason]));
}

/**
 * Whether the kernel can deny the network. In Deno it can't if modules are fetched, because the kernel can't tell that
 * from what the tasks do.
 */
export function keepsFromNetwork({ net, allowImport }: Policy, runtime: ResolvedWorker["runtime"]): boolean {
  return isNothing(net) && (runtime !== "deno" || isNothing(allowImport));
}

/** A sandbox spec, and the parts of it that come neither from the policy nor from the tasks. */
export interface KernelPlan {
  readonly sandbox: SandboxSpec;
  readonly runtime: ProgramNeeds;
  readonly programs: ProgramNeeds;
  /** These are needs of the runtime too. */
  readonly cache: Pick<SandboxSpec, "read" | "write">;
}

interface DenoCache extends Pick<SandboxSpec, "read" | "write"> {
  /** The files in the cache that are denied. */
  readonly private: readonly string[];
}

/** The sandbox that the launcher sets up for a worker on `executable`. */
export function kernelPlan(
  policy: Policy,
  worker: ResolvedWorker,
  executable: string,
  own: readonly string[],
  tasks: TaskFolders,
): KernelPlan {
  const online = !keepsFromNetwork(policy, worker.runtime);
  const runtime = runtimeNeeds(executable, online);
  const programs = programsOf(policy, worker);
  const cache = denoCache(worker, policy);
  const denied = canonical([...policy.denyRead, ...tasks.denied, ...cache.private]).filter(
    (path) => path === PROCESSES || !isWithin(path, PROCESSES),
  );
  const ofTasks = [...tasks.roots, ...tasks.packages, ...tasks.manifests];
  const read = canonical([...everything(policy.read), ...ofTasks, ...cache.read]);
  const write = canonical([...everything(policy.write), ...cache.write]);
  const parents = worker.runtime === "bun" ? canonical(foldersOfPackages(tasks)) : [];
  const sandbox: SandboxSpec = {
    read,
    list: parents.filter((folder) => ![...read, ...write].some((granted) => isWithin(folder, granted))),
    write,
    execute: unique([...runtime.execute, ...programs.execute]),
    needs: unique([...runtime.read, ...programs.read, ...canonical(own)]),
    devices: unique([...runtime.devices, ...programs.devices]),
    names: unique([...runtime.names, ...programs.names]),
    denyRead: unique([...denied, ...programs.denied]),
    denyWrite: canonical(policy.denyWrite).filter((path) => !isWithin(path, PROCESSES)),
    net: online,
    unix: grantsEverything(policy),
    run: !isNothing(policy.run),
    optional: [],
  };
  return { sandbox, runtime, programs, cache };
}

/**
 * Through a UNIX socket a service such as D-Bus or Docker does anything for its user, whatever else is denied here.
 * Only a policy that grants everything allows these sockets.
 */
function grantsEverything({ read, write, net, run }: Policy): boolean {
  return [read, write, net, run].every((grant) => grant === true);
}

/**
 * Private files of other programs in Deno's cache: lines typed at its prompt, and what web pages would store in a
 * browser.
 */
const DENO_PRIVATE = ["deno_history.txt", "location_data"];

/**
 * Deno's cache of modules and of compiled code, without which each start compiles anew. If modules from the web are
 * allowed, the workers get a separate cache folder that they may write. Deno's own flags keep the tasks out of it.
 */
function denoCache(worker: ResolvedWorker, policy: Policy): DenoCache {
  if (worker.runtime !== "deno") {
    return { read: [], write: [], private: [] };
  }
  const isFetching = !isNothing(policy.allowImport);
  const folder = denoCacheFolder(worker, isFetching);
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

/**
 * Without the folder Deno starts and caches nothing, so a failure is an error only for a user who has asked for modules
 * from the web.
 */
function makeCache(folder: string, { mode }: Policy): void {
  try {
    mkdirSync(folder, { recursive: true });
  } catch (cause) {
    if (mode === "default") {
      return;
    }
    throw new InvalidOptionError(
      `createPool: "permission.allowImport" has Deno keep modules from the web in ${folder}, which ` +
        `can't be made: ${(cause as Error).message}. worker.env.DENO_DIR names another folder`,
      { cause },
    );
  }
}

function everything(grant: Grant): readonly string[] {
  return grant === true ? ["/"] : grant;
}

/** The paths that contain no symbolic links. For each other path the list also has the one with its links resolved. */
function canonical(paths: readonly string[]): string[] {
  return unique(paths.filter((path) => realOrFuture(path) === path));
}
