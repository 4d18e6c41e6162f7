/** A host in TypeScript, whose own exports are tasks too. */
import { createPool, importTask, isMain, task } from "knitting-native";

export const half = (x: number): number => x / 2;
export const twice = task({ f: (x: number): number => 2 * x });
const add = importTask<{ a: number; b: number }, number>({ href: "../tasks/typed.mts", name: "add" });
const reportIsMain = importTask<void, boolean>({ href: "../tasks/typed.mts", name: "reportIsMain" });

if (isMain) {
  for (const worker of [{ runtime: "thread" }, { runtime: "process", processRuntime: "node" }] as const) {
    const pool = createPool({ worker })({ half, twice, add, reportIsMain });
    const { call } = pool;
    const results = [call.half(4), call.twice(4), call.add({ a: 1, b: 2 }), call.reportIsMain()];
    console.log((await Promise.all(results)).join(" "));
    await pool.shutdown();
  }
}
