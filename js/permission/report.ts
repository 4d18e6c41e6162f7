/** Reports rules that can't be enforced, as an error or as a warning. */
import { PermissionUnsupportedError } from "../base/errors";
import type { ResolvedWorker } from "../runtime/options";
import { unique } from "./paths";
import type { Policy } from "./policy";
import type { PermissionRule } from "./rules";

const CODE = "KNITTING_PERMISSION_UNSUPPORTED";

/** Throws or warns, as the policy says. */
export function report(
  { onUnsupported }: Policy,
  { runtime }: ResolvedWorker,
  rules: readonly PermissionRule[],
): void {
  const isThread = runtime === "thread";
  const what = unique(rules.map(({ note }) => note)).map((reason) => {
    const same = rules.filter(({ note }) => note === reason);
    return `${same.map(({ rule, value }) => `${rule} (${short(value)})`).join(", ")}: ${reason}`;
  });
  const who = isThread ? "worker threads" : `workers on ${runtime}`;
  const message = `permission: nobody enforces this for ${who}: ${what.join("; ")}. ${adviceFor(rules, isThread)}`;
  if ((onUnsupported ?? (isThread ? "warn" : "error")) === "error") {
    throw new PermissionUnsupportedError(`createPool: ${message}`, unique(rules.map(({ rule }) => rule)));
  }
  process.emitWarning(message, { type: "PermissionWarning", code: CODE });
}

/** How to get the rules enforced, or how to do without them. */
function adviceFor(rules: readonly PermissionRule[], isThread: boolean): string {
  if (
    rules.some(
      ({ rule, value }) => /^(net|denyNet)$/.test(rule) && typeof value === "object" && value.length > 0,
    )
  ) {
    return 'Deno knows hosts: worker: { runtime: "process", processRuntime: "deno" }';
  }
  return isThread
    ? 'Process workers have the kernel enforce it: worker: { runtime: "process" }'
    : 'permission.onUnsupported: "warn" goes on without';
}

function short(value: PermissionRule["value"]): string {
  if (typeof value === "boolean") {
    return String(value);
  }
  const first = value.slice(0, 3).map((entry) => JSON.stringify(entry));
  return value.length === 0
    ? "none"
    : first.join(", ") + (value.length > 3 ? `, and ${value.length - 3} more` : "");
}
