/**
 * A policy as the kernel is to enforce it: what the launcher reads (`src/sandbox`). All paths are absolute and without symbolic
 * links: the launcher follows none, so that nobody can lead it elsewhere.
 */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { InvalidOptionError } from "../base/errors";
import { type KernelLayer, native, type ProgramNeeds, type SandboxProbe } from "../native/addon";
import { launcherPath } from "../native/platform";
import { denoCacheFolder } from "../runtime/deno";
import type { ResolvedWorker } from "../runtime/options";
import type { TaskFolders } from "./needs";
import { isWithin, real, realOrFuture, unique } from "./paths";
import { type Grant, isNothing, type Policy } from "./policy";
import { runtimeNeeds } from "./program-needs";
import { programsOf } from "./programs";

/** What the launcher reads; each field is explained in `src/sandbox`. */
export interface SandboxSpec {
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

/** Its entries are others for each process; the whole of it is denied or granted. */
const PROCESSES = "/proc";

let probed: SandboxProbe | undefined;

/** What of a sandbox this kernel can't enforce, and why not. */
export function missingLayers(sandbox: SandboxSpec): ReadonlyMap<KernelLayer, string> {
  probed ??= native().probeSandbox(launcherPath());
  const missing = native().sandboxMissing(JSON.stringify(sandbox), probed);
  return new Map(missing.map(({ layer, reason }) => [layer, reason]));
}

/** Whether the kernel can be told of the network: in Deno what fetches modules does not tell itself from the tasks. */
export function keepsFromNetwork({ net, allowImport }: Policy, runtime: ResolvedWorker["runtime"]): boolean {
  return isNothing(net) && (runtime !== "deno" || isNothing(allowImport));
}

/** A sandbox, with what of it is neither the policy's nor the tasks'. */
export interface KernelPlan {
  readonly sandbox: SandboxSpec;
  readonly runtime: ProgramNeeds;
  readonly programs: ProgramNeeds;
  /** Of the runtime too. */
  readonly cache: Pick<SandboxSpec, "read" | "write">;
}

interface DenoCache extends Pick<SandboxSpec, "read" | "write"> {
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
  const runtime = runtimeNeeds(executable, online);
  const programs = programsOf(policy, worker);
  const cache = denoCache(worker, policy);
  const denied = canonical([...policy.denyRead, ...tasks.denied, ...cache.private]).filter(
    (path) => path === PROCESSES || !isWithin(path, PROCESSES),
  );
  const sandbox: SandboxSpec = {
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
