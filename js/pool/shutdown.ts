/**
 * The end of a pool.
 *
 * ```text
 *   open --within(delay)--> draining --all calls have settled, or the delay is over--> closing --> closed
 *     '----within(0)-------------------------------------------------------------------^
 * ```
 */
import { clearTimeout, LONGEST_TIMER_MILLIS, now, queueMicrotask, setTimeout } from "../base/clock";
import { InvalidOptionError } from "../base/errors";
import { describe } from "../base/validate";
import type { Call } from "../call/call";
import type { ShutdownResult } from "./types";

export class Shutdown {
  readonly #calls: () => readonly Call[];
  readonly #close: () => Promise<unknown>;
  /** Whether new calls are refused. */
  begun = false;
  #closing = false;
  /** Calls that have time to finish. */
  #awaited = new Set<Call>();
  #deadline = Number.POSITIVE_INFINITY;
  /** Keeps the process alive, because somebody waits for the end. */
  #timer: NodeJS.Timeout | undefined;
  /** Number of calls that were cut off. */
  #cut = 0;
  readonly #ended: Promise<ShutdownResult>;
  #end!: (ended: Promise<ShutdownResult>) => void;

  /**
   * `calls` are the pending calls. `close` cuts off the remaining ones and resolves when every worker is gone.
   * `patience` is the default delay in milliseconds.
   */
  constructor(
    calls: () => readonly Call[],
    close: () => Promise<unknown>,
    readonly patience: number,
  ) {
    this.#calls = calls;
    this.#close = close;
    this.#ended = new Promise((resolve) => {
      this.#end = resolve;
    });
  }

  /** Begins the shutdown, or shortens the delay. Throws `InvalidOptionError`. */
  within(delayMs: unknown = this.patience): Promise<ShutdownResult> {
    const delay = checkDelay(delayMs);
    if (!this.begun) {
      this.begun = true;
      for (const call of this.#calls()) {
        this.#await(call);
      }
    }
    const deadline = now() + delay;
    if (delay === 0 || this.#awaited.size === 0) {
      this.#finish();
    } else if (deadline < this.#deadline && !this.#closing) {
      this.#deadline = deadline;
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => this.#finish(), delay);
    }
    return this.#ended;
  }

  #await(call: Call): void {
    if (call.cancelled) {
      return;
    }
    this.#awaited.add(call);
    call.whenOver(() => this.#settled(call));
  }

  #settled(call: Call): void {
    this.#awaited.delete(call);
    if (this.#awaited.size === 0) {
      // The lane or worker that has settled the call is not finished yet.
      queueMicrotask(() => this.#finish());
    }
  }

  #finish(): void {
    if (!this.#closing) {
      this.#closing = true;
      clearTimeout(this.#timer);
      for (const call of this.#calls()) {
        if (!call.cancelled) {
          call.whenOver((isCutOff) => {
            this.#cut += isCutOff ? 1 : 0;
          });
        }
      }
      this.#end(this.#close().then(() => ({ cut: this.#cut })));
    }
  }
}

function checkDelay(value: unknown): number {
  if (
    typeof value !== "number" ||
    !(value >= 0 && (value <= LONGEST_TIMER_MILLIS || value === Number.POSITIVE_INFINITY))
  ) {
    throw new InvalidOptionError(
      `pool.shutdown: "delayMs" is ${describe(value)}, it must be a number of milliseconds from 0 to ` +
        `${LONGEST_TIMER_MILLIS}, or Infinity`,
    );
  }
  return value;
}
