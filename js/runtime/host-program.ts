/** What runs this process, the host of its pools. It must be Node, and it may be a program that Node is a part of. */
import { writeSync } from "node:fs";
import { isBuiltin } from "node:module";
import { isMainThread, workerData } from "node:worker_threads";
import { KnittingError, UnsupportedPlatformError } from "../base/errors";
import { native } from "../native/addon";
import { BOOT_VARIABLES, type ThreadData } from "../task/program";

/** Other runtimes by their names in `process.versions`. They say there that they are Node as well. */
const OTHERS = { bun: "Bun", deno: "Deno" };

/**
 * Throws in a runtime other than Node. Threads of Bun and Deno ignore the flags that keep a worker within its
 * permissions, so the pool would claim what nobody enforces.
 */
export function assertNodeHost(): void {
  for (const [key, name] of Object.entries(OTHERS)) {
    const version = process.versions[key];
    if (version !== undefined) {
      throw new UnsupportedPlatformError(
        `createPool: the host of a pool runs on Node, and this is ${name} ${version}. Start this program ` +
          `with Node 20.9 or later; its workers can run on ${name}: worker: { runtime: "process", ` +
          `processRuntime: "${key}" }`,
      );
    }
  }
}

/** Programs that Node is a part of, by their names in `process.versions`. */
const HOLDERS = { electron: "Electron", nw: "NW.js" };

/** Describes this program if its executable starts the program itself, whatever script it is given. */
export function describePacked(): string | undefined {
  for (const [key, name] of Object.entries(HOLDERS)) {
    const version = process.versions[key];
    if (version !== undefined) {
      return `${name} ${version}`;
    }
  }
  if ((process as { pkg?: unknown }).pkg !== undefined) {
    return "an executable made by pkg";
  }
  return isSingleExecutable() ? "a single executable application" : undefined;
}

/** Node 20.12 and later know whether they are one. */
function isSingleExecutable(): boolean {
  if (!isBuiltin("node:sea")) {
    return false;
  }
  const { isSea } = require("node:sea") as { isSea(): boolean };
  return isSea();
}

/**
 * Ends what was started as a worker and is a host: a process whose command runs something else than the worker's script,
 * such as the host's own executable, or a preload that comes before the script. It would make a pool in its turn, whose
 * workers make pools, without end. A worker's script has removed these traces before it runs any code of a user.
 */
export function endIfStartedAsWorker(): void {
  if (isOurThread()) {
    throw new KnittingError(
      "KNITTING_POOL_IN_WORKER",
      `createPool was called in a worker thread of a pool, by what workerExecArgv or NODE_OPTIONS loads there. ${NO_POOLS}`,
    );
  }
  if (BOOT_VARIABLES.every((name) => name in process.env)) {
    // A stream would write too late if this is a thread of that program.
    writeSync(
      process.stderr.fd,
      `knitting-native: ${process.execPath} was started as a worker of a pool, and what runs there creates a pool ` +
        `itself. ${NO_POOLS} worker.processRuntimePath must name a Node, Deno or Bun that runs the script that it ` +
        "is given\n",
    );
    // A thread ends alone here. The host ends the process when its boot has taken too long.
    process.exit(native().EXIT_REFUSED);
  }
}

const NO_POOLS = "Its workers would do the same, without end.";

function isOurThread(): boolean {
  const { token, program } = (isMainThread ? {} : (workerData ?? {})) as Partial<ThreadData>;
  return typeof token === "number" && program?.tasks !== undefined;
}
