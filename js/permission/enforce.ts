/**
 * Decides, before anything is spawned, how a pool's policy is enforced: by the flags of the runtime, by the sandbox of
 * the kernel, and by what the worker is started with. Also builds the table that shows it.
 *
 * ```text
 *   host      what the worker is started with: its environment (runtime/environment.ts), where its output goes
 *   runtime   Node's permission model, Deno's flags (node-flags.ts, deno-flags.ts): a guardrail
 *   kernel    namespaces, Landlock, seccomp, by the launcher (sandbox-spec.ts, src/sandbox): process workers alone
 *   wrapper   worker.processCommandPrefix, whatever it does
 * ```
 *
 * No rule is ignored in silence: a rule that can't be enforced is an error, or a warning for a thread, which has no
 * better enforcer.
 */
import { execFileSync } from "node:child_process";
import { isAbsolute } from "node:path";
import { InvalidOptionError } from "../base/errors";
import { describe } from "../base/validate";
import type { KernelLayer, ProgramNeeds } from "../native/addon";
import { workerEntry } from "../native/package";
import { addonPath } from "../native/platform";
import { bunPackagePath } from "../runtime/bun";
import { denoCacheFolder } from "../runtime/deno";
import { environmentOf, isUnrestricted } from "../runtime/environment";
import { isElsewhere } from "../runtime/executable";
import type { ResolvedWorker } from "../runtime/options";
import { BOOT_VARIABLES, type Program } from "../task/program";
import { BUN_PERMISSIONS } from "./bun-flags";
import { canTellDeno, configurationFlags, denoPermissions } from "./deno-flags";
import { modulesOf, ownFolders, type PermissionNeed, refuseNotImportable, taskFolders } from "./needs";
import { canTellNode, letsAddonsIn, type NodeVersion, nodePermissions, nodeVersion } from "./node-flags";
import { home, isWithin, real, unique } from "./paths";
import { isNothing, type Policy } from "./policy";
import { report, reportDefault, reportRoot } from "./report";
import { type Enforcers, leavesNetworkToKernel, type PermissionRule, rulesOf } from "./rules";
import { type KernelPlan, kernelPlan, lookAheadFor, missingLayers } from "./sandbox-spec";

/** The rules that restrict a pool's workers, and their enforcers. */
export interface PoolPermissions {
  /**
   * `"strict"`: everything that is not granted is denied. `"unsafe"`: nothing is restricted. `"default"`: the option
   * `permission` was left out; rules of the strict profile that can't be enforced are only listed in `rules`.
   */
  readonly mode: "default" | "strict" | "unsafe";
  /** The rules that restrict something, and the enforcers of each. */
  readonly rules: readonly PermissionRule[];
  /** Files that the workers can read or execute in addition, because they could not run without them. */
  readonly needs: readonly PermissionNeed[];
}

/** How a pool's policy is enforced. */
export interface Enforcement {
  /** The runtime's flags. `undefined`: none, the runtime is not restricted. */
  readonly flags: readonly string[] | undefined;
  /** The sandbox spec for the launcher, as JSON. */
  readonly sandbox: string | undefined;
  /** Environment variables in addition to the worker's own. */
  readonly variables: Readonly<Record<string, string>>;
  /** The value of `pool.permissions`. */
  readonly permissions: PoolPermissions;
}

/** Begins to look up what `enforce` will need to know, so that it waits for less. */
export function prepareToEnforce({ mode, kernel }: Policy, worker: ResolvedWorker, executable: string): void {
  const isAsked = worker.runtime !== "thread" && (kernel ?? worker.prefix === undefined);
  if (mode !== "unsafe" && isAsked && isAbsolute(executable)) {
    lookAheadFor(executable);
  }
}

/** The home folder, for workers that the kernel may keep from looking it up. */
export function homeFor({ mode }: Policy, worker: ResolvedWorker): string | undefined {
  const isHere = worker.runtime !== "thread" && !isElsewhere(worker);
  return mode !== "unsafe" && isHere ? home() : undefined;
}

