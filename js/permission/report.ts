/** Reports rules that can't be enforced, as an error or as a warning. */
import { PermissionUnsupportedError } from "../base/errors";
import type { ResolvedWorker } from "../runtime/options";
import { unique } from "./paths";
import type { Policy } from "./policy";
import type { PermissionRule } from "./rules";

const CODE = "KNITTING_PERMISSION_UNSUPPORTED";
const GO_ON = 'With permission.onUnsupported: "warn" the workers run without it';
const GOES_ON = "The workers run without it";

/**
 * Throws or warns, as the policy says. A warning of threads is of what the user has written: what else of the profile
 * holds for no thread stands in the documentation and in `pool.permissions`. For processes all of it is expected to hold.
 */
export function report(policy: Policy, { runtime }: ResolvedWorker, rules: readonly PermissionRule[]): void {
  const isThread = runtime === "thread";
  if ((policy.onUnsupported ?? (isThread ? "warn" : "error")) === "error") {
    const message = `createPool: ${sentence(runtime, rules, GO_ON)}`;
    throw new PermissionUnsupportedError(message, unique(rules.map(({ rule }) => rule)));
  }
  const told = isThread ? rules.flatMap((rule) => writtenOf(rule, policy)) : rules;
  if (told.length > 0) {
    warn(sentence(runtime, told, GOES_ON));
  }
}

/** What this process has been told of. */
const told = new Set<string>();

function warnOnce(subject: string, message: () => string): void {
  if (!told.has(subject)) {
    told.add(subject);
    warn(message());
  }
}

/**
 * Says once that worker processes can do what the default policy denies, because this system can't deny it. Of threads
 * that is known beforehand.
 */
export function reportDefault({ runtime }: ResolvedWorker, rules: readonly PermissionRule[]): void {
  if (runtime !== "thread") {
    warnOnce(runtime, () => sentence(runtime, rules, GOES_ON));
  }
}

/** Says once that the working directory, which the profile grants, is the whole file system. */
export function reportRoot({ written, read, write }: Policy, { runtime }: ResolvedWorker): void {
  const fields = Object.entries({ read, write }).filter(
    ([field, grant]) => written[field] === undefined && grant !== true && grant.includes("/"),
  );
  if (fields.length > 0) {
    const verbs = fields.map(([field]) => field).join(" and ");
    const names = fields.map(([field]) => `permission.${field}`).join(" and ");
    const folder = runtime === "thread" ? "start the program in its own folder" : "set worker.cwd";
    warnOnce(
      "/",
      () =>
        'permission: the workers\' working directory is "/", and the strict profile grants it with all that is in ' +
        `it: they may ${verbs} every file that is not denied. List folders in ${names}, or ${folder}`,
    );
  }
}

/** The part of a rule that the user has written. */
function writtenOf(rule: PermissionRule, { written, byName }: Policy): PermissionRule[] {
  const part = byName || (written[rule.rule] ?? []);
  if (part === true) {
    return [rule];
  }
  const value = [rule.value].flat().filter((entry) => part.includes(String(entry)));
  return value.length === 0 ? [] : [{ ...rule, value: value as string[] }];
}

function warn(message: string): void {
  process.emitWarning(message, { type: "PermissionWarning", code: CODE });
}

function sentence(
  runtime: ResolvedWorker["runtime"],
  rules: readonly PermissionRule[],
  without: string,
): string {
  const isThread = runtime === "thread";
  const what = unique(rules.map(({ note }) => note)).map((reason) => {
    const same = rules.filter(({ note }) => note === reason);
    return `${same.map(({ rule, value }) => `${rule} (${short(value)})`).join(", ")}: ${reason}`;
  });
  const who = isThread ? "worker threads" : `workers on ${runtime}`;
  return `permission: nobody enforces this for ${who}: ${what.join("; ")}. ${adviceFor(rules, isThread, without)}`;
}

/** How to get the rules enforced, or, by the words of `without`, how to do without them. */
function adviceFor(rules: readonly PermissionRule[], isThread: boolean, without: string): string {
  if (
    rules.some(
      ({ rule, value }) => /^(net|denyNet)$/.test(rule) && typeof value === "object" && value.length > 0,
    )
  ) {
    return 'Deno knows hosts: worker: { runtime: "process", processRuntime: "deno" }';
  }
  if (isThread) {
    return 'Process workers have the kernel enforce it: worker: { runtime: "process" }';
  }
  const isForbidden = rules.some(({ note }) => note?.includes("private mounts"));
  return isForbidden
    ? `docs/containers.md of knitting-native says how a system or a container allows it. ${without}`
    : without;
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
