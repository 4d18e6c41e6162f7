/**
 * A task that is named by its module. Only the workers evaluate that module: `tasks/sha256.mjs` throws in any other
 * process, and this program runs.
 */
import { createPool, importTask } from "knitting-native";

const sha256 = importTask({ href: "./tasks/sha256.mjs", name: "sha256" });

// This program needs no `isMain`: no worker imports this file, since none of its own functions is a task.
const pool = createPool({
  threads: 2,
  worker: { runtime: "process", processRuntime: "node" },
})({ sha256 });
try {
  const bytes = new TextEncoder().encode("abc");
  // ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad
  console.log(await pool.call.sha256(bytes));
} finally {
  await pool.shutdown();
}
