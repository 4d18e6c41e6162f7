/**
 * The engine of a pool on this machine: its supervised workers, and the choice of the worker for each call.
 *
 * A call goes to the lane in whose memory its argument already lies, otherwise to the worker that the balancer chooses.
 * If the worker dies before it has started the call, the call moves to another worker.
 */
import { KnittingError } from "../base/errors";
import { laneOf } from "../lane/arena-buffers";
import { LaneCall } from "../lane/host/lane-call";
import { systemError } from "../native/system-error";
import type { WorkerInfo } from "../runtime/worker-info";
import type { Plan } from "../spawn/worker";
import type { TimeLimit } from "../task/time-limit";
import { balancer, type Strategy } from "./balancer";
import type { Engine } from "./engine";
import type { Listeners } from "./events";
import { SupervisedWorker, type Supervisor } from "./supervised-worker";

export class LocalEngine implements Engine<LaneCall>, Supervisor {
  readonly #workers: SupervisedWorker[] = [];
  readonly #pick: () => SupervisedWorker;

  /** Starts the workers. Throws if one can't be started at all, after it has ended those before. */
  constructor(
    readonly plan: Plan,
    readonly listeners: Listeners,
    threads: number,
    strategy: Strategy,
  ) {
    try {
      while (this.#workers.length < threads) {
        this.#workers.push(new SupervisedWorker(this, this.#workers.length));
      }
    } catch (error) {
      void this.close();
      throw systemError(error);
    }
    this.#pick = balancer(strategy, this.#workers);
  }

  createCall(task: number, limit: TimeLimit | undefined): LaneCall {
    return new LaneCall(task, limit);
  }

  start(call: LaneCall): void {
    const { argument } = call;
    const worker =
      typeof argument === "object" && argument !== null ? this.#workerFor(argument) : this.#pick();
    worker.submit(call);
  }

  #workerFor(argument: object): SupervisedWorker {
    const lane = laneOf(argument);
    return (
      (lane === undefined ? undefined : this.#workers.find((worker) => worker.has(lane))) ?? this.#pick()
    );
  }

  reroute(call: LaneCall, from: SupervisedWorker): void {
    const others = this.#workers.filter((worker) => worker !== from && !worker.broken);
    const available = others.filter((worker) => worker.available);
    const ready = available.filter((worker) => worker.ready);
    const candidates = [ready, from.available ? [from] : available, from.broken ? others : []];
    const places = candidates.find(({ length }) => length > 0) ?? [from];
    places[call.sequence % places.length].submit(call);
  }

  hasReady(except: SupervisedWorker): boolean {
    return this.#workers.some((worker) => worker !== except && worker.ready);
  }

  alloc(byteLength: number): Uint8Array {
    const picked = this.#pick();
    const workers = [picked, ...this.#workers.filter((worker) => worker !== picked)].filter(
      (worker) => worker.available,
    );
    for (const worker of workers) {
      const array = worker.alloc(byteLength);
      if (array !== undefined) {
        return array;
      }
    }
    if (workers.length > 0) {
      throw new KnittingError(
        "KNITTING_ARENA_FULL",
        `pool.alloc: no worker's memory has room for ${byteLength} more bytes now. Arrays that were ` +
          "allocated and not sent take room until they are collected",
      );
    }
    // Between two workers there is no arena, so this array will be copied.
    return new Uint8Array(byteLength);
  }

  get calls(): LaneCall[] {
    return this.#workers.flatMap((worker) => worker.calls);
  }

  get workers(): readonly WorkerInfo[] {
    return this.#workers.map((worker) => worker.info());
  }

  close(): Promise<unknown> {
    return Promise.all(this.#workers.map((worker) => worker.close()));
  }
}
