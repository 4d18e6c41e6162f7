/**
 * Decides how many workers an elastic pool has.
 *
 * ```text
 *   a call waits, and there is no worker at all            -> one more, at once
 *   a call has waited for GROW_AFTER_MILLIS                -> one more, if none boots
 *   a call has waited for n * BOOT_MILLIS                  -> one more, if at most n boot
 *   a worker has had no calls for idleTimeout              -> one less, down to minWorkers
 * ```
 */
import { clearTimeout, setTimeout } from "../base/clock";
import type { ResolvedConfig } from "./config";
import type { SupervisedWorker } from "./supervised-worker";

/** So long a call waits for a worker that is busy before another one is started. */
const GROW_AFTER_MILLIS = 20;
/** For each such time that the first call has waited, one more worker may be booting. */
const BOOT_MILLIS = 250;
/** Looks at idle workers in each idle timeout. */
const LOOKS = 8;

export class Sizer {
  readonly #config: ResolvedConfig;
  readonly #active: readonly SupervisedWorker[];
  readonly #queue: { readonly size: number; readonly oldestWaitMs: number };
  readonly #actions: { grow(): void; shrink(worker: SupervisedWorker): void };
  #growth: NodeJS.Timeout | undefined;
  #idle: NodeJS.Timeout | undefined;
  #stopped = false;

  constructor(
    config: ResolvedConfig,
    active: readonly SupervisedWorker[],
    queue: { readonly size: number; readonly oldestWaitMs: number },
    actions: { grow(): void; shrink(worker: SupervisedWorker): void },
  ) {
    this.#config = config;
    this.#active = active;
    this.#queue = queue;
    this.#actions = actions;
  }

  /** Calls wait, or a worker is ready: looks whether there have to be more workers, now and later. */
  waits(): void {
    if (this.#active.length < this.#config.maxWorkers && this.#growth === undefined && !this.#stopped) {
      this.#grow();
    }
    this.#watchIdle();
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#growth);
    clearTimeout(this.#idle);
  }

  readonly #grow = (): void => {
    this.#growth = undefined;
    const { size, oldestWaitMs } = this.#queue;
    if (size === 0 || this.#active.length >= this.#config.maxWorkers || this.#stopped) {
      return;
    }
    const booting = this.#active.filter(({ state }) => state === "booting").length;
    const most = oldestWaitMs < GROW_AFTER_MILLIS ? 0 : 1 + Math.floor(oldestWaitMs / BOOT_MILLIS);
    if (this.#active.length === 0 || booting < most) {
      try {
        this.#actions.grow();
      } catch (error) {
        // No more workers can be started now. Those that there are go on.
        process.emitWarning(error as Error);
      }
    }
    this.#growth = setTimeout(this.#grow, GROW_AFTER_MILLIS).unref();
    this.#watchIdle();
  };

  #watchIdle(): void {
    if (this.#idle === undefined && this.#active.length > this.#config.minWorkers && !this.#stopped) {
      this.#idle = setTimeout(this.#shrink, this.#config.idleTimeoutMs / LOOKS).unref();
    }
  }

  readonly #shrink = (): void => {
    this.#idle = undefined;
    const { idleTimeoutMs, minWorkers } = this.#config;
    for (const worker of [...this.#active].reverse()) {
      if (worker.idleFor() >= idleTimeoutMs && this.#active.length > minWorkers) {
        this.#actions.shrink(worker);
      }
    }
    this.#watchIdle();
  };
}
