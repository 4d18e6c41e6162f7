/** The rules of a policy, and the enforcers of each rule for the workers of a pool. */
import type { KernelLayer } from "../native/addon";
import type { ResolvedWorker } from "../runtime/options";
import { limitsNetwork, type NodeVersion } from "./node-flags";
import { real, Trees } from "./paths";
import { type Grant, isNothing, type Policy } from "./policy";
import { keepsFromNetwork } from "./sandbox-spec";

/** Something that can enforce a rule. */
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
  /**
   * What the rule grants; for a rule that denies, what it denies: paths, hosts or names. `false` and `[]` grant
   * nothing.
   */
  readonly value: boolean | readonly string[];
  /**
   * The enforcers of the rule; empty if there are none.
   *
   * - `"kernel"`: holds for any code in the worker.
   * - `"runtime"`: by flags of Node or Deno, a guardrail for code that uses the runtime's own modules.
   * - `"host"`: by what the worker process is started without, where somebody keeps it from this process in `/proc`.
   * - `"wrapper"`: by `worker.processCommandPrefix`, as far as that wrapper restricts anything.
   */
  readonly enforcedBy: readonly Enforcer[];
  /** Why the rule has no enforcer, or what it leaves open. */
  readonly note?: string;
}

/** The enforcers that are available for a pool's workers. */
export interface Enforcers {
  readonly runtime: ResolvedWorker["runtime"];
  /** Version of Node, if its workers get flags. */
  readonly node: NodeVersion | undefined;
  /** Whether Deno gets flags. */
  readonly deno: boolean;
  /** The layers that the kernel can't enforce, each with the reason. `undefined` if the kernel is not asked. */
  readonly kernel: ReadonlyMap<KernelLayer, string> | undefined;
  /** Why the kernel is not asked; empty if that goes without saying. */
  readonly withoutKernel: string;
  readonly wrapped: boolean;
  /** Names of the workers' environment variables. `undefined`: all of the host's. */
  readonly environment: readonly string[] | undefined;
  /** Paths that can be read in addition to those that the policy grants. */
  readonly needs: readonly string[];
}

type Rule = PermissionRule["rule"];
/** Whether an enforcer enforces a rule: `true`, or the reason why not. */
type Answer = true | string;

/** The rules that restrict something. */
export function rulesOf(policy: Policy, enforcers: Enforcers): PermissionRule[] {
  const rules: PermissionRule[] = [];
  const add = (rule: Rule, value: PermissionRule["value"], runtime: Answer, kernel: Answer, note?: string) =>
    rules.push(judge(rule, value, runtime, kernel, policy, enforcers, note));
  const { read, write, net, allowImport, run } = policy;
  if (read !== true) {
    add("read", read, ofPaths(enforcers), ofKernel(enforcers, "files"));
  }
  if (write !== true) {
    add("write", write, ofPaths(enforcers), ofKernel(enforcers, "files", "metadata"));
  }
  for (const [rule, denied, granted] of [
    ["denyRead", policy.denyRead, read === true ? true : [...read, ...enforcers.needs]],
    ["denyWrite", policy.denyWrite, write],
  ] as const) {
    const trees = granted === true ? undefined : new Trees(granted);
    const [inside, outside] = partition(denied, (path) => trees?.cover(path) ?? true);
    const [present, future] = partition(inside, (path) => real(path) !== undefined);
    if (outside.length > 0) {
      add(rule, outside, ofPaths(enforcers), ofKernel(enforcers, "files"));
    }
    if (present.length > 0) {
      add(rule, present, ofDenials(enforcers), ofKernel(enforcers, "masks"));
    }
    if (future.length > 0) {
      add(rule, future, ofDenials(enforcers), ofKernel(enforcers, "masks"), LATER);
    }
  }
  if (net !== true) {
    add("net", net, ofNetwork(policy, enforcers), ofKernelNetwork(policy, enforcers));
  }
  if (policy.denyNet.length > 0 && !isNothing(net)) {
    add("denyNet", policy.denyNet, ofDenoAlone(enforcers), HOSTS);
  }
  if (allowImport !== true) {
    add("allowImport", allowImport, ofImports(enforcers), NO_MODULES);
  }
  if (run !== true) {
    const note = enforcers.kernel?.has("signals") && !isNothing(run) ? SIGNALS : undefined;
    add("run", run, ofPrograms(run, enforcers), ofKernel(enforcers, "files", "syscalls"), note);
  }
  if (policy.denyRun.length > 0 && !isNothing(run)) {
    const layer = run === true ? "masks" : "files";
    add("denyRun", policy.denyRun, ofDenoAlone(enforcers), ofKernel(enforcers, layer));
  }
  if (enforcers.environment !== undefined) {
    rules.push({ rule: "env", value: enforcers.environment, ...ofHost("env", policy, enforcers) });
  }
  if (!policy.console) {
    rules.push({ rule: "console", value: false, ...ofHost("console", policy, enforcers) });
  }
  return rules;
}

