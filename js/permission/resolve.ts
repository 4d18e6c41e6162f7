/** Validates the option `permission` and turns it into a policy. */
import { readFileSync } from "node:fs";
import { InvalidOptionError } from "../base/errors";
import { unexpanded } from "../base/literal";
import {
  choice,
  describe,
  flag,
  optional,
  own,
  record,
  refuse,
  refuseUnknown,
  texts,
} from "../base/validate";
import type { ChosenEnvironment, EnvironmentPolicy, ResolvedWorker } from "../runtime/options";

import { BOOT_VARIABLES } from "../task/program";
import { absolute, isWithin, real, realOrFuture, Trees, unique } from "./paths";
import { type Grant, type Policy, UNSAFE } from "./policy";
import { lockFiles, packagesOf, sensitivePaths } from "./profile";

const CALLER = "createPool";
const OPTION = "permission";
const ALLOWED = '"strict", "unsafe" or an object such as { read: ["./data"] }';
const KNOWN = [
  "mode",
  "read",
  "write",
  "denyRead",
  "denyWrite",
  "net",
  "denyNet",
  "allowImport",
  "env",
  "run",
  "denyRun",
  "console",
  "node",
  "deno",
  "kernel",
  "onUnsupported",
];
/** The fields that the mode "unsafe" allows. */
const KNOWN_UNSAFE = ["mode", "console"];

type Runtime = ResolvedWorker["runtime"];

/** What a policy has to know about the workers. */
export interface Subject {
  readonly runtime: Runtime;
  /** The folder at which relative paths start. */
  readonly cwd: string;
  /** The option `worker.stdio`, if it is set. */
  readonly stdio: ResolvedWorker["stdio"] | undefined;
  /** The option `worker.env`, if it is set. */
  readonly env: ChosenEnvironment | undefined;
  /** Whether the user is debugging. */
  readonly debugged: boolean;
}

/** Validates the option and fills in the defaults. */
export function resolvePermission(given: unknown, subject: () => Subject): Policy {
  if (given === undefined) {
    return { ...strict(own({ allowImport: true }), subject()), mode: "default" };
  }
  if (given === "unsafe") {
    return UNSAFE;
  }
  if (given === "strict") {
    return strict(own({ mode: "strict" }), subject());
  }
  const said = record(CALLER, OPTION, given, ALLOWED);
  refuseUnknown(CALLER, said, KNOWN, `${OPTION}.`);
  const { mode = "strict" } = said;
  return choice(CALLER, `${OPTION}.mode`, mode, ["strict", "unsafe"]) === "strict"
    ? strict(said, subject())
    : unsafe(said, subject());
}

function unsafe(given: Readonly<Record<string, unknown>>, subject: Subject): Policy {
  const other = Object.keys(given).find((key) => given[key] !== undefined && !KNOWN_UNSAFE.includes(key));
  if (other !== undefined) {
    throw new InvalidOptionError(
      `${CALLER}: option "${OPTION}.${other}" is for mode: "strict"; with "unsafe" nothing is restricted`,
    );
  }
  return { ...UNSAFE, console: isSeen(given.console, subject, true) };
}

