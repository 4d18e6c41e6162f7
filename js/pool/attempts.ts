/**
 * Further attempts of calls whose worker has died with them, if the option `retry` allows any. The arguments of such calls
 * are kept until they are over.
 */
import type { LaneCall } from "../lane/host/lane-call";
import type { EndedExit } from "../spawn/worker-run";
import type { TaskSource } from "../task/program";

interface Kept {
  readonly argument: unknown;
  /** Why the attempts so far have failed. */
  readonly errors: Error[];
}

export class Attempts {
  readonly #most: number;
  readonly #tasks: readonly TaskSource[];
  readonly #kept = new Map<LaneCall, Kept>();

  /** `most` is how often a call is tried in all. */
  constructor(most: number, tasks: readonly TaskSource[]) {
    this.#most = most;
    this.#tasks = tasks;
  }

  /** Keeps the encoded argument of a call. Returns true. */
  keep(call: LaneCall): boolean {
    if (call.argumentStream === undefined && !this.#kept.has(call)) {
      this.#kept.set(call, { argument: call.argument, errors: [] });
      call.whenOver(() => this.#kept.delete(call));
    }
    return true;
  }

  /**
   * A worker has died with a call that it had begun. Returns the error with which the call rejects, or undefined if it is
   * to be tried again; it then has its argument back.
   */
  failed(call: LaneCall, error: Error, { reason }: EndedExit): unknown {
    const kept = this.#kept.get(call);
    if (kept === undefined) {
      return error;
    }
    kept.errors.push(error);
    const { errors } = kept;
    const isAsked = call.partial?.isAsked === true;
    const isWanted = reason !== "timeout" && reason !== "abort" && reason !== "killed" && !isAsked;
    if (errors.length < this.#most && isWanted && !call.hasStreamed) {
      call.argument = kept.argument;
      return undefined;
    }
    if (errors.length === 1) {
      return error;
    }
    const { task } = this.#tasks[call.task];
    return new AggregateError(
      errors,
      `a call of task "${task}" was tried ${errors.length} times, and its worker died each time: ${errors[0].message}`,
      { cause: errors[0] },
    );
  }
}
