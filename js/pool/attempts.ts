/**
 * Further attempts of calls whose worker has died with them, if the option `retry` allows any. The arguments of such calls
 * are kept until they are over.
 */
import type { LaneCall } from "../lane/host/lane-call";
import type { EndedExit } from "../spawn/worker-run";

interface Kept {
  readonly argument: unknown;
  /** Why the attempts so far have failed. */
  readonly errors: Error[];
}

export class Attempts {
  readonly #most: number;
  readonly #kept = new Map<LaneCall, Kept>();

  /** `most` is how often a call is tried in all. */
  constructor(most: number) {
    this.#most = most;
  }

  /** Keeps the encoded argument of a call, if the call may have more than one attempt. */
  keep(call: LaneCall): void {
    if (this.#most > 1 && call.argumentStream === undefined && !this.#kept.has(call)) {
      this.#kept.set(call, { argument: call.argument, errors: [] });
      call.whenOver(() => this.#kept.delete(call));
    }
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
    return new AggregateError(
      errors,
      `a call of task "${call.name}" was tried ${errors.length} times, and its worker died each time: ${errors[0].message}`,
      { cause: errors[0] },
    );
  }
}