/** Decides. Throws `PermissionUnsupportedError` or warns of what nobody enforces. */
export function enforce(
  policy: Policy,
  worker: ResolvedWorker,
  executable: string,
  program: Program,
): Enforcement {
  const { mode } = policy;
  if (mode === "unsafe") {
    return unrestricted(policy, worker);
  }
  refuseFlags(worker, mode);
  const { runtime } = worker;
  const own = ownFolders();
  const modules = modulesOf(program);
  const folders = taskFolders(modules, policy);
  const ofTasks = [...folders.roots, ...folders.packages, ...folders.manifests];
  const needs = [...own, ...ofTasks];
  const readable = executable === "" ? needs : unique([...needs, executable]);
  const kernel = asksKernel(policy, worker, executable)
    ? kernelPlan(policy, worker, executable, own, folders)
    : undefined;
  // Before the rest, which takes longer.
  refuseTooLong(kernel === undefined ? [] : [JSON.stringify(kernel.sandbox)]);
  // A container has its own file system and runtime, unless the user says that they are the same.
  const isHere = kernel !== undefined || !isElsewhere(worker);
  const isWrapped = worker.prefix !== undefined;
  // A wrapper may run its command under another kernel, which can't be asked from here. There the launcher reports what
  // is missing.
  const missing: ReadonlyMap<KernelLayer, string> =
    kernel === undefined || isWrapped ? new Map() : missingLayers(kernel.sandbox);
  if (kernel !== undefined && runtime !== "thread" && !missing.has("files")) {
    refuseNotImportable(modules, policy, folders, runtime);
  }
  const effective = { ...policy, denyRead: unique([...policy.denyRead, ...folders.denied]) };
  // In the default mode a runtime whose flags can't express one of the folders gets no flags.
  const isTold = (can: (path: string) => boolean): boolean =>
    isHere && (mode !== "default" || [...pathsOf(effective), ...readable].every(can));
  const node = runsNode(runtime) && isTold(canTellNode) ? versionOf(runtime, executable) : undefined;
  const isDeno = runtime === "deno" && isTold(canTellDeno);
  const variables = kernel === undefined ? {} : toldBy(policy, worker, [...own, ...folders.packages]);
  const enforcers: Enforcers = {
    runtime,
    node,
    deno: isDeno,
    kernel: kernel && missing,
    withoutKernel: whyNoKernel(policy, worker),
    wrapped: isWrapped,
    environment: isUnrestricted(worker) ? undefined : [...environmentOf(worker, variables).keys()],
    needs: unique([
      ...readable,
      ...kernelNeeds(kernel).flatMap(({ path, access }) => (access === "list" ? [] : path)),
    ]),
  };
  if (isHere) {
    reportRoot(policy, worker);
  }
  const rules = rulesOf(effective, enforcers);
  const unsupported = rules.filter(({ enforcedBy }) => enforcedBy.length === 0);
  if (unsupported.length > 0) {
    mode === "default" ? reportDefault(worker, unsupported) : report(policy, worker, unsupported);
  }
  let flags: string[] | undefined;
  if (node !== undefined) {
    flags = nodePermissions(effective, node, readable, kernel !== undefined);
  } else if (isDeno) {
    const libraries = kernel === undefined ? [] : [...folders.roots, ...folders.packages];
    const net = leavesNetworkToKernel(policy, enforcers) ? true : policy.net;
    flags = denoPermissions({ ...effective, net }, readable, [addonPath(), ...libraries]);
    if (kernel !== undefined) {
      flags.push(...configurationFlags(workerEntry, worker, canRead(effective, readable)));
    }
  } else if (runtime === "bun") {
    flags = BUN_PERMISSIONS;
  }
  refuseTooLong(flags ?? []);
  const permissions: PoolPermissions = {
    mode,
    rules,
    needs: [
      ...own.map((path): PermissionNeed => ({ path, access: "read", for: "knitting-native" })),
      ...ofTasks.map((path): PermissionNeed => ({ path, access: "read", for: "tasks" })),
      ...kernelNeeds(kernel),
    ],
  };
  return {
    flags,
    // A missing layer that did not lead to an error is enforced by others, or the user has been warned.
    sandbox: kernel && JSON.stringify({ ...kernel.sandbox, optional: [...missing.keys()] }),
    variables,
    permissions,
  };
}

/**
 * The environment variables that tell a runtime what the kernel keeps it from finding out. `folders` are the ones that
 * the runtime may read.
 */
function toldBy(
  { allowImport }: Policy,
  worker: ResolvedWorker,
  folders: readonly string[],
): Readonly<Record<string, string>> {
  switch (worker.runtime) {
    case "deno":
      // Deno does not start if it can't find a cache folder.
      return { DENO_DIR: denoCacheFolder(worker, !isNothing(allowImport)) };
    case "bun":
      return { NODE_PATH: bunPackagePath(worker, folders) };
    default:
      return {};
  }
}

/** The enforcement of an unsafe policy. It has no restrictions, but the output may still be muted. */
function unrestricted(policy: Policy, { runtime }: ResolvedWorker): Enforcement {
  const none = { node: undefined, deno: false, kernel: undefined, wrapped: false, environment: undefined };
  const rules = rulesOf(policy, { ...none, runtime, withoutKernel: "", needs: [] });
  return {
    flags: undefined,
    sandbox: undefined,
    variables: {},
    permissions: { mode: policy.mode, rules, needs: [] },
  };
}

function pathsOf({ read, write, denyRead, denyWrite }: Policy): string[] {
  return [read, write, denyRead, denyWrite].flatMap((paths) => (paths === true ? [] : paths));
}

/** Whether the kernel lets a worker read a path. Files in `needs` can be read in addition. */
function canRead({ read, denyRead }: Policy, needs: readonly string[]): (path: string) => boolean {
  const granted = read === true ? ["/"] : [...read, ...needs];
  return (path) => {
    const target = real(path) ?? path;
    return (
      granted.some((tree) => isWithin(target, tree)) && !denyRead.some((denied) => isWithin(target, denied))
    );
  };
}

function runsNode(runtime: ResolvedWorker["runtime"]): boolean {
  return runtime === "thread" || runtime === "node";
}

