/** The lines that a pool logs on stderr if the option `debug` enables them. */
import { type DebugContext, debugLog, isDebugging, millis, moduleName } from "../base/debug-log";
import type { WorkerInfo } from "../runtime/worker-info";
import type { Program, TaskSource } from "../task/program";
import type { Listeners } from "./events";
import type { ResolvedOptions } from "./options";

/** Number of pools that have logged something. */
let pools = 0;

/** The debug context of a new pool; undefined if it logs nothing. */
export function debugContextOf({ debug }: ResolvedOptions): DebugContext | undefined {
  return debug === undefined ? undefined : { who: `p${++pools}`, namespaces: debug };
}

/** The debug context of one of its workers. */
export function workerContextOf(pool: DebugContext, index: number): DebugContext {
  return { ...pool, who: `${pool.who}/w${index}` };
}

/** Logs what the pool is made of. */
export function traceSetup(
  debug: DebugContext,
  { config, balancer, worker }: ResolvedOptions,
  program: Program,
): void {
  const { minWorkers, maxWorkers } = config;
  const size = minWorkers === maxWorkers ? maxWorkers : `${minWorkers} to ${maxWorkers}`;
  const strategy = balancer ?? "roundRobin";
  debugLog(debug, "host", `has ${size} workers (${worker.runtime}), ${strategy}, in process ${process.pid}`);
  for (const source of program.tasks) {
    debugLog(debug, "host", `task "${source.task}" is ${placeOf(source)} of ${moduleName(source.href)}`);
  }
  const { bootstrap, teardown } = program;
  for (const [option, source] of Object.entries({ bootstrap, teardown })) {
    if (source !== undefined) {
      debugLog(debug, "host", `worker.${option} is export "${source.name}" of ${moduleName(source.href)}`);
    }
  }
}

function placeOf({ at }: TaskSource): string {
  return typeof at === "string" ? `export "${at}"` : `task ${at.nth + 1}`;
}

/** Logs what happens to the workers. */
export function traceWorkers(debug: DebugContext, listeners: Listeners): void {
  if (!isDebugging(debug, "lifecycle")) {
    return;
  }
  const tell = ({ index }: WorkerInfo, what: string) =>
    debugLog(workerContextOf(debug, index), "lifecycle", what);
  listeners.on("spawn", ({ worker }) => tell(worker, `was started (${worker.runtime}, pid ${worker.pid})`));
  listeners.on("ready", ({ worker }) => {
    const { startedAt, pid } = worker;
    tell(worker, `is ready, ${millis(Date.now() - Number(startedAt))} after its start (pid ${pid})`);
  });
  listeners.on("exit", ({ worker, exitCode, signal, reason, cause }) => {
    const how = signal === null ? `exited with status ${exitCode}` : `was killed by ${signal}`;
    const why = cause instanceof Error ? `${reason}: ${cause.message}` : reason;
    tell(worker, `${how}, after ${worker.served} calls (${why})`);
  });
  listeners.on("restart", ({ worker, delayMs, error }) => {
    const reason = error === undefined ? "" : `: ${error.message}`;
    tell(worker, `is started again in ${millis(delayMs)}${reason}`);
  });
}

/** Wraps a task's caller so that the start and end of every call are logged. */
export function traceCalls<Argument, Options>(
  debug: DebugContext,
  task: string,
  caller: (argument?: Argument, options?: Options) => Promise<unknown>,
): typeof caller {
  let calls = 0;
  return (argument, options) => {
    const what = `call ${++calls} of "${task}"`;
    debugLog(debug, "signals", what);
    const start = performance.now();
    const settled = (how: string) => () =>
      debugLog(debug, "signals", `${what} ${how} after ${millis(performance.now() - start)}`);
    const promise = caller(argument, options);
    promise.then(settled("resolved"), settled("rejected"));
    return promise;
  };
}
