/**
 * A host that is to be killed at a named moment of its workers' lives: `orphan-host.mjs <plan as JSON>`. It says nothing; what
 * is reached announces itself by files in `plan.folder`.
 *
 *   plan.phase     starting | before-exec | before-attach | running | replying | shutting-down, or `next`: a pool that serves
 *                  one call for each worker and ends
 *   plan.wrapper   the command that stands before the worker's; %n in it is another number for each start
 *   plan.named     what the memory's names begin with; left out where it is inherited
 *   plan.threads   how many workers
 */
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { createPool, importTask } from "knitting-native";

const { phase, wrapper, named, threads, folder } = JSON.parse(process.argv[2]);
const tasks = (name) => new URL(`../tasks/${name}`, import.meta.url);
const of = (name) => importTask({ href: tasks("held.mjs").href, name });

/** Stands before the wrapper: announces that nothing has been executed yet, and waits to be told to go on. */
const BARRIER = [
  "sh",
  "-c",
  `: > "$0/before-exec.$$"; while [ ! -e "$0/go" ]; do sleep 0.01; done; exec "$@"`,
  folder,
];
const prefix = phase === "before-exec" ? [...BARRIER, ...wrapper] : wrapper;
let started = 0;
function command() {
  started++;
  return prefix.map((argument) => argument.replace("%n", started));
}

const pool = createPool({
  threads,
  permission: "unsafe",
  workerExecArgv:
    phase === "before-attach" ? ["--import", fileURLToPath(tasks("held-before-attach.mjs"))] : [],
  worker: {
    runtime: "process",
    processRuntime: "node",
    // Longer than any watchdog of the test's: what ends a worker here is the end of its host.
    startupTimeoutMs: 120_000,
    ...(prefix.length > 0 && { processCommandPrefix: command }),
    ...(named !== undefined && { processSharedMemory: { mode: "named", namePrefix: named } }),
  },
})({ running: of("running"), replying: of("replying"), echo: of("echo") });

/** One call for each worker. */
function callAll(name) {
  return Promise.all(Array.from({ length: threads }, () => pool.call[name](1)));
}

function announce(what) {
  writeFileSync(join(folder, `${what}.host`), "");
}

if (phase === "next") {
  await callAll("echo");
  await pool.shutdown();
} else {
  const name = { running: "running", replying: "replying", "shutting-down": "running" }[phase] ?? "echo";
  callAll(name).catch(() => {});
  if (phase === "starting") {
    announce(phase);
  }
  // It would live for ever, if it were let.
  setInterval(() => {
    if (phase === "shutting-down" && existsSync(join(folder, "shut"))) {
      announce(phase);
      pool.shutdown();
    }
  }, 5);
}