function strict(given: Readonly<Record<string, unknown>>, subject: Subject): Policy {
  const { cwd, runtime } = subject;
  const read = paths("read", given.read, cwd);
  const write = paths("write", given.write, cwd);
  const denyRead = denials("denyRead", given.denyRead, cwd);
  const denyWrite = denials("denyWrite", given.denyWrite, cwd);
  refuseContradiction("read", read, "denyRead", denyRead);
  refuseContradiction("write", write, "denyWrite", denyWrite);
  // What may not be read may not be written either, because the kernel has one mask for both.
  refuseContradiction("write", write, "denyRead", denyRead);
  const home = { said: ".", path: cwd, real: real(cwd) };
  const reading: Grants = { field: "read", entries: read ?? [home] };
  const writing: Grants = { field: "write", entries: write ?? [home] };
  const sensitive = sensitivePaths(cwd).map(asDenial);
  const readable = listed(reading.entries);
  const denied = { denyRead: spread(denyRead), denyWrite: spread(denyWrite) };
  return {
    mode: "strict",
    read: readable === true ? true : unique([...readable, ...lockFiles(home.real ?? cwd)]),
    write: listed(writing.entries),
    denyRead: unique([...spread(lift(sensitive, reading, [reading, writing])), ...denied.denyRead]),
    denyWrite: unique([
      ...spread(lift([...sensitive, asDenial(packagesOf(cwd))], writing, [writing])),
      ...denied.denyWrite,
    ]),
    net: hosts("net", names("net", given.net)),
    denyNet: hosts("denyNet", list("denyNet", given.denyNet)),
    allowImport: hosts("allowImport", names("allowImport", given.allowImport)),
    env: environment(given.env, subject),
    run: programs(given, subject),
    denyRun: (list("denyRun", given.denyRun) ?? []).map(programPath("denyRun", cwd)),
    console: isSeen(given.console, subject, false),
    kernel: kernel(given.kernel, runtime),
    onUnsupported: optional(given.onUnsupported, (word) =>
      choice(CALLER, `${OPTION}.onUnsupported`, word, ["error", "warn"]),
    ),
    written: { ...writtenIn(given), ...denied },
    byName: given.mode === "strict",
  };
}

/** The rules that an object names, one of them by an older name. Variables that are granted deny no others. */
function writtenIn(given: Readonly<Record<string, unknown>>): Record<string, true> {
  const isDenied = (given.env as { deny?: unknown } | undefined)?.deny !== undefined;
  const fields = Object.keys(given).filter(
    (field) => given[field] !== undefined && (field !== "env" || isDenied),
  );
  const rules = fields.map((field) => (field === "node" || field === "deno" ? "run" : field));
  return Object.fromEntries(rules.map((rule) => [rule, true]));
}

/** Whether the workers' output is shown. */
function isSeen(given: unknown, { stdio, debugged }: Subject, byDefault: boolean): boolean {
  const seen = yesOrNo("console", given);
  if (seen !== undefined && stdio !== undefined && seen !== (stdio !== "ignore")) {
    throw new InvalidOptionError(
      `${CALLER}: "${OPTION}.console" is ${seen}, and "worker.stdio" is "${stdio}": only one of them can hold`,
    );
  }
  return seen ?? (stdio === undefined ? byDefault || debugged : stdio !== "ignore");
}

function kernel(given: unknown, runtime: Runtime): boolean | undefined {
  const asked = yesOrNo("kernel", given);
  if (asked === true && runtime === "thread") {
    throw new InvalidOptionError(
      `${CALLER}: option "${OPTION}.kernel" is for process workers, and a thread has the rights of its ` +
        'process. Say worker: { runtime: "process" }',
    );
  }
  return asked;
}

/** A path as it was written, made absolute, and with its symbolic links resolved. */
interface Entry {
  readonly said: string;
  readonly path: string;
  readonly real?: string | undefined;
}

/** The paths of `read` or `write`. What is granted must exist. */
function paths(field: string, value: unknown, cwd: string): true | Entry[] | undefined {
  const said = names(field, value);
  return said === undefined || said === true
    ? said
    : said.map((entry, index) => {
        const path = absolute(entry, cwd);
        const target = real(path);
        if (target === undefined) {
          const form = unexpanded(entry);
          const why = form === undefined ? `${path} does not` : `this is ${form}`;
          refuse(CALLER, `${OPTION}.${field}[${index}]`, entry, `a path that exists (${why})`);
        }
        return { said: entry, path, real: target };
      });
}

/** The paths of `denyRead` or `denyWrite`. What is denied may be created later. */
function denials(field: string, value: unknown, cwd: string): Entry[] {
  return (list(field, value) ?? []).map((said, index) => {
    const path = absolute(said, cwd);
    refuseUnexpanded(`${OPTION}.${field}[${index}]`, said, "a path", () => real(path) !== undefined);
    return { ...asDenial(path), said };
  });
}

/** Throws for what would have to be expanded to be something that exists, unless it exists as it is. */
function refuseUnexpanded(option: string, said: string, allowed: string, exists: () => boolean): void {
  const form = unexpanded(said);
  if (form !== undefined && !exists()) {
    refuse(CALLER, option, said, `${allowed}. This is ${form}, and there is nothing of that very name`);
  }
}

