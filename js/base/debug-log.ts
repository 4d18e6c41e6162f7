/**
 * The debug log of a pool and its workers on stderr: one line per message, with the time, the namespace and the source.
 *
 * ```text
 *   2026-11-21T16:30:00.123Z knitting:lifecycle p1/w0 ready after 41 ms
 * ```
 */
import { choice, flag, record, refuseUnknown } from "./validate";

/** The namespaces of the log, see {@link PoolOptions.debug}. */
export type DebugNamespace = "host" | "lifecycle" | "imports" | "globals" | "signals";

const NAMESPACES: readonly DebugNamespace[] = ["host", "lifecycle", "imports", "globals", "signals"];

/** The environment variable that has the same effect as the option, for every pool of the process. */
const VARIABLE = "KNITTING_DEBUG";

/** Long enough to identify a module. A `data:` URL holds the whole code. */
const LONGEST_NAME = 200;

/** The source of log lines and its enabled namespaces: a pool, or a worker to which its pool has sent this object. */
export interface DebugContext {
  readonly who: string;
  readonly namespaces: readonly DebugNamespace[];
}

/** @internal The namespaces that the option and the environment variable enable. Throws `InvalidOptionError`. */
export function resolveDebug(caller: string, option: unknown): readonly DebugNamespace[] {
  const wanted = new Set([...ofOption(caller, option), ...ofVariable(caller)]);
  return NAMESPACES.filter((namespace) => wanted.has(namespace));
}

function ofOption(caller: string, option: unknown): readonly DebugNamespace[] {
  if (option === undefined || option === false) {
    return [];
  }
  if (option === true) {
    return NAMESPACES;
  }
  if (Array.isArray(option)) {
    return Array.from(option, (name, index) => choice(caller, `debug[${index}]`, name, NAMESPACES));
  }
  const allowed = "true, false, an array of namespaces or an object: { lifecycle: true }";
  const said = record(caller, "debug", option, allowed);
  refuseUnknown(caller, said, NAMESPACES, "debug.");
  return NAMESPACES.filter((name) => said[name] !== undefined && flag(caller, `debug.${name}`, said[name]));
}

function ofVariable(caller: string): readonly DebugNamespace[] {
  const value = process.env[VARIABLE]?.trim() ?? "";
  if (value === "*") {
    return NAMESPACES;
  }
  const names = value.split(",").map((name) => name.trim());
  return names
    .filter((name) => name !== "")
    .map((name) => choice(caller, `environment variable ${VARIABLE}`, name, NAMESPACES));
}

/** @internal Whether the namespace is enabled. */
export function isDebugging(
  context: DebugContext | undefined,
  namespace: DebugNamespace,
): context is DebugContext {
  return context?.namespaces.includes(namespace) === true;
}

/** @internal Logs a line if the namespace is enabled. */
export function debugLog(context: DebugContext | undefined, namespace: DebugNamespace, what: string): void {
  if (isDebugging(context, namespace)) {
    process.stderr.write(`${new Date().toISOString()} knitting:${namespace} ${context.who} ${what}\n`);
  }
}

/** @internal Formats milliseconds for a line. */
export function millis(time: number): string {
  return `${time.toFixed(time < 10 ? 2 : 0)} ms`;
}

/** @internal Formats a module's URL for a line. */
export function moduleName(href: string): string {
  return href.length > LONGEST_NAME ? `${href.slice(0, LONGEST_NAME)}…` : href;
}
