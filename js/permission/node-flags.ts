/**
 * A policy as flags of Node's permission model. The model has lists of allowed folders and can't deny anything inside
 * them. It is a guardrail for code that uses Node's own modules; native code is not checked.
 */
import { InvalidOptionError } from "../base/errors";
import { describe } from "../base/validate";
import { outermost } from "./paths";
import { type Grant, isNothing, type Policy } from "./policy";

/** A version of Node. Flags and their names depend on it. */
export interface NodeVersion {
  readonly major: number;
  readonly minor: number;
}

/** Parses a version such as `v22.13.0`. */
export function nodeVersion(text: string): NodeVersion {
  const [, major, minor] = /^v(\d+)\.(\d+)\./.exec(text) ?? [];
  if (major === undefined) {
    throw new Error(`${describe(text)} is no version of Node`);
  }
  return { major: Number(major), minor: Number(minor) };
}

/**
 * Whether the permission model has a flag that allows addons. A worker needs one, because it attaches through an addon.
 */
export function letsAddonsIn({ major, minor }: NodeVersion): boolean {
  return major > 21 || (major === 21 && minor >= 6) || (major === 20 && minor >= 12);
}

/** Whether the permission model restricts WASI. */
function limitsWasi({ major, minor }: NodeVersion): boolean {
  return major > 22 || (major === 22 && minor >= 3) || (major === 20 && minor >= 16);
}

/** Whether the permission model restricts the network. */
export function limitsNetwork({ major }: NodeVersion): boolean {
  return major >= 25;
}

/** Whether Node's flags can express a path. `*` is a wildcard. */
export function canTellNode(path: string): boolean {
  return !path.includes("*");
}

/**
 * Node's flags for a policy. Files in `needs` can be read in addition. `guarded` tells whether another enforcer covers
 * what the model lets through: its own threads and WASI have no limits.
 */
export function nodePermissions(
  policy: Policy,
  version: NodeVersion,
  needs: readonly string[],
  guarded: boolean,
): string[] {
  const flags = [
    ...withoutWarnings(policy, version),
    isStable(version) ? "--permission" : "--experimental-permission",
    // A worker attaches through an addon.
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
  // Threads that nobody limits can do no more than programs that nobody limits.
  if (guarded || !isNothing(policy.run)) {
    flags.push("--allow-worker");
  }
  if (guarded && limitsWasi(version)) {
    flags.push("--allow-wasi");
  }
  return flags;
}

/** Whether the permission model is not experimental any more. */
function isStable({ major, minor }: NodeVersion): boolean {
  return major > 23 || (major === 23 && minor >= 5) || (major === 22 && minor >= 13);
}

function allowsNetwork({ net }: Policy, version: NodeVersion): boolean {
  return !isNothing(net) && limitsNetwork(version);
}

/**
 * Node warns about `--allow-addons` and about experimental parts of the model. The user can do nothing about either.
 */
function withoutWarnings(policy: Policy, version: NodeVersion): string[] {
  const isExperimental = !isStable(version) || allowsNetwork(policy, version);
  const kinds = isExperimental ? ["SecurityWarning", "ExperimentalWarning"] : ["SecurityWarning"];
  return kinds.map((kind) => `--disable-warning=${kind}`);
}

/** One flag for each path, because a path may contain commas. No path twice, because Node 20 aborts on duplicates. */
function paths(flag: string, grant: Grant, needs: readonly string[]): string[] {
  if (grant === true) {
    return [`${flag}=*`];
  }
  const listed = outermost([...grant, ...needs]);
  const wild = listed.find((path) => !canTellNode(path));
  if (wild !== undefined) {
    throw new InvalidOptionError(
      `createPool: permission: Node can't be told ${describe(wild)}, in its flags "*" stands for anything`,
    );
  }
  return listed.map((path) => `${flag}=${path}`);
}