function asDenial(path: string): Entry {
  return { said: path, path, real: realOrFuture(path) };
}

function listed(entries: true | readonly Entry[]): Grant {
  return entries === true ? true : spread(entries);
}

function spread(entries: readonly Entry[]): string[] {
  return unique(entries.flatMap(({ path, real: target = path }) => [path, target]));
}

/** Throws if one field grants what another denies, because one of the two would be ignored. */
function refuseContradiction(
  grantField: string,
  granted: true | readonly Entry[] | undefined,
  denyField: string,
  denied: readonly Entry[],
): void {
  const trees = new Trees(denied.map(leadsTo));
  const grant = granted === true ? undefined : granted?.find((entry) => trees.cover(leadsTo(entry)));
  if (grant !== undefined) {
    const denial = denied.find((entry) => covers(entry, grant));
    if (denial !== undefined) {
      throw new InvalidOptionError(
        `${CALLER}: "${OPTION}.${grantField}" has ${describe(grant.said)}, which ` +
          `"${OPTION}.${denyField}" denies by ${describe(denial.said)}`,
      );
    }
  }
}

/** What is granted, with the field that grants it. */
interface Grants {
  readonly field: "read" | "write";
  readonly entries: true | readonly Entry[];
}

/**
 * The profile's denials, except for those inside which the user has named a path or has the working directory. What is
 * not granted there is still denied. Throws if a wider grant needs the denial of what was named. `denied` are the
 * grants that the denials restrict, `named` are the grants that lift denials.
 */
function lift(profile: readonly Entry[], denied: Grants, named: readonly Grants[]): Entry[] {
  return profile.filter((denial) => {
    for (const { field, entries } of named) {
      const inside = entries === true ? undefined : entries.find((grant) => covers(denial, grant));
      if (inside !== undefined) {
        refuseWithin(denial, denied, `"${OPTION}.${field}" has ${describe(inside.said)}`);
        return false;
      }
    }
    return true;
  });
}

function refuseWithin(denial: Entry, { field, entries }: Grants, what: string): void {
  const wider =
    entries === true ? true : entries.find((grant) => covers(grant, denial) && !covers(denial, grant))?.said;
  if (wider !== undefined) {
    const where = wider === true ? `what "${OPTION}.${field}": true grants` : describe(wider);
    throw new InvalidOptionError(
      `${CALLER}: ${what}, which the strict profile denies inside of ${where}. Name what is needed ` +
        "there instead of that",
    );
  }
}

/** Whether a rule for one path also holds for the other. */
function covers(entry: Entry, other: Entry): boolean {
  return isWithin(leadsTo(other), leadsTo(entry));
}

function leadsTo({ path, real: target = path }: Entry): string {
  return target;
}

function environment(given: unknown, { cwd, env }: Subject): EnvironmentPolicy {
  const option = `${OPTION}.env`;
  const said = record(CALLER, option, given ?? {}, "an object: { allow }");
  refuseUnknown(CALLER, said, ["allow", "deny", "files"], `${option}.`);
  const { allow, deny, files } = said;
  if (allow !== undefined && env !== undefined) {
    throw new InvalidOptionError(
      `${CALLER}: "${option}.allow" and "worker.env" both say which variables there are: say one of them`,
    );
  }
  const allowed = allow === true ? true : variableNames(`${option}.allow`, allow);
  const denied = variableNames(`${option}.deny`, deny);
  const loaded: Record<string, string> = Object.create(null);
  const sources = typeof files === "string" ? [files] : (files ?? []);
  for (const [index, file] of texts(CALLER, `${option}.files`, sources, 0).entries()) {
    Object.assign(loaded, variablesOf(`${option}.files[${index}]`, file, absolute(file, cwd)));
  }
  return { allow: allowed, deny: denied, files: loaded };
}

function variableNames(option: string, value: unknown = []): readonly string[] {
  const given = texts(CALLER, option, value, 0);
  for (const [index, name] of given.entries()) {
    if (name.includes("=")) {
      refuse(CALLER, `${option}[${index}]`, name, `a variable's name, without "="`);
    }
    refuseUnexpanded(`${option}[${index}]`, name, "a variable's name", () => name in process.env);
  }
  return given;
}

