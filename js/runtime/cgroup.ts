/** The option `worker.cgroup`. */
import { accessSync, constants, readFileSync, statfsSync } from "node:fs";
import { join, resolve } from "node:path";
import { InvalidOptionError } from "../base/errors";
import { describe, text } from "../base/validate";

const CALLER = "createPool";
const OPTION = "worker.cgroup";
/** `CGROUP2_SUPER_MAGIC` of linux/magic.h. */
const CGROUP2 = 0x63677270;
/** The types of cgroups that processes can't be put into. */
const NO_PROCESSES = ["threaded", "domain invalid"];

/** The absolute path of a cgroup's folder, into which this process can put others as far as can be told now. */
export function resolveCgroup(value: unknown): string {
  const folder = resolve(text(CALLER, OPTION, value));
  const refuse = (what: string, cause?: unknown): never => {
    throw new InvalidOptionError(
      `${CALLER}: "${OPTION}" is ${describe(value)}, and ${what}. It must be the folder of a cgroup, of version 2, ` +
        "in which this process may write to cgroup.procs, such as one that systemd has delegated (Delegate=yes)",
      cause === undefined ? undefined : { cause },
    );
  };
  try {
    if (statfsSync(folder).type !== CGROUP2) {
      refuse("no cgroup of version 2 is there");
    }
    const type = typeOf(folder);
    if (NO_PROCESSES.includes(type)) {
      refuse(`its cgroup.type is "${type}", so that no process can be in it`);
    }
    accessSync(join(folder, "cgroup.procs"), constants.W_OK);
  } catch (error) {
    if (error instanceof InvalidOptionError) {
      throw error;
    }
    refuse((error as Error).message, error);
  }
  return folder;
}

/** The root of all cgroups has no type. */
function typeOf(folder: string): string {
  try {
    return readFileSync(join(folder, "cgroup.type"), "utf8").trim();
  } catch {
    return "domain";
  }
}
