/** Creates a pool from options and tasks. All errors in either that can be found at once are thrown here. */
import { basename } from "node:path";
import { currentScope } from "../base/async-scope";
import { UnsupportedPlatformError } from "../base/errors";
import { Pace } from "../lane/host/pace";
import { native } from "../native/addon";
import { systemError } from "../native/system-error";
import { enforce, homeFor, prepareToEnforce } from "../permission/enforce";
import { Looks, lookingOnce } from "../permission/paths";
import { tellOfPreloads } from "../runtime/exec-argv";
import { findRuntime } from "../runtime/executable";
import { assertNodeHost, endIfStartedAsWorker } from "../runtime/host-program";
import type { ResolvedWorker } from "../runtime/options";
import { type Definition, definitionOf, type Task } from "../task/definition";
import { assertImportable } from "../task/module-url";
import type { TaskSource } from "../task/program";
import { debugContextOf, traceSetup } from "./debug-trace";
import { LocalEngine } from "./local-engine";
import { locateAll, locateTask } from "./locate-tasks";
import { Modules } from "./module-exports";
import { type PoolOptions, resolveOptions } from "./options";
import type { TaskPool } from "./types";
import { type CallShape, type PoolPlan, WorkerPool } from "./worker-pool";

/**
 * Validates the options, and returns the function that creates a pool of tasks. `caller` returns the URL of the module
 * that exports the tasks. Both functions throw what `createPool` throws.
 */
export function preparePool(
  options: PoolOptions,
): (tasks: unknown, caller: () => string | undefined) => WorkerPool {
  const create = prepare(options);
  return (tasks, caller) => {
    const sources = locateAll(tasks, caller);
    const limits = Object.values(tasks as object).map((task) => definitionOf(task)?.limit);
    return create(sources, limits, (callers) => Object.freeze(callers));
  };
}

/** Creates a pool of one task. Throws what `createPool` throws. */
export function createTaskPool<T extends Task<never, unknown>>(task: T, options?: PoolOptions): TaskPool<T> {
  const create = prepare(options);
  const definition = definitionOf(task) as Definition;
  const source = locateTask(nameOf(definition), definition, undefined);
  return create([source], [definition.limit], (callers) => callers[source.task]) as unknown as TaskPool<T>;
}

/** A name for a task that has no key. */
function nameOf({ origin }: Definition): string {
  return origin.kind === "imported" ? origin.name : `${basename(origin.href ?? "")}#${origin.nth + 1}`;
}

function prepare(
  options: PoolOptions = {},
): (tasks: readonly TaskSource[], limits: PoolPlan["limits"], shape: CallShape) => WorkerPool {
  endIfStartedAsWorker();
  assertNodeHost();
  refusePlugAndPlay();
  const looks = new Looks();
  const resolved = lookingOnce(looks, () => resolveOptions(options));
  const { config, worker, abortSignalCapacity, payload, permission } = resolved;
  const isElastic = config.minWorkers < config.maxWorkers;
  checkFunctions(worker);
  tellOfPreloads(worker);
  const executable = worker.runtime === "thread" ? "" : findRuntime(worker);
  native().sweepNames();
  prepareToEnforce(permission, worker, executable);
  return (tasks, limits, shape) => {
    for (const { task, href } of tasks) {
      assertImportable(`task "${task}"`, href, worker.runtime);
    }
    const program = {
      tasks,
      bootstrap: worker.bootstrap,
      teardown: worker.teardown,
      spinNanos: worker.spinMicroseconds * 1_000,
      maxPayloadBytes: payload.maxPayloadBytes,
      savesMemory: worker.limits?.memoryBytes !== undefined,
      home: lookingOnce(looks, () => homeFor(permission, worker)),
      place: { index: 0, start: 0 },
      debug: undefined,
    };
    const debug = debugContextOf(resolved);
    if (debug !== undefined) {
      traceSetup(debug, resolved, program);
    }
    const enforcement = lookingOnce(looks, () =>
      explained(() => enforce(permission, worker, executable, program)),
    );
    const scope = currentScope();
    const { concurrency, maxQueueBytes, attempts, spareWorkers } = resolved;
    const plan: PoolPlan = {
      program,
      enforcement,
      scope,
      limits,
      worker,
      executable,
      payload,
      abortSignalCapacity,
      debug,
      config,
      // Round robin would keep every worker of an elastic pool in use.
      strategy: resolved.balancer ?? (isElastic ? "firstIdle" : "roundRobin"),
      concurrency,
      maxQueueBytes,
      attempts,
      spareWorkers,
      shared: config.maxWorkers + spareWorkers > 1,
      pace: new Pace(tasks.length),
      tally: { failed: 0, timedOut: 0 },
    };
    return new WorkerPool(plan, shape, (listeners) => new LocalEngine(plan, listeners));
  };
}

/** Throws what `action` throws, errors of the system as the user gets them. */
function explained<T>(action: () => T): T {
  try {
    return action();
  } catch (error) {
    throw systemError(error);
  }
}

/**
 * Under Yarn's Plug'n'Play, packages lie in archives that only a patched Node can read, not the launcher, Deno or Bun.
 */
function refusePlugAndPlay(): void {
  if (process.versions.pnp !== undefined) {
    throw new UnsupportedPlatformError(
      "createPool: knitting-native does not run under Yarn's Plug'n'Play: its workers and their tasks' " +
        "imports are files that other programs read. Say `nodeLinker: node-modules` in .yarnrc.yml and " +
        "run `yarn install` again",
    );
  }
}

/** Throws if it can be told at once that the bootstrap or the teardown function can't be used. */
function checkFunctions({ bootstrap, teardown, runtime }: ResolvedWorker): void {
  const modules = new Modules();
  for (const [option, source] of Object.entries({ bootstrap, teardown })) {
    if (source !== undefined) {
      assertImportable(`worker.${option}`, source.href, runtime);
      modules.assertExported(`worker.${option}`, source.href, source.name);
    }
  }
}