function asksKernel(policy: Policy, worker: ResolvedWorker, executable: string): boolean {
  if (worker.runtime === "thread" || !(policy.kernel ?? worker.prefix === undefined)) {
    return false;
  }
  if (!isAbsolute(executable)) {
    throw new InvalidOptionError(
      `createPool: "permission.kernel" is true, and the runtime ${describe(executable)} is looked up ` +
        "inside the wrapper: what it needs is not known here. Say where it is by an absolute " +
        "worker.processRuntimePath, the same inside and outside",
    );
  }
  return true;
}

/** Empty for a thread, which the kernel can't tell from its process anyway. */
function whyNoKernel({ kernel }: Policy, { runtime }: ResolvedWorker): string {
  if (runtime === "thread") {
    return "";
  }
  return kernel === false ? '"permission.kernel" is false' : "the kernel is left to the wrapper";
}

function kernelNeeds(plan: KernelPlan | undefined): PermissionNeed[] {
  const entries = (needs: ProgramNeeds, owner: "runtime" | "run"): PermissionNeed[] => [
    ...needs.read.map((path): PermissionNeed => ({ path, access: "read", for: owner })),
    ...needs.execute.map((path): PermissionNeed => ({ path, access: "execute", for: owner })),
    ...needs.devices.map((path): PermissionNeed => ({ path, access: "write", for: owner })),
  ];
  return plan === undefined
    ? []
    : [
        ...entries(plan.runtime, "runtime"),
        ...entries(plan.programs, "run"),
        ...plan.sandbox.list.map((path): PermissionNeed => ({ path, access: "list", for: "tasks" })),
        ...plan.cache.read.map((path): PermissionNeed => ({ path, access: "read", for: "runtime" })),
        ...plan.cache.write.map((path): PermissionNeed => ({ path, access: "write", for: "runtime" })),
      ];
}

/** What Linux allows a single argument of a command to have. */
const MAX_ARGUMENT_BYTES = 128 * 1024;
/** What the launcher's argument has in addition, such as the path of a worker's memory. */
const RESERVED_BYTES = 1024;

/** A policy reaches the launcher as one argument, and Deno has one flag for each list. */
function refuseTooLong(argv: readonly string[]): void {
  const most = MAX_ARGUMENT_BYTES - RESERVED_BYTES;
  const longest = argv.find((argument) => Buffer.byteLength(argument) > most);
  if (longest !== undefined) {
    throw new InvalidOptionError(
      `createPool: the lists of "permission" have ${Buffer.byteLength(longest)} bytes, and Linux allows ${most} for ` +
        "them. Name folders instead of the files in them",
    );
  }
}

/** Flags that the policy sets itself, or that would contradict it. */
const PERMISSION_FLAGS = /^--(allow-|deny-|ignore-|permission|no-permission|experimental-permission)/;
/** The same in Deno's short form, where several letters can stand together, followed by a value. */
const SHORT_FLAGS = /^-[a-zA-Z]*[ARWNESIP]/;
const VARIABLE_FLAGS = /^--env(-file|=|$)/;

function refuseFlags({ runtime, execArgv = [] }: ResolvedWorker, mode: Policy["mode"]): void {
  for (const [index, flag] of execArgv.entries()) {
    const what = `createPool: "workerExecArgv[${index}]" is ${describe(flag)}, and the option`;
    if (PERMISSION_FLAGS.test(flag) || (runtime === "deno" && SHORT_FLAGS.test(flag))) {
      throw new InvalidOptionError(
        `${what} "permission" gives the runtime its permissions; permission: "unsafe" leaves them to such flags`,
      );
    }
    if (VARIABLE_FLAGS.test(flag) && mode === "strict") {
      throw new InvalidOptionError(
        `${what} "permission" says which variables there are. permission.env.files takes files of them`,
      );
    }
  }
}

/** The versions of other executables, and under "" that of this one. */
const versions = new Map<string, NodeVersion>();
const VERSION_MILLIS = 10_000;

/**
 * The version of the Node that runs the workers, if its flags are of use. An executable other than this process's is
 * asked once.
 */
function versionOf(runtime: ResolvedWorker["runtime"], executable: string): NodeVersion | undefined {
  const isThis = runtime === "thread" || executable === process.execPath;
  const key = isThis ? "" : executable;
  const version = versions.get(key) ?? (isThis ? nodeVersion(process.version) : askVersion(executable));
  versions.set(key, version);
  return letsAddonsIn(version) ? version : undefined;
}

function askVersion(executable: string): NodeVersion {
  try {
    // A program that is no Node may create pools. With these variables it ends there, before it asks in its turn.
    const env = { ...process.env, ...Object.fromEntries(BOOT_VARIABLES.map((name) => [name, ""])) };
    const options = { encoding: "utf8", timeout: VERSION_MILLIS, stdio: "pipe", env } as const;
    return nodeVersion(execFileSync(executable, ["--version"], options));
  } catch (cause) {
    throw new InvalidOptionError(
      `createPool: ${describe(executable)} is to run the workers, and does not tell Node's version, on ` +
        `which its flags for "permission" depend: ${(cause as Error).message}`,
      { cause },
    );
  }
}
