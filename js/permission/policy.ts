/** A policy: the option `permission` with its defaults filled in, as plain data. */

import type { EnvironmentPolicy } from "../runtime/options";

/** `true` grants everything, a list grants only its elements, and an empty list grants nothing. */
export type Grant = true | readonly string[];

/**
 * A policy. Its paths are absolute. A path with symbolic links is included twice, as written and with its links
 * resolved.
 */
export interface Policy {
  /**
   * `"default"`: the user gave no policy, and as much as possible is enforced. `"strict"`: all of the policy must be
   * enforced. `"unsafe"`: nothing is restricted.
   */
  readonly mode: "default" | "strict" | "unsafe";
  readonly read: Grant;
  readonly write: Grant;
  readonly denyRead: readonly string[];
  readonly denyWrite: readonly string[];
  readonly net: Grant;
  readonly denyNet: readonly string[];
  readonly allowImport: Grant;
  readonly env: EnvironmentPolicy;
  readonly run: Grant;
  readonly denyRun: readonly string[];
  /** Whether the workers' output is shown. */
  readonly console: boolean;
  /** Whether the kernel enforces the policy; undefined if the user left that open. */
  readonly kernel: boolean | undefined;
  readonly onUnsupported: "error" | "warn" | undefined;
  /** The rules that the user has written, by their names: `true`, or the paths that are not the profile's. */
  readonly written: Readonly<Record<string, Grant>>;
  /** Whether the user has asked for the whole profile by its name. */
  readonly byName: boolean;
}

/** A policy that restricts nothing. */
export const UNSAFE: Policy = {
  mode: "unsafe",
  read: true,
  write: true,
  denyRead: [],
  denyWrite: [],
  net: true,
  denyNet: [],
  allowImport: true,
  env: { allow: true, deny: [], files: {} },
  run: true,
  denyRun: [],
  console: true,
  kernel: undefined,
  onUnsupported: undefined,
  written: {},
  byName: false,
};

/** Whether a grant grants nothing. */
export function isNothing(grant: Grant): boolean {
  return grant !== true && grant.length === 0;
}
