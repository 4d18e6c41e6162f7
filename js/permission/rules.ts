/** The rules of a policy, and who enforces each for the workers of a pool. */
import type { KernelLayer } from "../native/addon";
import type { ResolvedWorker } from "../runtime/resolve-options";
import { limitsNetwork, type NodeVersion } from "./node-flags";
import { isWithin, real } from "./paths";
import { type Grant, isNothing, type Policy } from "./policy";
import { keepsFromNetwork } from "./sandbox-spec";

/** Who enforces a rule. */
export type Enforcer = "kernel" | "runtime" | "host" | "wrapper";

/** A rule of a pool's policy. */
export interface PermissionRule {
  /** The field of the option `permission`. */
  readonly rule:
    | "read"
    | "write"
    | "denyRead"
    | "denyWrite"
    | "net"
    | "denyNet"
    | "allowImport"
    | "env"
    | "run"
    | "denyRun"
    | "console";
  /** What is granted, or by a rule that denies, denied: paths, hosts, names. `false` and `[]` grant nothing. */
  readonly value: boolean | readonly string[];
  /**
   * `"kernel"`: for whatever code there is in the worker. `"runtime"`: by flags of Node or Deno, a guardrail for what goes by
   * their own modules. `"host"`: by what the worker is started with. `"wrapper"`: by `worker.processCommandPrefix`, as far as
   * that does. Empty: nobody does.
   */
  readonly enforcedBy: readonly Enforcer[];
  /** Why nobody does, or what is left open. */
  readonly note?: string;
}

/** Who there is to enforce rules. */
export interface Guards {
  readonly runtime: ResolvedWorker["runtime"];
  /** Of Node, if it has got flags. */
  readonly node: NodeVersion | undefined;
  /** Whether Deno has got flags. */
  readonly deno: boolean;
  /** What the kernel does not enforce, and why; undefined where it is not asked. */
  readonly kernel: ReadonlyMap<KernelLayer, string> | undefined;
  /** Why it is not asked. */
  readonly withoutKernel: string;
  readonly wrapped: boolean;
  /** Names of the workers' variables; undefined: all of the host's. */
  readonly environment: readonly string[] | undefined;
  /** What can be read beside what the policy grants. */
  readonly needs: readonly string[];
}

type Rule = PermissionRule["rule"];
/** Whether somebody enforces a rule: yes, or why not. */
type Answer = true | string;

/** The rules that restrict something. */
export function rulesOf(policy: Policy, guards: Guards): PermissionRule[] {
  const rules: PermissionRule[] = [];
  const add = (rule: Rule, value: PermissionRule["value"], runtime: Answer, kernel: Answer, note?: string) =>
    rules.push(judge(rule, value, runtime, kernel, guards, note));
  const { read, write, net, allowImport, run } = policy;
  if (read !== true) {
    add("read", read, ofPaths(guards), ofKernel(guards, "files"));
  }
  if (write !== true) {
    add("write", write, ofPaths(guards), ofKernel(guards, "files", "metadata"));
  }
  for (const [rule, denied, granted] of [
    ["denyRead", policy.denyRead, read === true ? true : [...read, ...guards.needs]],
    ["denyWrite", policy.denyWrite, write],
  ] as const) {
    const inside = denied.filter((path) => isGranted(path, granted));
    const outside = denied.filter((path) => !inside.includes(path));
    const future = inside.filter((path) => real(path) === undefined);
    const present = inside.filter((path) => !future.includes(path));
    if (outside.length > 0) {
      add(rule, outside, ofPaths(guards), ofKernel(guards, "files"));
    }
    if (present.length > 0) {
      add(rule, present, ofDenials(guards), ofKernel(guards, "masks"));
    }
    if (future.length > 0) {
      add(rule, future, ofDenials(guards), ofKernel(guards, "masks"), LATER);
    }
  }
  if (net !== true) {
    add("net", net, ofNetwork(policy, guards), ofKernelNetwork(policy, guards));
  }
  if (policy.denyNet.length > 0 && !isNothing(net)) {
    add("denyNet", policy.denyNet, ofDenoAlone(guards), HOSTS);
  }
  if (allowImport !== true) {
    add("allowImport", allowImport, ofImports(guards), NO_MODULES);
  }
  if (run !== true) {
    const note = guards.kernel?.has("signals") && !isNothing(run) ? SIGNALS : undefined;
    add("run", run, ofPrograms(run, guards), ofKernel(guards, "files", "syscalls"), note);
  }
  if (policy.denyRun.length > 0 && !isNothing(run)) {
    const layer = run === true ? "masks" : "files";
    add("denyRun", policy.denyRun, ofDenoAlone(guards), ofKernel(guards, layer));
  }
  if (guards.environment !== undefined) {
    rules.push({ rule: "env", value: guards.environment, enforcedBy: ["host"] });
  }
  if (!policy.console) {
    rules.push({ rule: "console", value: false, enforcedBy: ["host"] });
  }
  return rules;
}

