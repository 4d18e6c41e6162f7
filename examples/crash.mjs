/** A worker dies in the middle of a call. That call rejects with the reason, and another worker takes the next call. */
import { spawnSync } from "node:child_process";
import { createPool, isMain, WorkerCrashedError } from "knitting-native";

export function divide([dividend, divisor]) {
  if (divisor === 0) {
    // This is what a native module with a bug would do. No `catch` in the worker can help.
    spawnSync("kill", ["-9", String(process.pid)]);
  }
  return dividend / divisor;
}

if (isMain) {
  const pool = createPool({
    worker: { runtime: "process", processRuntime: "node" },
    permission: "unsafe", // it starts a program
  })({ divide });
  try {
    await pool.call.divide([1, 0]);
  } catch (error) {
    if (!(error instanceof WorkerCrashedError)) {
      throw error;
    }
    console.log(`${error.name}: ${error.task} ended by ${error.signal}`); // WorkerCrashedError: divide ended by SIGKILL
    console.log(await pool.call.divide([6, 2])); // 3
  } finally {
    await pool.shutdown();
  }
}
