/** Finds every process of a test: by a mark that it has inherited or was given, by its group, and by its parents. */
import { readdirSync, readFileSync } from "node:fs";
import { descendantsOf } from "./processes";

export interface Found {
  readonly pid: number;
  readonly group: number;
  /** The command line, for messages. */
  readonly command: string;
}

/**
 * The live processes that have the mark in their environment or command line, those in one of these process groups, and
 * the processes that any of them has started. Never includes this process. Of another user's processes only the command
 * line can be read.
 */
export function processesOf(mark: string, groups: ReadonlySet<number> = new Set()): Found[] {
  const own = readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => hasMark(pid, mark) || groups.has(groupOf(pid) ?? 0));
  const all = new Set(own.flatMap((pid) => [pid, ...descendantsOf(pid)]));
  all.delete(process.pid);
  return [...all].flatMap((pid) => {
    const group = groupOf(pid);
    return group === undefined ? [] : [{ pid, group, command: text(pid, "cmdline").replaceAll("\0", " ") }];
  });
}

/** Kills the processes that `processesOf` finds, to clean up after a failed test. */
export function killProcessesOf(mark: string, groups?: ReadonlySet<number>): void {
  for (const { pid } of processesOf(mark, groups)) {
    try {
      process.kill(pid, "SIGKILL");
    } catch {
      // The process has ended by itself.
    }
  }
}

function hasMark(pid: number, mark: string): boolean {
  return text(pid, "cmdline").includes(mark) || text(pid, "environ").includes(mark);
}

/** The process group; undefined if the process has ended or is a zombie. */
function groupOf(pid: number): number | undefined {
  const stat = text(pid, "stat");
  // The name in parentheses may contain anything.
  const [state, , group] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return stat === "" || state === "Z" ? undefined : Number(group);
}

function text(pid: number, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, "latin1");
  } catch {
    return "";
  }
}
