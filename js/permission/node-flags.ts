/**
 * A policy in the words of Node's permission model: allow-lists, and nothing of what is inside them. It is a guardrail for code
 * that goes by Node's own modules; native code is not asked.
 */
import { outermost } from "./paths";
import { type Grant, isNothing, type Policy } from "./policy";

/** What a version of Node calls it. */
export interface NodeVersion {
  readonly major: number;
  readonly minor: number;
}

/** Such as `v22.13.0`. */
export function nodeVersion(text: string): NodeVersion {
  const [major = 0, minor = 0] = text.replace(/^v/, "").split(".").map(Number);
  return { major, minor };
}

/** Whether the network is among what it asks for. */
export function limitsNetwork({ major }: NodeVersion): boolean {
  return major >= 25;
}

/**
 * Its flags. `needs` can be read besides; `guarded` is whether something else holds for what the model lets through: its
 * own threads and WASI have no limits.
 */
export function nodeFlags(
  policy: Policy,
  version: NodeVersion,
  needs: readonly string[],
  guarded: boolean,
): string[] {
  const flags = [
    ...withoutWarnings(policy, version),
    isStable(version) ? "--permission" : "--experimental-permission",
    // A worker attaches by one.
    "--allow-addons",
    ...paths("--allow-fs-read", policy.read, needs),
    ...paths("--allow-fs-write", policy.write, []),
  ];
  if (!isNothing(policy.run)) {
    flags.push("--allow-child-process");
  }
  if (allowsNetwork(policy, version)) {
    flags.push("--allow-net");
  }
  if (guarded) {
    flags.push("--allow-worker", "--allow-wasi");
  }
  return flags;
}

/** It is not experimental any more. */
function isStable({ major, minor }: NodeVersion): boolean {
  return major > 23 || (major === 23 && minor >= 5) || (major === 22 && minor >= 13);
}

function allowsNetwork({ net }: Policy, version: NodeVersion): boolean {
  return !isNothing(net) && limitsNetwork(version);
}

/** Node warns of `--allow-addons`, and of what is experimental in the model. Neither is the user's business. */
function withoutWarnings(policy: Policy, version: NodeVersion): string[] {
  if (version.major === 20 && version.minor < 11) {
    return ["--no-warnings"];
  }
  const isExperimental = !isStable(version) || allowsNetwork(policy, version);
  const kinds = isExperimental ? ["SecurityWarning", "ExperimentalWarning"] : ["SecurityWarning"];
  return kinds.map((kind) => `--disable-warning=${kind}`);
}

/** One flag for each: a path may have commas. None twice, Node 20 aborts at that. */
function paths(flag: string, grant: Grant, needs: readonly string[]): string[] {
  return grant === true ? [`${flag}=*`] : outermost([...grant, ...needs]).map((path) => `${flag}=${path}`);
}
