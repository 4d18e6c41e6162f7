/**
 * A pool as its user sees it: it makes calls, gives them to its engine, and shuts down.
 *
 * ```text
 *   pool.call.f(argument, options) -> a call with its promise -> limits, signal, promise argument -> engine.start
 * ```
 */
import { types } from "node:util";
import { clearInterval, setInterval } from "../base/clock";
import { type DebugContext, debugLog, isDebugging } from "../base/debug-log";
import { InvalidOptionError, PoolClosedError } from "../base/errors";
import { describe, wholeNumber } from "../base/validate";
import type { Call, CallPlan } from "../call/call";
import {
  Abortables,
  type CallOptions,
  type CheckedCallOptions,
  cancelOnAbort,
  checkCallOptions,
} from "../call/options";
import { promiseOf } from "../call/promise";
import type { PoolPermissions } from "../permission/enforce";
import type { WorkerInfo } from "../runtime/worker-info";
import { isStream } from "../stream/protocol";
import type { TaskSource } from "../task/program";
import type { TimeLimit } from "../task/time-limit";
import { traceCalls, traceWorkers } from "./debug-trace";
import type { Engine } from "./engine";
import { Listeners, type PoolEvents, type PoolListener } from "./events";
import type { EnginePlan } from "./local-engine";
import { Shutdown } from "./shutdown";
import type { PoolStats } from "./stats";
import type { ShutdownResult, Workers } from "./types";

/** What a pool is created from. */
export interface PoolPlan extends EnginePlan {
  /** The time limit in each task's definition. */
  readonly limits: readonly (TimeLimit | undefined)[];
  readonly abortSignalCapacity: number;
}

/** A function that calls a task. */
export type TaskCaller = (argument?: unknown, options?: CallOptions) => Promise<unknown>;
/** Builds the pool's member `call` from a caller for each task. */
export type CallShape = (callers: Record<string, TaskCaller>) => unknown;

export class WorkerPool implements Workers {
  readonly call: unknown;
  readonly #plan: PoolPlan;
  readonly #tasks: readonly TaskSource[];
  /** The plans of calls without options, by task. */
  readonly #callPlans: readonly CallPlan[];
  readonly #listeners = new Listeners();
  readonly #abortables: Abortables;
  readonly #engine: Engine;
  readonly #stopStats: () => void;
  /** Calls whose argument is a promise that has not settled. */
  readonly #expecting = new Set<Call>();
  readonly #shutdown: Shutdown;

