/** What can be seen of this and other processes from outside, and hosts in separate processes. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

/**
 * How long anything may take before a test gives up on it. This is a watchdog, not a measurement: long enough for a
 * machine that others use, and shorter than the minute for which the tasks that a test has to stop stay busy.
 */
export const WATCHDOG_MILLIS = 45_000;

/** Ids of the live children of a process, without zombies. */
export function childrenOf(pid: number): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((candidate) => {
      const stat = statOf(candidate);
      return stat?.parent === pid && stat.state !== "Z";
    });
}

/** Ids of all live descendants of a process. */
export function descendantsOf(pid: number): number[] {
  return childrenOf(pid).flatMap((child) => [child, ...descendantsOf(child)]);
}

/** The command line of a process, for messages. */
export function commandOf(pid: number): string {
  try {
    return `${pid}: ${readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ")}`;
  } catch {
    return `${pid}: gone by now`;
  }
}

/** Whether a process runs. A zombie doesn't. */
export function isAlive(pid: number): boolean {
  const stat = statOf(pid);
  return stat !== undefined && stat.state !== "Z";
}

function statOf(pid: number): { state: string; parent: number } | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    // The name in parentheses may contain anything.
    const [state, parent] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return { state, parent: Number(parent) };
  } catch {
    return undefined;
  }
}

/** Names of the threads of a process. */
export function threadsOf(pid: number): string[] {
  return readdirSync(`/proc/${pid}/task`).map((thread) =>
    readFileSync(`/proc/${pid}/task/${thread}/comm`, "utf8").trim(),
  );
}

/** Whether all threads of a process are stopped. A signal takes its time to reach a thread that runs on another core. */
export function isStopped(pid: number): boolean {
  return readdirSync(`/proc/${pid}/task`).every((thread) =>
    /^State:\s+T/m.test(readFileSync(`/proc/${pid}/task/${thread}/status`, "utf8")),
  );
}

/** How often the threads of a process have gone to sleep so far. Before each time they had been woken. */
export function wakeUpsOf(pid: number): number {
  let total = 0;
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    const status = readFileSync(`/proc/${pid}/task/${thread}/status`, "utf8");
    total += Number(/^voluntary_ctxt_switches:\s+(\d+)/m.exec(status)?.[1]);
  }
  return total;
}

/** Milliseconds of processor time that all threads of a process have used so far. The system counts in steps of ten. */
export function cpuMillisOf(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  // The name in parentheses may contain anything.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const [user, system] = fields.slice(11, 13).map(Number);
  return (user + system) * 10;
}

/** Open descriptors of this process. */
export function descriptors(): number {
  return readdirSync("/proc/self/fd").length;
}

/** Waits until a condition holds. Throws if that takes too long. */
export async function until(what: string, condition: () => boolean, millis = WATCHDOG_MILLIS): Promise<void> {
  const end = Date.now() + millis;
  while (!condition()) {
    if (Date.now() > end) {
      throw new Error(`not in ${millis} ms: ${what}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** Settles as the promise does, or rejects if that takes too long. */
export function within<T>(promise: Promise<T>, millis = WATCHDOG_MILLIS): Promise<T> {
  let timer: NodeJS.Timeout;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`nothing happened in ${millis} ms`)), millis);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/** A host program of `fixtures/hosts/` in a separate process. */
export class Host {
  readonly process: ChildProcess;
  stdout = "";
  stderr = "";
  readonly #exit: Promise<[code: number | null, signal: string | null]>;

  constructor(script: string, ...args: string[]) {
    const path = join(__dirname, "..", "fixtures", "hosts", script);
    this.process = spawn(process.execPath, [...Host.#flags, path, ...args], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.process.stdout?.on("data", (data) => {
      this.stdout += data;
    });
    this.process.stderr?.on("data", (data) => {
      this.stderr += data;
    });
    this.#exit = once(this.process, "exit") as Promise<[number | null, string | null]>;
  }

  static #flags: readonly string[] = [];

  /** A host that runs with these flags of Node. */
  static with(flags: readonly string[], script: string, ...args: string[]): Host {
    Host.#flags = flags;
    try {
      return new Host(script, ...args);
    } finally {
      Host.#flags = [];
    }
  }

  get pid(): number {
    return this.process.pid as number;
  }

  /** Waits until the host has printed this. */
  async says(text: string): Promise<void> {
    await until(`the host says ${text}: ${this.stdout}${this.stderr}`, () => this.stdout.includes(text));
  }

  /** Waits for the host's end. Kills the host if that takes too long. */
  async exit(): Promise<{ code: number | null; signal: string | null }> {
    try {
      const [code, signal] = await within(this.#exit);
      return { code, signal };
    } finally {
      this.process.kill("SIGKILL");
    }
  }
}
