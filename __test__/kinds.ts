/** The kinds of workers that every behaviour is proved on. */
import type { WorkerOptions } from "knitting-native";
import { describe } from "vitest";
// @ts-expect-error the scripts are plain JavaScript
import { ensureRuntimes } from "../scripts/runtimes.mjs";

export interface Kind {
  readonly name: string;
  readonly worker: WorkerOptions;
  /** Whether the worker is a process of its own. */
  readonly isProcess: boolean;
}

const runtimes = ensureRuntimes();

const onNode: WorkerOptions = { runtime: "process", processRuntime: "node" };
const onDeno: WorkerOptions = {
  runtime: "process",
  processRuntime: "deno",
  processRuntimePath: runtimes.deno,
};
const onBun: WorkerOptions = { runtime: "process", processRuntime: "bun", processRuntimePath: runtimes.bun };

export const kinds: readonly Kind[] = [
  { name: "thread", worker: { runtime: "thread" }, isProcess: false },
  { name: "process on node", worker: onNode, isProcess: true },
  { name: "process on deno", worker: onDeno, isProcess: true },
  { name: "process on bun", worker: onBun, isProcess: true },
];

/** Runs a suite once for each kind of worker. */
export function onEveryKind(suite: (kind: Kind) => void): void {
  for (const kind of kinds) {
    describe(kind.name, () => suite(kind));
  }
}

/** Runs a suite once for each kind of worker that is a process. */
export function onProcesses(suite: (kind: Kind) => void): void {
  for (const kind of kinds.filter(({ isProcess }) => isProcess)) {
    describe(kind.name, () => suite(kind));
  }
}