/** In Node 20.12 and later; the installed types don't have it. */
const { parseEnv } = require("node:util") as { parseEnv?: (content: string) => Record<string, string> };

function variablesOf(option: string, said: string, path: string): Record<string, string> {
  if (parseEnv === undefined) {
    throw new InvalidOptionError(
      `${CALLER}: "${option}" takes Node 20.12 or later, this is ${process.versions.node}`,
    );
  }
  let content: string;
  try {
    content = readFileSync(path, "utf8");
  } catch (error) {
    refuse(CALLER, option, said, `a file that can be read: ${(error as Error).message}`);
  }
  const variables = Object.entries(parseEnv(content));
  return Object.fromEntries(variables.filter(([name]) => !BOOT_VARIABLES.includes(name)));
}

/** The programs that may be started, with the switches for the workers' runtime. */
function programs(given: Readonly<Record<string, unknown>>, { runtime, cwd }: Subject): Grant {
  const said = names("run", given.run);
  const run = typeof said === "object" ? said.map(programPath("run", cwd)) : said;
  const ofNode = switchOf(given, "node", "allowChildProcess");
  const ofDeno = switchOf(given, "deno", "allowRun");
  if (runtime === "deno") {
    return run ?? (ofDeno === true ? true : []);
  }
  if (runtime === "bun" || ofNode === undefined) {
    return run ?? [];
  }
  return ofNode ? (run ?? true) : [];
}

/** A plain name stays as it is and is looked up on `PATH`. A program comes without arguments. */
function programPath(field: string, cwd: string): (program: string, index: number) => string {
  return (program, index) => {
    const isPath = program.includes("/");
    const path = isPath ? absolute(program, cwd) : program;
    const option = `${OPTION}.${field}[${index}]`;
    const exists = (): boolean => isPath && real(path) !== undefined;
    refuseUnexpanded(option, program, "a program's name or path", exists);
    if (/\s/.test(program) && !exists()) {
      refuse(CALLER, option, program, "a program's name or path, without arguments");
    }
    return path;
  };
}

/** `node.allowChildProcess` or `deno.allowRun`. */
function switchOf(
  given: Readonly<Record<string, unknown>>,
  runtime: "node" | "deno",
  name: string,
): boolean | undefined {
  const option = `${OPTION}.${runtime}`;
  const options = record(CALLER, option, given[runtime] ?? {}, `an object: { ${name} }`);
  refuseUnknown(CALLER, options, [name], `${option}.`);
  return optional(options[name], (value) => flag(CALLER, `${option}.${name}`, value));
}

/** Checks for `true`, `false` or a list. */
function names(field: string, value: unknown): Grant | undefined {
  if (value === undefined || value === true) {
    return value;
  }
  if (value === false) {
    return [];
  }
  if (!Array.isArray(value)) {
    refuse(CALLER, `${OPTION}.${field}`, value, "true, false or an array of strings");
  }
  return list(field, value);
}

function list(field: string, value: unknown): readonly string[] | undefined {
  return optional(value, (given) => texts(CALLER, `${OPTION}.${field}`, given, 0));
}

/**
 * A host: a name, perhaps with `*.` before it, or an address or a range of addresses; and optionally a port. An IPv6
 * address stands in brackets.
 */
const HOST = /^(\[[\da-f:.]+\]|(\*\.(?![\d.]+(:|$)))?[^\s,:/[\]*?${}!'"]+(\/\d+)?)(:\d{1,5})?$/i;

function hosts<G extends Grant>(field: string, granted: G | undefined): G | readonly string[] {
  for (const [index, host] of granted === undefined || granted === true ? [] : granted.entries()) {
    if (!HOST.test(host)) {
      refuse(
        CALLER,
        `${OPTION}.${field}[${index}]`,
        host,
        'a host such as "example.com", "127.0.0.1:8080" or "[::1]:8080"',
      );
    }
  }
  return granted ?? [];
}

function yesOrNo(field: string, value: unknown): boolean | undefined {
  return optional(value, (given) => flag(CALLER, `${OPTION}.${field}`, given));
}
