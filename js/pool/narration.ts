/** What a pool says of itself on stderr, where the option `debug` has it speak. */
import { isOn, millis, moduleName, type Speaker, say } from "../debug";
import type { ResolvedOptions } from "../options";
import type { Program, TaskSource } from "../worker/program";
import type { Listeners } from "./events";
import type { WorkerInfo } from "./info";

/** How many pools have spoken. */
let pools = 0;

/** Who a new pool is; undefined if it is to be quiet. */
export function speakerOf({ debug }: ResolvedOptions): Speaker | undefined {
  return debug === undefined ? undefined : { who: `p${++pools}`, namespaces: debug };
}

/** One of its workers. */
export function workerOf(pool: Speaker, index: number): Speaker {
  return { ...pool, who: `${pool.who}/w${index}` };
}

/** Tells what the pool is made of. */
export function tellSetup(
  debug: Speaker,
  { threads, balancer, worker }: ResolvedOptions,
  program: Program,
): void {
  say(debug, "host", `has ${threads} workers (${worker.runtime}), ${balancer}, in process ${process.pid}`);
  for (const source of program.tasks) {
    say(debug, "host", `task "${source.task}" is ${placeOf(source)} of ${moduleName(source.href)}`);
  }
  const { bootstrap } = program;
  if (bootstrap !== undefined) {
    say(debug, "host", `worker.bootstrap is export "${bootstrap.name}" of ${moduleName(bootstrap.href)}`);
  }
}

function placeOf({ at }: TaskSource): string {
  return typeof at === "string" ? `export "${at}"` : `task ${at.nth + 1}`;
}

/** Has what happens to the workers told. */
export function tellLifecycle(debug: Speaker, listeners: Listeners): void {
  if (!isOn(debug, "lifecycle")) {
    return;
  }
  const tell = ({ index }: WorkerInfo, what: string) => say(workerOf(debug, index), "lifecycle", what);
  listeners.on("spawn", ({ worker }) => tell(worker, `was started (${worker.runtime}, pid ${worker.pid})`));
  listeners.on("ready", ({ worker }) => {
    const { startedAt, pid } = worker;
    tell(worker, `is ready, ${millis(Date.now() - Number(startedAt))} after its start (pid ${pid})`);
  });
  listeners.on("exit", ({ worker, exitCode, signal }) => {
    const how = signal === null ? `exited with status ${exitCode}` : `was killed by ${signal}`;
    tell(worker, `${how}, after ${worker.served} calls`);
  });
  listeners.on("restart", ({ worker, delayMs, error }) => {
    const reason = error === undefined ? "" : `: ${error.message}`;
    tell(worker, `is started again in ${millis(delayMs)}${reason}`);
  });
}

/** A task's caller of which every call is told, and its end. */
export function traced<Argument, Options>(
  debug: Speaker,
  task: string,
  caller: (argument?: Argument, options?: Options) => Promise<unknown>,
): typeof caller {
  let calls = 0;
  return (argument, options) => {
    const what = `call ${++calls} of "${task}"`;
    say(debug, "signals", what);
    const start = performance.now();
    const settled = (how: string) => () =>
      say(debug, "signals", `${what} ${how} after ${millis(performance.now() - start)}`);
    const promise = caller(argument, options);
    promise.then(settled("resolved"), settled("rejected"));
    return promise;
  };
}
