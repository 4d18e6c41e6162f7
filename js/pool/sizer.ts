/**
 * Decides how many workers an elastic pool has.
 *
 * ```text
 *   a call waits, and there is no worker at all            -> one more, at once
 *   a call has waited for GROW_AFTER_MILLIS                -> one more, if none boots
 *   a call has waited for n * BOOT_MILLIS                  -> one more, if at most n boot
 *   none can be started, and there is no worker at all     -> the calls that wait reject
 *   a worker has had no calls for idleTimeout              -> one less, down to minWorkers
 * ```
 */
import { clearTimeout, now, setTimeout } from "../base/clock";
import type { ResolvedConfig } from "./config";
import type { SupervisedWorker } from "./supervised-worker";

/** So long a call waits for a worker that is busy before another one is started. */
const GROW_AFTER_MILLIS = 20;
/** For each such time that the first call has waited, one more worker may be booting. */
const BOOT_MILLIS = 250;
/** Looks at idle workers in each idle timeout. */
const LOOKS = 8;

/** What the pool does about its size. */
interface SizerActions {
  /** Starts a worker. Throws if none can be started. */
  grow(): void;
  shrink(worker: SupervisedWorker): void;
  /** There is no worker, and none can be started because of `error`. */
  stuck(error: unknown): void;
}

export class Sizer {
  readonly #config: ResolvedConfig;
  readonly #active: readonly SupervisedWorker[];
  readonly #queue: { readonly size: number; readonly oldestWaitMs: number };
  readonly #actions: SizerActions;
  #growth: NodeJS.Timeout | undefined;
  #idle: NodeJS.Timeout | undefined;
  #stopped = false;
  /** What each worker had been sent when it was last looked at, and since when that has not changed. */
  readonly #seen = new WeakMap<SupervisedWorker, { readonly sent: number; readonly since: number }>();
  /** Whether the last attempt to start a worker has failed. */
  #isShort = false;

  constructor(
    config: ResolvedConfig,
    active: readonly SupervisedWorker[],
    queue: { readonly size: number; readonly oldestWaitMs: number },
    actions: SizerActions,
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
      this.#add();
    }
    this.#growth = setTimeout(this.#grow, GROW_AFTER_MILLIS).unref();
    this.#watchIdle();
  };

  #add(): void {
    const wasShort = this.#isShort;
    try {
      this.#actions.grow();
      this.#isShort = false;
    } catch (error) {
      this.#isShort = true;
      if (this.#active.length === 0) {
        this.#actions.stuck(error);
      } else if (!wasShort) {
        // No more workers can be started now. Those that there are go on.
        process.emitWarning(error as Error);
      }
    }
  }

  #watchIdle(): void {
    if (this.#idle === undefined && this.#active.length > this.#config.minWorkers && !this.#stopped) {
      this.#idle = setTimeout(this.#shrink, this.#config.idleTimeoutMs / LOOKS).unref();
    }
  }

  readonly #shrink = (): void => {
    this.#idle = undefined;
    const { idleTimeoutMs, minWorkers } = this.#config;
    for (const worker of [...this.#active].reverse()) {
      if (this.#idleFor(worker) >= idleTimeoutMs && this.#active.length > minWorkers) {
        this.#actions.shrink(worker);
      }
    }
    this.#watchIdle();
  };

  /** For how long a worker has had no calls, in milliseconds, as far as is known from the times of asking. */
  #idleFor(worker: SupervisedWorker): number {
    const { sent } = worker.totals;
    const seen = this.#seen.get(worker);
    if (seen === undefined || worker.state !== "ready" || worker.load > 0 || sent !== seen.sent) {
      this.#seen.set(worker, { sent, since: now() });
      return 0;
    }
    return now() - seen.since;
  }
}
