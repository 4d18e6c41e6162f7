/** A policy: the option `permission` with its defaults filled in, as plain data. */

import type { EnvironmentPolicy } from "../runtime/options";

/** Everything, or what is listed: nothing else, and nothing at all where the list is empty. */
export type Grant = true | readonly string[];

/** A policy. Its paths are absolute, each as it was said and, where symbolic links lead elsewhere, as it is. */
export interface Policy {
  /**
   * `"default"`: nothing was said; what can be is enforced. `"strict"`: all of it is to be. `"unsafe"`: nothing is restricted.
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
  /** Whether what workers write is seen. */
  readonly console: boolean;
  /** Whether the kernel is asked; undefined where nothing is said. */
  readonly kernel: boolean | undefined;
  readonly onUnsupported: "error" | "warn" | undefined;
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
};

/** Whether a grant grants nothing. */
export function isNothing(grant: Grant): boolean {
  return grant !== true && grant.length === 0;
}