  /** Throws if `createEngine` throws. */
  constructor(plan: PoolPlan, shape: CallShape, createEngine: (listeners: Listeners) => Engine) {
    const { config, debug, program, worker } = plan;
    this.#plan = plan;
    this.#tasks = program.tasks;
    this.#callPlans = program.tasks.map(({ task: name }, task) => {
      return { task, name, limit: plan.limits[task], terms: undefined };
    });
    this.#abortables = new Abortables(plan.abortSignalCapacity);
    const callers: Record<string, TaskCaller> = Object.create(null);
    for (const [index, { task }] of this.#tasks.entries()) {
      const caller: TaskCaller = (argument, options) => this.#call(index, argument, options);
      callers[task] = isDebugging(debug, "signals") ? traceCalls(debug, task, caller) : caller;
    }
    this.call = shape(callers);
    if (debug !== undefined) {
      traceWorkers(debug, this.#listeners);
    }
    this.#shutdown = new Shutdown(
      () => this.#calls(),
      () => this.#close(),
      worker.resolveAfterFinishingAll ? Number.POSITIVE_INFINITY : (config.gracefulShutdownMs ?? 0),
    );
    this.#engine = createEngine(this.#listeners);
    this.#stopStats = this.#reportStats();
  }

  /** Reports the stats at intervals, if somebody wants them. Returns a function that ends that. */
  #reportStats(): () => void {
    const { onStatsUpdate, statsIntervalMs } = this.#plan.config;
    if (onStatsUpdate === undefined) {
      return () => {};
    }
    const report = () => this.#plan.scope(onStatsUpdate, this.#engine.stats());
    const timer = setInterval(report, statsIntervalMs).unref();
    return () => clearInterval(timer);
  }

  /** All pending calls. */
  #calls(): Call[] {
    return [...this.#expecting, ...this.#engine.calls];
  }

  #close(): Promise<unknown> {
    this.#stopStats();
    for (const call of this.#expecting) {
      call.cutOff();
    }
    return this.#engine.close((calls) => {
      for (const call of calls) {
        call.cutOff();
      }
    });
  }

  /** Makes a call. Whatever is wrong with it rejects its promise, and nothing is thrown. */
  #call(task: number, argument: unknown, options: CallOptions | undefined): Promise<unknown> {
    const { abortable } = this.#tasks[task];
    if (options !== undefined || abortable !== false || this.#shutdown.begun) {
      return this.#callWith(task, argument, options);
    }
    const call = this.#engine.createCall(this.#callPlans[task]);
    const promise = promiseOf(call);
    if (typeof argument !== "object" || argument === null) {
      call.argument = argument;
      this.#engine.start(call);
    } else if (types.isPromise(argument)) {
      this.#expect(argument, call, undefined, false);
    } else {
      this.#start(call, argument, undefined);
    }
    return promise;
  }

  /** Makes a call that has options or can be aborted, or that comes too late. */
  #callWith(task: number, argument: unknown, options: CallOptions | undefined): Promise<unknown> {
    const { task: name, abortable } = this.#tasks[task];
    let checked: CheckedCallOptions | undefined;
    let fault: { readonly error: unknown } | undefined;
    if (options !== undefined) {
      try {
        checked = checkCallOptions(name, options);
      } catch (error) {
        fault = { error };
      }
    }
    const plan = this.#callPlans[task];
    const call = this.#engine.createCall(
      checked === undefined ? plan : { ...plan, limit: checked.limit ?? plan.limit, terms: checked.terms },
    );
    const promise = promiseOf(call);
    let isOver = abortable !== false && !this.#abortables.add(call, promise, abortable === "partial");
    if (fault !== undefined) {
      call.reject(fault.error);
      isOver = true;
    }
    if (checked?.signal !== undefined && !isOver) {
      isOver = !cancelOnAbort({ signal: checked.signal, kill: checked.kill }, call);
    }
    if (this.#shutdown.begun && !isOver) {
      call.reject(new PoolClosedError());
      isOver = true;
    }
    const transfer = checked?.transfer;
    if (typeof argument === "object" && argument !== null && types.isPromise(argument)) {
      this.#expect(argument, call, transfer, isOver);
    } else if (!isOver) {
      this.#start(call, argument, transfer);
    }
    return promise;
  }

  #start(call: Call, argument: unknown, transfer: readonly ArrayBuffer[] | undefined): void {
    if (typeof argument === "object" && argument !== null) {
      try {
        if (isStream(argument)) {
          call.streamArgument(argument);
          this.#engine.start(call);
          return;
        }
      } catch (error) {
        call.reject(error);
        return;
      }
    }
    call.argument = argument;
    if (transfer === undefined) {
      this.#engine.start(call);
    } else {
      this.#engine.startWithout(call, transfer);
    }
  }

  /**
   * Starts a call when its argument has settled, unless the call is over already. Even then the argument is the call's,
   * and its rejection is not left unhandled.
   */
  #expect(
    argument: Promise<unknown>,
    call: Call,
    transfer: readonly ArrayBuffer[] | undefined,
    isOver: boolean,
  ): void {
    if (!isOver) {
      this.#expecting.add(call);
    }
    const start = (value: unknown) => {
      if (this.#expecting.delete(call)) {
        this.#start(call, value, transfer);
      }
    };
    const fail = (error: unknown) => {
      this.#expecting.delete(call);
      call.reject(error);
    };
    try {
      argument.then(start, fail);
    } catch (error) {
      // A promise with a \`then\` of its own.
      fail(error);
    }
  }

  readonly alloc = (byteLength: number): Uint8Array => {
    wholeNumber("pool.alloc", "byteLength", byteLength, 1);
    if (this.#shutdown.begun) {
      throw new PoolClosedError();
    }
    return this.#engine.alloc(byteLength);
  };

  get workers(): readonly WorkerInfo[] {
    return this.#engine.workers;
  }

  get permissions(): PoolPermissions {
    return this.#plan.enforcement.permissions;
  }

  readonly stats = (): PoolStats => this.#engine.stats();

  readonly kill = async (worker: WorkerInfo): Promise<void> => {
    await this.#engine.kill(checkWorker("pool.kill", worker));
  };

  readonly recycle = async (worker?: WorkerInfo): Promise<void> => {
    await this.#engine.recycle(worker && checkWorker("pool.recycle", worker));
  };

  readonly drain = async (): Promise<void> => {
    for (let calls = this.#pending(); calls.length > 0; calls = this.#pending()) {
      await Promise.all(calls.map((call) => new Promise<void>((resolve) => call.whenOver(() => resolve()))));
    }
  };

  /** The calls for which somebody waits. */
  #pending(): Call[] {
    return this.#calls().filter(({ cancelled }) => !cancelled);
  }

  on<Name extends keyof PoolEvents>(name: Name, listener: PoolListener<Name>): this {
    this.#listeners.on(name, listener);
    return this;
  }

  once<Name extends keyof PoolEvents>(name: Name, listener: PoolListener<Name>): this {
    this.#listeners.once(name, listener);
    return this;
  }

  off<Name extends keyof PoolEvents>(name: Name, listener: PoolListener<Name>): this {
    this.#listeners.off(name, listener);
    return this;
  }

  readonly shutdown = (delayMs?: number): Promise<ShutdownResult> => {
    const { debug } = this.#plan;
    if (debug === undefined) {
      return this.#shutdown.within(delayMs);
    }
    const underWay = this.#calls().length;
    const ended = this.#shutdown.within(delayMs);
    this.#traceShutdown(debug, delayMs, underWay, ended);
    return ended;
  };

  #traceShutdown(
    debug: DebugContext,
    delayMs: number | undefined,
    underWay: number,
    ended: Promise<unknown>,
  ): void {
    debugLog(debug, "host", `shutdown(${delayMs ?? ""}): ${underWay} calls are under way`);
    void ended.then(() => debugLog(debug, "host", "closed"));
  }

  [Symbol.dispose](): void {
    void this.shutdown();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.shutdown();
  }
}

function checkWorker(caller: string, worker: unknown): WorkerInfo {
  const info = worker as Partial<WorkerInfo> | null;
  if (typeof info !== "object" || info === null || typeof info.index !== "number") {
    const message = `${caller}: "worker" is ${describe(worker)}, it must be one of pool.workers`;
    throw new InvalidOptionError(message);
  }
  return info as WorkerInfo;
}
