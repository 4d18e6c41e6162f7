/** The events of a pool. */
import { EventEmitter } from "node:events";
import { currentScope } from "../base/async-scope";
import { queueMicrotask } from "../base/clock";
import { InvalidOptionError, type WorkerEndReason } from "../base/errors";
import { describe, nearestName } from "../base/validate";
import type { WorkerInfo } from "../runtime/worker-info";

/** The events of {@link Pool.on} and the objects that their listeners get. */
export interface PoolEvents {
  /** A worker's thread or command was started. */
  spawn: { readonly worker: WorkerInfo };
  /** A worker has imported its tasks and can run calls. */
  ready: { readonly worker: WorkerInfo };
  /** A worker has ended. All that it wrote has been passed on before. */
  exit: {
    readonly worker: WorkerInfo;
    /** Exit status; `null` if the worker did not exit by itself. For a wrapped worker, its wrapper's. */
    readonly exitCode: number | null;
    /** Name of the signal that killed the worker, such as `"SIGKILL"`; `null` if none did. */
    readonly signal: string | null;
    /** Why it has ended. */
    readonly reason: WorkerEndReason;
    /**
     * The error that has ended it: what was thrown outside of a call, or why it was killed or could not boot;
     * `undefined` if there is none.
     */
    readonly cause: unknown;
    /** The last 8 KiB that it wrote to stderr. */
    readonly stderrTail: string;
  };
  /** A worker has ended, and its replacement will be started. */
  restart: {
    readonly worker: WorkerInfo;
    /** Milliseconds until the start of the replacement. */
    readonly delayMs: number;
    /** Why the last worker failed to boot; `undefined` if it had booted. */
    readonly error: Error | undefined;
  };
  /** A worker wrote a line to stdout or stderr. Only with `worker.stdio: "pipe"`. */
  output: {
    readonly worker: WorkerInfo;
    readonly stream: "stdout" | "stderr";
    /** The line without its line ending. A process's line of more than 16 KiB arrives in pieces. */
    readonly line: string;
  };
}

/** A listener for events of a pool. */
export type PoolListener<Name extends keyof PoolEvents> = (event: PoolEvents[Name]) => void;

const EVENTS = Object.keys({
  spawn: true,
  ready: true,
  exit: true,
  restart: true,
  output: true,
} satisfies Record<keyof PoolEvents, true>);

/**
 * @internal The listeners of a pool. They run in a microtask, after the pool has finished its current step, so that an
 * error which a listener throws can't disturb the pool.
 */
export class Listeners {
  readonly #emitter = new EventEmitter();

  /** Throws `InvalidOptionError`, as the other two do. */
  on<Name extends keyof PoolEvents>(name: Name, listener: PoolListener<Name>): void {
    check("on", name, listener);
    this.#add(name, listener, listener);
  }

  once<Name extends keyof PoolEvents>(name: Name, listener: PoolListener<Name>): void {
    check("once", name, listener);
    const added = this.#add(name, listener, (event) => {
      this.#emitter.off(name, added);
      listener(event);
    });
  }

  off<Name extends keyof PoolEvents>(name: Name, listener: PoolListener<Name>): void {
    check("off", name, listener);
    this.#emitter.off(name, listener);
  }

  /** Whether anybody listens for events of that name. */
  has(name: keyof PoolEvents): boolean {
    return this.#emitter.listenerCount(name) > 0;
  }

  /** Adds a function that calls `run` in the stores that hold now. By its member `listener` the emitter finds it. */
  #add<Name extends keyof PoolEvents>(
    name: Name,
    listener: PoolListener<Name>,
    run: PoolListener<Name>,
  ): PoolListener<Name> {
    const scope = currentScope();
    const added = Object.assign((event: PoolEvents[Name]) => scope(run, event), { listener });
    this.#emitter.on(name, added);
    return added;
  }

  emit<Name extends keyof PoolEvents>(name: Name, event: PoolEvents[Name]): void {
    queueMicrotask(() => this.#emitter.emit(name, event));
  }
}

function check(method: string, name: unknown, listener: unknown): void {
  const caller = `pool.${method}`;
  if (typeof name !== "string" || !EVENTS.includes(name)) {
    const nearest = typeof name === "string" ? nearestName(name, EVENTS) : undefined;
    const advice =
      nearest === undefined
        ? `the events are ${EVENTS.join(", ")}`
        : `did you mean ${JSON.stringify(nearest)}?`;
    throw new InvalidOptionError(`${caller}: there is no event ${describe(name)}, ${advice}`);
  }
  if (typeof listener !== "function") {
    throw new InvalidOptionError(`${caller}: "listener" is ${describe(listener)}, it must be a function`);
  }
}
