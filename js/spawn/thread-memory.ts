/**
 * The memory of a worker thread: its heap and its buffers, as its engine counts them, without the memory that it shares
 * with this process.
 *
 * ```text
 *   Node with worker.getHeapStatistics   this side asks, and gets an answer from a thread that is busy as well
 *   other Nodes                          the thread reports it whenever its event loop is free: js/worker/thread-heap.ts
 * ```
 */
import { Worker as Thread } from "node:worker_threads";
import { now, setTimeout } from "../base/clock";
import type { NativeHostLane } from "../native/addon";
import type { WorkerLimits } from "../runtime/options";
import type { WorkerEvents } from "./worker";

/** How much of its limit makes a thread be killed. Less than that makes it be replaced. */
const FAR = 1.5;
/** How much more often a thread is looked at that is over its limit. */
const HASTE = 8;

/** What later versions of Node have. */
interface Talkative {
  getHeapStatistics(): Promise<{
    readonly used_heap_size: number;
    readonly external_memory?: number;
  }>;
}

/** Whether this Node tells how much memory a thread uses. */
export const tellsOfThreads =
  typeof (Thread.prototype as Thread & Partial<Talkative>).getHeapStatistics === "function";

export class ThreadMemory {
  readonly #thread: Thread & Talkative;
  readonly #lane: NativeHostLane;
  /** Bytes that the thread used at the last look. */
  #last: number | null = null;
  #isAsking = false;
  #isOver = false;
  #ended = false;

  constructor(thread: Thread, lane: NativeHostLane) {
    this.#thread = thread as Thread & Talkative;
    this.#lane = lane;
  }

  /** Bytes that the thread used at the last look; `null` if they are not known. Has the engine asked again. */
  get bytes(): number | null {
    void this.#look();
    return this.#last;
  }

  /** Looks at the thread from now on. The timer doesn't keep the process alive. */
  async watch({ memoryBytes: limit, memoryCheckMillis }: WorkerLimits, events: WorkerEvents): Promise<void> {
    if (limit === undefined) {
      return;
    }
    await this.#look();
    if (this.#last === null) {
      // It has ended in the meantime, and that is told.
      return;
    }
    events.watched(this.#last);
    let before = { bytes: this.#last, at: now() };
    const lookIn = (millis: number): void => {
      setTimeout(async () => {
        await this.#look();
        if (this.#ended) {
          return;
        }
        const seen = { bytes: this.#last ?? 0, at: now() };
        const isOver = seen.bytes > limit;
        const hasty = memoryCheckMillis / HASTE;
        // What has grown by garbage shrinks again, so the growth until the next look counts and no more.
        const growth = (Math.max(seen.bytes - before.bytes, 0) / (seen.at - before.at)) * hasty;
        const isFar = isOver && seen.bytes + growth > limit * FAR;
        before = seen;
        if (isFar || (isOver && !this.#isOver)) {
          this.#isOver = true;
          events.overMemory(seen.bytes, isFar);
        }
        if (!isFar) {
          lookIn(isOver ? hasty : memoryCheckMillis);
        }
      }, millis).unref();
    };
    lookIn(memoryCheckMillis);
  }

  stop(): void {
    this.#ended = true;
  }

  async #look(): Promise<void> {
    if (this.#ended || this.#isAsking) {
      return;
    }
    if (!tellsOfThreads) {
      this.#last = this.#lane.usage().memoryBytes ?? null;
      return;
    }
    this.#isAsking = true;
    try {
      const { used_heap_size: heap, external_memory: external = 0 } = await this.#thread.getHeapStatistics();
      this.#last = heap + Math.max(external - this.#lane.sharedBytes, 0);
    } catch {
      // The thread has ended, or not begun.
    } finally {
      this.#isAsking = false;
    }
  }
}
