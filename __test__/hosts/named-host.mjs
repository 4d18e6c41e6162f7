/** A host that is killed while its worker's memory has a name: `named-host.mjs <prefix>`. */
import { createPool, importTask } from "knitting-native";

const href = new URL("../tasks/basic.mjs", import.meta.url).href;
const pool = createPool({
  worker: {
    runtime: "process",
    processRuntime: "node",
    processSharedMemory: { mode: "named", namePrefix: process.argv[2] },
    processCommandPrefix: ["sh", "-c", "exec sleep 1000"],
    startupTimeoutMs: 60_000,
  },
})({ add: importTask({ href, name: "add" }) });
console.log("started");
await pool.call.add([1, 2]);