const HOSTS = "the kernel knows no names of hosts";
const NO_MODULES = "the kernel knows no modules";
const SIGNALS =
  "a program may send signals to any process of the user: the kernel keeps them in since Linux 6.12";
const LATER =
  "not there yet: by the kernel it is denied to workers that start when it is, and a worker may create it where it may write";

function judge(
  rule: Rule,
  value: PermissionRule["value"],
  runtime: Answer,
  kernel: Answer,
  { wrapped }: Guards,
  note: string | undefined,
): PermissionRule {
  const enforcers: [Enforcer, Answer][] = [
    ["kernel", kernel],
    ["runtime", runtime],
    ["wrapper", wrapped ? true : ""],
  ];
  const enforcedBy = enforcers.flatMap(([enforcer, answer]) => (answer === true ? [enforcer] : []));
  const reasons = [runtime, kernel].filter((answer) => typeof answer === "string");
  const told = enforcedBy.length === 0 ? reasons.join("; ") : note;
  return { rule, value, enforcedBy, ...(told === undefined ? {} : { note: told }) };
}

function isGranted(path: string, grant: Grant): boolean {
  return grant === true || grant.some((tree) => isWithin(path, tree));
}

function ofKernel({ kernel, withoutKernel }: Guards, ...layers: KernelLayer[]): Answer {
  if (kernel === undefined) {
    return withoutKernel;
  }
  const reasons = layers.flatMap((layer) => kernel.get(layer) ?? []);
  return reasons.length === 0 ? true : reasons.join("; ");
}

function ofKernelNetwork(policy: Policy, guards: Guards): Answer {
  if (!isNothing(policy.net)) {
    return HOSTS;
  }
  return keepsFromNetwork(policy, guards.runtime)
    ? ofKernel(guards, "syscalls")
    : "Deno needs the network for what allowImport allows";
}

/** Trees of files, and what is outside of them. */
function ofPaths({ node, deno, runtime }: Guards): Answer {
  return node !== undefined || deno ? true : noFlags(runtime);
}

/** Files inside of trees that are granted. */
function ofDenials({ deno, runtime }: Guards): Answer {
  return deno
    ? true
    : runtime === "bun"
      ? noFlags(runtime)
      : "Node's flags can't deny what is inside a folder that they allow";
}

/**
 * Whether Deno gets no word of the network that its tasks don't have: where that keeps a server from listening it throws what
 * nobody can catch, unless the worker sees to it (`worker/denied-sockets.ts`). From the kernel it takes an error.
 */
export function leavesNetworkToKernel(policy: Policy, guards: Guards): boolean {
  return guards.runtime === "deno" && ofKernelNetwork(policy, guards) === true;
}

function ofNetwork(policy: Policy, guards: Guards): Answer {
  const { net } = policy;
  const { node, deno, runtime } = guards;
  if (deno) {
    return leavesNetworkToKernel(policy, guards) ? "the kernel does" : true;
  }
  if (node === undefined) {
    return noFlags(runtime);
  }
  if (!isNothing(net)) {
    return "Node has no lists of hosts";
  }
  return limitsNetwork(node) ? true : `Node ${node.major} has no flag for the network, 25 and later do`;
}

function ofDenoAlone({ deno, runtime }: Guards): Answer {
  return deno ? true : runtime === "bun" ? noFlags(runtime) : "Node has no such flag";
}

/** Node and Bun import nothing from the web. */
function ofImports({ deno, runtime }: Guards): Answer {
  return deno || runtime !== "deno" ? true : noFlags(runtime);
}

function ofPrograms(run: Grant, { node, deno, runtime }: Guards): Answer {
  if (deno) {
    return true;
  }
  if (node === undefined) {
    return noFlags(runtime);
  }
  return isNothing(run) ? true : "Node allows any program or none";
}

function noFlags(runtime: Guards["runtime"]): string {
  return runtime === "bun" ? "Bun has no flags for permissions" : "the runtime got no flags";
}
