/**
 * Selects the Node flags of the host that its workers also get, and tells of those that they would need and don't get.
 * The flags of the host are its own and those of the variable `NODE_OPTIONS`, which most workers don't have.
 */
import { environmentOf } from "./environment";
import type { ResolvedWorker } from "./options";

/** They load code before the program. It was chosen for the host, and may do there what no worker should. */
const PRELOADS = ["-r", "--require", "--import", "--loader", "--experimental-loader"];

/** They decide which of its files a package exports. */
const CONDITIONS = ["-C", "--conditions"];

/**
 * Flags that say what the host runs, how it is watched, or what a test runner has set up. They are not meant for a
 * worker.
 */
const NOT_INHERITED = new Set([
  ...PRELOADS,
  "-e",
  "--eval",
  "-p",
  "--print",
  "-pe",
  "-i",
  "--interactive",
  "-c",
  "--check",
  "--input-type",
  "--title",
]);

/** The same, for whole families of flags. */
const NOT_INHERITED_PREFIXES = [
  "--inspect",
  "--debug",
  "--test",
  "--experimental-test",
  "--watch",
  "--allow-",
  "--permission",
  "--experimental-permission",
  "--cpu-prof",
  "--heap-prof",
  "--prof",
  "--env-file",
];

/** The flags of the host that a worker on the same Node gets. */
export function inheritedFlags(): string[] {
  return inheritedExecArgv([...flagsOfVariable(), ...process.execArgv], isTestRunners());
}

/** The conditions of the host, as flags that each runtime has. */
export function inheritedConditions(): string[] {
  const flags = [...flagsOfVariable(), ...process.execArgv];
  const given = isTestRunners() ? [] : selected(flags, (flag) => CONDITIONS.includes(flag));
  const values = given.map((argument) => argument.replace(/^(-C|--conditions)(=|$)/, ""));
  return values.filter((value) => value !== "").map((value) => `--conditions=${value}`);
}

/** The flags that a worker gets of these. A test runner's conditions are for its own way to load modules. */
export function inheritedExecArgv(flags: readonly string[], isTest: boolean): string[] {
  return selected(
    flags,
    (flag) =>
      !NOT_INHERITED.has(flag) &&
      !NOT_INHERITED_PREFIXES.some((prefix) => flag.startsWith(prefix)) &&
      !(isTest && CONDITIONS.includes(flag)),
  );
}

let isTold = false;

/**
 * Warns, once, if the host has preloads that its workers on Node don't have. With the option `workerExecArgv` the user
 * has decided that.
 */
export function tellOfPreloads(worker: ResolvedWorker): void {
  const isNode = worker.runtime === "thread" || worker.runtime === "node";
  if (!isNode || worker.execArgv !== undefined || isTold || isTestRunners()) {
    return;
  }
  const variable = flagsOfVariable();
  // Workers that have the variable heed it themselves.
  const missing = variable.length > 0 && environmentOf(worker).has("NODE_OPTIONS") ? [] : variable;
  const preloads = selected([...missing, ...process.execArgv], (flag) => PRELOADS.includes(flag));
  if (preloads.length > 0) {
    isTold = true;
    process.emitWarning(
      `createPool: this process runs with ${preloads.join(" ")}, and its workers do not: what that loads is not ` +
        `there. To have it there, say workerExecArgv: ${JSON.stringify([...inheritedFlags(), ...preloads])}. ` +
        "With any workerExecArgv this warning ends",
      { type: "PreloadWarning", code: "KNITTING_PRELOADS_NOT_INHERITED" },
    );
  }
}

/**
 * Whether this is a worker of Vitest, which starts its workers with conditions and preloads of its own. Asked of this
 * program and not of its environment, which a program that a test starts has too.
 */
function isTestRunners(): boolean {
  return "__vitest_worker__" in globalThis;
}

/**
 * The flags in `NODE_OPTIONS`: separated by spaces, except for those between double quotes, where a backslash takes the
 * next character as it is.
 */
function flagsOfVariable(): string[] {
  const words = process.env.NODE_OPTIONS?.match(/(?:"(?:\\.|[^"\\])*"|[^ "])+/g) ?? [];
  return words.map((word) =>
    word.replace(/"((?:\\.|[^"\\])*)"/g, (_, quoted: string) => quoted.replace(/\\(.)/g, "$1")),
  );
}

/**
 * The flags whose name is wanted. A flag is kept or dropped together with its value, which is in the same argument or in
 * the next: there is nothing else among flags.
 */
function selected(flags: readonly string[], isWanted: (flag: string) => boolean): string[] {
  let wanted = true;
  return flags.filter((argument) => {
    if (argument.startsWith("-")) {
      wanted = isWanted(argument.split("=", 1)[0]);
    }
    return wanted;
  });
}
