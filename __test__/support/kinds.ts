/** The kinds of workers on which every behaviour is proved. */
import { join } from "node:path";
import type { WorkerInfo, WorkerOptions } from "knitting-native";
import { describe, test } from "vitest";
// @ts-expect-error the scripts are plain JavaScript
import { ensureRuntimes } from "../../scripts/runtimes.mjs";
import { ensureContainers, missing } from "./containers";
import { commandOf, until } from "./processes";
import { scope } from "./repetitions";

export interface Kind {
  readonly name: string;
  readonly worker: WorkerOptions;
  /** Whether the worker is a process of its own. */
  readonly isProcess: boolean;
  /** Whether the worker is started by a wrapper that stays and has its own PID namespace. */
  readonly isWrapped: boolean;
  /** The runtime's program as it stands in the command line; empty for a thread. */
  readonly executable: string;
  /** Why this kind is not available here. */
  readonly skip?: string | undefined;
}

const root = join(__dirname, "..", "..");
const runtimes: Record<string, string> = ensureRuntimes();
const containers = ensureContainers();

const processes = (["node", "deno", "bun"] as const).map((processRuntime) => ({
  runtime: "process" as const,
  processRuntime,
  processRuntimePath: processRuntime === "node" ? process.execPath : runtimes[processRuntime],
}));

const bwrap = [
  ...["bwrap", "--unshare-all", "--ro-bind", "/", "/", "--dev-bind", "/dev", "/dev", "--proc", "/proc"],
  "--die-with-parent",
];

const podmanRun = [
  ...["podman", "run", "--rm", "--ipc=host", "--label", "knitting-test=kinds"],
  ...["-v", `${root}:${root}:ro`, "-w", root],
  ...["-e", "KNITTING_PROCESS_WORKER", "-e", "KNITTING_PROCESS_WORKER_BOOT"],
  containers.image,
];

const all: readonly Kind[] = [
  { name: "thread", worker: { runtime: "thread" }, isProcess: false, isWrapped: false, executable: "" },
  ...processes.map((worker) => ({
    name: `process on ${worker.processRuntime}`,
    worker,
    isProcess: true,
    isWrapped: false,
    executable: worker.processRuntimePath,
  })),
  ...processes.map((worker) => ({
    name: `process on ${worker.processRuntime} in bwrap`,
    worker: { ...worker, processCommandPrefix: bwrap },
    isProcess: true,
    isWrapped: true,
    executable: worker.processRuntimePath,
    skip: missing("bwrap"),
  })),
  {
    name: "process on node in a container",
    worker: {
      runtime: "process",
      processRuntime: "node",
      processSharedMemory: "named",
      processCommandPrefix: podmanRun,
      env: { ...(process.env as Record<string, string>), ...containers.environment },
    },
    isProcess: true,
    isWrapped: true,
    executable: "node",
    skip: containers.available ? undefined : containers.reason,
  },
];

/** The two kinds that most of the code is for. */
const FAST = ["thread", "process on node"];

/** The kinds of the current scope. The fast scope has only two. */
export const kinds = all.filter(({ name }) => scope !== "fast" || FAST.includes(name));

/**
 * Each runtime and each wrapper, and before a release each kind of worker: the runtime behind a wrapper makes little
 * difference. Those that are left out of the gate have wrapped-calls.test.ts there.
 */
export const kindsInGate = kinds.filter(({ name }) => !/(deno|bun) in bwrap/.test(name) || scope === "soak");

/** The kind of that name, in every scope. */
export function kindNamed(name: string): Kind {
  const found = all.find((kind) => kind.name === name);
  if (found === undefined) {
    throw new Error(`there is no kind of worker named "${name}"`);
  }
  return found;
}

/** Runs a suite once for a thread and for a bare process of each runtime, if a wrapper makes no difference. */
export function onEveryRuntime(suite: (kind: Kind) => void): void {
  on(
    kinds.filter(({ isWrapped }) => !isWrapped),
    suite,
  );
}

/**
 * Runs a suite as `onEveryRuntime` does, and before a release for each kind of worker, if a wrapper is not involved. A
 * wrapper is involved in the start of a worker, its memory, its output and its end.
 */
export function onEveryRuntimeInGate(suite: (kind: Kind) => void): void {
  on(
    kinds.filter(({ isWrapped }) => !isWrapped || scope === "soak"),
    suite,
  );
}

/**
 * Runs a suite for a thread and for a process, and before a release for each kind of worker, if all that it proves happens
 * in the host.
 */
export function onThreadAndProcessInGate(suite: (kind: Kind) => void): void {
  on(
    kinds.filter(({ name }) => FAST.includes(name) || scope === "soak"),
    suite,
  );
}

/** Runs a suite once for each of `kindsInGate`. */
export function onEveryWrapperInGate(suite: (kind: Kind) => void): void {
  on(kindsInGate, suite);
}

/** Runs a suite once for each of `kindsInGate` that is a process. */
export function onProcessesInGate(suite: (kind: Kind) => void): void {
  on(
    kindsInGate.filter(({ isProcess }) => isProcess),
    suite,
  );
}

/** Runs a suite once for each kind of worker that a wrapper starts. */
export function onWrapped(suite: (kind: Kind) => void): void {
  on(
    kinds.filter(({ isWrapped }) => isWrapped),
    suite,
  );
}

/** Runs a suite once for each kind of worker that is a direct child of the host. */
export function onChildren(suite: (kind: Kind) => void): void {
  on(
    kinds.filter(({ isProcess, isWrapped }) => isProcess && !isWrapped),
    suite,
  );
}

/**
 * The process id, on this side, of a worker that has answered a call. For a wrapped worker the wrapper's is known
 * first.
 */
export async function pidOf(pool: { readonly workers: readonly WorkerInfo[] }, index = 0): Promise<number> {
  // A reply may arrive before the event with the process id.
  const found = () => pool.workers[index].pid;
  const isFound = (pid: number | null) => pid !== null && !/bwrap|podman/.test(commandOf(pid));
  await until("the worker is found", () => isFound(found()));
  return found() as number;
}

/**
 * A test for the kinds for which it is meaningful. For others it doesn't exist, so that it is not reported as skipped.
 */
export function testIf(isMeant: boolean): typeof test | ((...of: Parameters<typeof test>) => void) {
  return isMeant ? test : () => {};
}

/** Runs a suite once for each of these kinds. */
export function on(some: readonly Kind[], suite: (kind: Kind) => void): void {
  for (const kind of some) {
    const name = kind.skip === undefined ? kind.name : `${kind.name} (skipped: ${kind.skip})`;
    describe.skipIf(kind.skip !== undefined)(name, () => suite(kind));
  }
}
