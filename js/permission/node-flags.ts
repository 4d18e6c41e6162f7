/**
 * A policy in the words of Node's permission model: allow-lists, and nothing of what is inside them. It is a guardrail for code
 * that goes by Node's own modules; native code is not asked.
 */
import { InvalidOptionError } from "../base/errors";
import { describe } from "../base/validate";
import { outermost } from "./paths";
import { type Grant, isNothing, type Policy } from "./policy";

/** What a version of Node calls it. */
export interface NodeVersion {
  readonly major: number;
  readonly minor: number;
}

/** Such as `v22.13.0`. */
export function nodeVersion(text: string): NodeVersion {
  const [, major, minor] = /^v(\d+)\.(\d+)\./.exec(text) ?? [];
  if (major === undefined) {
    throw new Error(`${describe(text)} is no version of Node`);
  }
  return { major: Number(major), minor: Number(minor) };
}

/** Whether its model lets an addon in at all: a worker attaches by one. */
export function letsAddonsIn({ major, minor }: NodeVersion): boolean {
  return major > 21 || (major === 21 && minor >= 6) || (major === 20 && minor >= 12);
}

/** Whether WASI is among what it asks for. */
function limitsWasi({ major, minor }: NodeVersion): boolean {
  return major > 22 || (major === 22 && minor >= 3) || (major === 20 && minor >= 16);
}

/** Whether the network is among what it asks for. */
export function limitsNetwork({ major }: NodeVersion): boolean {
  return major >= 25;
}

/** Whether it can be told a path: `*` stands for anything. */
export function canTellNode(path: string): boolean {
  return !path.includes("*");
}

/**
 * Its flags. `needs` can be read besides; `guarded` is whether something else holds for what the model lets through: its
 * own threads and WASI have no limits.
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
    flags.push("--allow-worker", ...(limitsWasi(version) ? ["--allow-wasi"] : []));
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
  const isExperimental = !isStable(version) || allowsNetwork(policy, version);
  const kinds = isExperimental ? ["SecurityWarning", "ExperimentalWarning"] : ["SecurityWarning"];
  return kinds.map((kind) => `--disable-warning=${kind}`);
}

/** One flag for each: a path may have commas. None twice, Node 20 aborts at that. */
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
