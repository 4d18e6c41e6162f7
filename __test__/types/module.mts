/** From an ES module. */
import * as knitting from "knitting-native";
import knittingByDefault, { createPool, KnittingError, WorkerCrashedError } from "knitting-native";
import * as tasks from "./tasks.mjs";

export const pool = createPool({ worker: { runtime: "process", processRuntime: "node" } })(tasks);
export const sum: Promise<number> = pool.call.add([1, 2]);
export const same: (typeof createPool)[] = [knitting.createPool, knittingByDefault.createPool];

export function explain(error: unknown): string | null {
  if (error instanceof WorkerCrashedError) {
    return error.signal;
  }
  return error instanceof KnittingError ? error.code : null;
}
