/**
 * The environment variables of a worker, each with its source. Only this module decides them, anew at each start of a
 * worker.
 *
 * ```text
 *   needed to start < worker.env.inherit or permission.env.allow < permission.env.files, for names not set by those
 *     < worker.env.set < worker.resourceLimits < what its runtime is told        a later one wins
 *   permission.env.deny   removes variables, those needed to start included; not the limits
 * ```
 */
import { InvalidOptionError } from "../base/errors";
import { unexpanded } from "../base/literal";
import { describe, isRecord, record, refuse, refuseUnknown, texts } from "../base/validate";
import { BOOT_VARIABLES } from "../task/program";
import type { ChosenEnvironment, EnvironmentChoice, ResolvedWorker } from "./options";
import { jscVariables } from "./resource-limits";

const CALLER = "createPool";

/** The source of a variable. */
export type VariableSource = "start" | "inherited" | "files" | "set" | "limits" | "runtime";

/** A variable of a worker. */
export interface Variable {
  readonly value: string;
  readonly source: VariableSource;
}

/**
 * The variables that a process needs to start, found by starting each runtime without them. `HOME` is not among them:
 * Deno and Bun look the home folder up by the user's id, and do without a cache if there is none.
 */
const NEEDED = {
  // The launcher finds a wrapper's command by `PATH`, and that command finds its own.
  all: ["PATH", "LD_LIBRARY_PATH"],
  // The folder holds remote modules, which would otherwise be fetched again.
  deno: ["DENO_DIR"],
};

/** The options that decide a worker's variables. */
type Subject = Pick<ResolvedWorker, "runtime" | "env" | "environmentPolicy" | "resourceLimits">;

/**
 * The variables of a worker, except for those that carry its boot payload. `told` are the variables that tell its
 * runtime something.
 */
export function environmentOf(
  { runtime, env, environmentPolicy, resourceLimits }: Subject,
  told: Readonly<Record<string, string>> = {},
): Map<string, Variable> {
  const { allow = true, deny = [], files = {} } = environmentPolicy ?? {};
  const variables = new Map<string, Variable>();
  const add = (source: VariableSource, entries: Iterable<readonly [string, string]>): void => {
    for (const [name, value] of entries) {
      // A worker never gets the variables with which an outer pool has started this process.
      if (!deny.includes(name) && !BOOT_VARIABLES.includes(name)) {
        variables.set(name, { value, source });
      }
    }
  };
  if (runtime !== "thread") {
    add("start", ofHost(runtime === "deno" ? [...NEEDED.all, ...NEEDED.deno] : NEEDED.all));
  }
  const inherited = ofHost(env?.inherit ?? (allow === true ? Object.keys(process.env) : allow));
  add("inherited", inherited);
  const names = new Set(inherited.map(([name]) => name));
  add(
    "files",
    Object.entries(files).filter(([name]) => !names.has(name)),
  );
  add("set", Object.entries(env?.set ?? {}));
  if (runtime === "bun") {
    for (const [name, value] of jscVariables(resourceLimits)) {
      variables.set(name, { value, source: "limits" });
    }
  }
  add("runtime", Object.entries(told));
  return variables;
}

/** The variables as an object of names and values. */
export function valuesOf(variables: ReadonlyMap<string, Variable>): Record<string, string> {
  return Object.fromEntries(Array.from(variables, ([name, { value }]) => [name, value]));
}

/** Whether a worker has exactly the host's variables, because nothing restricts them. */
export function isUnrestricted({ env, environmentPolicy }: Subject): boolean {
  const { allow = true, deny = [], files = {} } = environmentPolicy ?? {};
  return env === undefined && allow === true && deny.length === 0 && Object.keys(files).length === 0;
}

/** The variables with these names that are set in the host. */
function ofHost(names: readonly string[]): [string, string][] {
  return names.flatMap((name): [string, string][] => {
    const value = process.env[name];
    return value === undefined ? [] : [[name, value]];
  });
}

/** Validates the option `worker.env`. */
export function resolveEnvironment(given: unknown): ChosenEnvironment {
  const env = record(
    CALLER,
    "worker.env",
    given,
    "an object of names and values, or { inherit: [...], set: {...} }",
  );
  // A variable may have this name too, and its value is then a string.
  if (!isChoice(env)) {
    return { inherit: [], set: variables("worker.env", env) };
  }
  refuseUnknown(CALLER, env as Record<string, unknown>, ["inherit", "set"], "worker.env.");
  const { inherit: names = [], set = {} } = env;
  const inherit = texts(CALLER, "worker.env.inherit", names, 0);
  for (const [index, name] of inherit.entries()) {
    checkName(`worker.env.inherit[${index}]`, name);
    const form = unexpanded(name);
    if (form !== undefined && !(name in process.env)) {
      refuse(CALLER, `worker.env.inherit[${index}]`, name, `a variable's name. This is ${form}`);
    }
  }
  return { inherit, set: variables("worker.env.set", set) };
}

function isChoice(env: object): env is EnvironmentChoice {
  const { inherit, set } = env as Record<string, unknown>;
  return Array.isArray(inherit) || isRecord(set);
}

function variables(option: string, given: unknown): Readonly<Record<string, string>> {
  const set: Record<string, string> = Object.create(null);
  for (const [name, value] of Object.entries(
    record(CALLER, option, given, "an object of names and values"),
  )) {
    if (value === undefined) {
      continue;
    }
    checkName(option, name);
    if (typeof value !== "string" || value.includes("\0")) {
      refuse(CALLER, `${option}.${name}`, value, "a string without NUL");
    }
    set[name] = value;
  }
  return set;
}

function checkName(option: string, name: string): void {
  if (name === "" || /[=\0]/.test(name)) {
    throw new InvalidOptionError(
      `${CALLER}: "${option}" has ${describe(name)}, a variable's name is not empty and without "=" and NUL`,
    );
  }
  if (BOOT_VARIABLES.includes(name)) {
    throw new InvalidOptionError(
      `${CALLER}: "${option}" has ${describe(name)}, which is set for each worker by itself`,
    );
  }
}
