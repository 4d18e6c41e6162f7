/** The kinds of workers that every behaviour is proved on. */
import type { WorkerOptions } from "knitting-native";
import { describe } from "vitest";

export interface Kind {
  readonly name: string;
  readonly worker: WorkerOptions;
  /** Whether the worker is a process of its own. */
  readonly isProcess: boolean;
}

export const kinds: readonly Kind[] = [
  { name: "thread", worker: { runtime: "thread" }, isProcess: false },
  { name: "process on node", worker: { runtime: "process", processRuntime: "node" }, isProcess: true },
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
