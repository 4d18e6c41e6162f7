/** What the host enforces: by what a worker is started with. What is not allowed is not there. */
import type { Environment, GivenWorker, ResolvedWorker } from "../runtime/resolve-options";
import type { Policy } from "./policy";
import type { Subject } from "./resolve";

/** What a policy has to know of the workers. */
export function subjectOf({ runtime, cwd, stdio, env }: GivenWorker, debugged: boolean): Subject {
  return { runtime, cwd: cwd ?? process.cwd(), stdio, env, debugged };
}

/** The workers with what the policy says where their own options say nothing. */
export function underPolicy(worker: GivenWorker, policy: Policy): ResolvedWorker {
  const { stdio = policy.console ? "inherit" : "ignore" } = worker;
  return { ...worker, stdio, env: policy.mode === "unsafe" ? worker.env : environment(worker, policy) };
}

/** `permission.env.allow`, or the option `worker.env` in its place; the files' variables; and without what is denied. */
function environment({ env }: GivenWorker, policy: Policy): Environment | undefined {
  const { allow, deny, files } = policy.env;
  const isAllowed = (name: string): boolean => !deny.includes(name);
  if (env === undefined && allow === true && deny.length === 0 && Object.keys(files).length === 0) {
    return undefined;
  }
  const inherit = env?.inherit ?? (allow === true ? Object.keys(process.env) : allow);
  const isInherited = (name: string): boolean => inherit.includes(name) && process.env[name] !== undefined;
  const loaded = Object.entries(files).filter(([name]) => !isInherited(name));
  const set = [...loaded, ...Object.entries(env?.set ?? {})].filter(([name]) => isAllowed(name));
  return { inherit: inherit.filter(isAllowed), set: Object.fromEntries(set), denied: deny };
}