/** What a worker is started without, and ways around that. */
const KEPT_BACK = {
  env: {
    ofThread: "process.env has no others, but process.report and native code show all of the process's",
    inProcesses: "environ",
    around: "the worker's own variables are only these, but in /proc it may read those of this process",
  },
  console: {
    ofThread:
      "console, process.stdout and process.stderr are silent, but descriptors 1 and 2 are the process's",
    inProcesses: "fd/1",
    around: "the worker has no output of its own, but in /proc it may open that of this process",
  },
};

/**
 * The enforcers of what the host does by not giving it to the worker. A thread shares its process, which has it. A
 * worker process finds it in `/proc` unless somebody keeps it from this process's folder there: Landlock does so by
 * what it does to ptrace.
 */
function ofHost(
  rule: "env" | "console",
  policy: Policy,
  { runtime, node, deno, kernel, wrapped }: Enforcers,
): Pick<PermissionRule, "enforcedBy" | "note"> {
  const { ofThread, inProcesses, around } = KEPT_BACK[rule];
  if (runtime === "thread") {
    return { enforcedBy: [], note: ofThread };
  }
  const path = `/proc/${process.pid}/${inProcesses}`;
  const { read, write, denyRead, denyWrite, run } = policy;
  const [granted, denied] = rule === "env" ? [read, denyRead] : [write, denyWrite];
  const byKernel = kernel !== undefined && !kernel.has("files");
  const byRuntime =
    isNothing(run) &&
    (!isGranted(path, granted) ? node !== undefined || deno : deno && isGranted(path, denied));
  if (byKernel || byRuntime) {
    return { enforcedBy: ["host"] };
  }
  return wrapped ? { enforcedBy: ["host", "wrapper"] } : { enforcedBy: [], note: around };
}

const LINKS = "a symbolic link in what is granted leads out of it";
const PROGRAMS = "the programs of run are not limited";

/** What a rule leaves open that the runtime alone enforces. */
function holesOf(rule: Rule, { run }: Policy): string[] {
  const links = rule === "read" || rule === "write" ? [LINKS] : [];
  const programs = isNothing(run) || rule === "allowImport" ? [] : [PROGRAMS];
  return [...links, ...programs];
}

const HOSTS = "the kernel knows no names of hosts";
const NO_MODULES = "the kernel knows no modules";
const SIGNALS =
  "a program may send signals to any process of the user: the kernel keeps them in since Linux 6.12";
const LATER =
  "not there yet: by the kernel it is denied to workers that start when it is, and a worker may create " +
  "it where it may write";

