/** What a pool tells of its workers. */
import { EventEmitter } from "node:events";
import { queueMicrotask } from "../base/clock";
import type { WorkerInfo } from "../runtime/worker-info";

/** What a pool tells of its workers: the events of {@link Pool.on}, and what their listeners get. */
export interface PoolEvents {
  /** A worker's thread or command was started. */
  spawn: { readonly worker: WorkerInfo };
  /** A worker has imported its tasks and serves calls. */
  ready: { readonly worker: WorkerInfo };
  /** A worker has ended. */
  exit: {
    readonly worker: WorkerInfo;
    /** Exit status, if it exited; of a wrapped worker its wrapper's. */
    readonly exitCode: number | null;
    /** Name of the signal that killed it, if one did. */
    readonly signal: string | null;
  };
  /** Another worker is about to be started in the place of one that has ended. */
  restart: {
    readonly worker: WorkerInfo;
    /** Milliseconds until then. */
    readonly delayMs: number;
    /** What went wrong, if the last one could not boot. */
    readonly error: Error | undefined;
  };
  /** A worker wrote a line; with `worker.stdio: "pipe"`. */
  output: {
    readonly worker: WorkerInfo;
    readonly stream: "stdout" | "stderr";
    /** Without its end. A process's line of more than 16 KiB comes in pieces. */
    readonly line: string;
  };
}

/** Listens to a pool. */
export type PoolListener<Name extends keyof PoolEvents> = (event: PoolEvents[Name]) => void;

/** @internal Listeners of a pool. They are called when the pool has finished what it is at: what they throw harms it not. */
export class Listeners {
  readonly #emitter = new EventEmitter();

  on<Name extends keyof PoolEvents>(name: Name, listener: PoolListener<Name>): void {
    this.#emitter.on(name, listener);
  }

  once<Name extends keyof PoolEvents>(name: Name, listener: PoolListener<Name>): void {
    this.#emitter.once(name, listener);
  }

  off<Name extends keyof PoolEvents>(name: Name, listener: PoolListener<Name>): void {
    this.#emitter.off(name, listener);
  }

  emit<Name extends keyof PoolEvents>(name: Name, event: PoolEvents[Name]): void {
    queueMicrotask(() => this.#emitter.emit(name, event));
  }
}