function judge(
  rule: Rule,
  value: PermissionRule["value"],
  runtime: Answer,
  kernel: Answer,
  policy: Policy,
  { wrapped }: Enforcers,
  note: string | undefined,
): PermissionRule {
  const answers: [Enforcer, Answer][] = [
    ["kernel", kernel],
    ["runtime", runtime],
    ["wrapper", wrapped ? true : ""],
  ];
  const enforcedBy = answers.flatMap(([enforcer, answer]) => (answer === true ? [enforcer] : []));
  const notes =
    enforcedBy.length === 0
      ? [runtime, kernel].filter((answer) => answer !== true && answer !== "")
      : [
          ...(note === undefined ? [] : [note]),
          ...(enforcedBy.join() === "runtime" ? holesOf(rule, policy) : []),
        ];
  return { rule, value, enforcedBy, ...(notes.length === 0 ? {} : { note: notes.join("; ") }) };
}

function isGranted(path: string, grant: Grant): boolean {
  return grant === true || new Trees(grant).cover(path);
}

/** The values for which the answer is yes, and the others. */
function partition<T>(values: readonly T[], decide: (value: T) => boolean): [yes: T[], no: T[]] {
  const yes: T[] = [];
  const no: T[] = [];
  for (const value of values) {
    (decide(value) ? yes : no).push(value);
  }
  return [yes, no];
}

function ofKernel({ kernel, withoutKernel }: Enforcers, ...layers: KernelLayer[]): Answer {
  if (kernel === undefined) {
    return withoutKernel;
  }
  const reasons = layers.flatMap((layer) => kernel.get(layer) ?? []);
  return reasons.length === 0 ? true : reasons.join("; ");
}

function ofKernelNetwork(policy: Policy, enforcers: Enforcers): Answer {
  if (!isNothing(policy.net)) {
    return HOSTS;
  }
  return keepsFromNetwork(policy, enforcers.runtime)
    ? ofKernel(enforcers, "syscalls")
    : "Deno needs the network for what allowImport allows";
}

/** The runtime's answer for trees of files: paths outside of the granted trees are denied. */
function ofPaths({ node, deno, runtime }: Enforcers): Answer {
  return node !== undefined || deno ? true : noFlags(runtime);
}

/** The runtime's answer for denied files inside of granted trees. */
function ofDenials({ deno, runtime }: Enforcers): Answer {
  return deno
    ? true
    : runtime === "bun"
      ? noFlags(runtime)
      : "Node's flags can't deny what is inside a folder that they allow";
}

/**
 * Whether Deno gets no flag for the network although its tasks may not use it. If such a flag keeps a server from
 * listening, Deno throws an error that cannot be caught, unless the worker prevents that (`worker/denied-sockets.ts`).
 * The kernel's refusal reaches Deno as an ordinary error.
 */
export function leavesNetworkToKernel(policy: Policy, enforcers: Enforcers): boolean {
  return enforcers.runtime === "deno" && ofKernelNetwork(policy, enforcers) === true;
}

function ofNetwork(policy: Policy, enforcers: Enforcers): Answer {
  const { net } = policy;
  const { node, deno, runtime } = enforcers;
  if (deno) {
    return leavesNetworkToKernel(policy, enforcers) ? "the kernel does" : true;
  }
  if (node === undefined) {
    return noFlags(runtime);
  }
  if (!isNothing(net)) {
    return "Node has no lists of hosts";
  }
  return limitsNetwork(node) ? true : `Node ${node.major} has no flag for the network, 25 and later do`;
}

function ofDenoAlone({ deno, runtime }: Enforcers): Answer {
  return deno ? true : runtime === "bun" ? noFlags(runtime) : "Node has no such flag";
}

/** The runtime's answer for modules from the web. Node and Bun import none. */
function ofImports({ deno, runtime }: Enforcers): Answer {
  return deno || runtime !== "deno" ? true : noFlags(runtime);
}

function ofPrograms(run: Grant, { node, deno, runtime }: Enforcers): Answer {
  if (deno) {
    return true;
  }
  if (node === undefined) {
    return noFlags(runtime);
  }
  return isNothing(run) ? true : "Node allows any program or none";
}

function noFlags(runtime: Enforcers["runtime"]): string {
  return runtime === "bun" ? "Bun has no flags for permissions" : "the runtime got no flags";
}
