/**
 * The runtime's own clock and queues, taken before anything can replace them: a test runner's fake timers, or a task
 * that changes a global, must not stop the calls.
 */
export const { clearInterval, clearTimeout, queueMicrotask, setImmediate, setInterval, setTimeout } =
  globalThis;

/** Like `queueMicrotask`, but runs after all pending microtasks and those that they add. */
export const nextTick = process.nextTick.bind(process);

/** Milliseconds since a fixed but arbitrary moment, with fractions. */
export const now: () => number = clock();

/** Node has to load `performance`, which takes more than half a millisecond of a process's start. */
function clock(): () => number {
  const { deno, bun } = process.versions;
  if (deno !== undefined || bun !== undefined) {
    return performance.now.bind(performance);
  }
  const { hrtime } = process;
  return () => {
    // By index: taking the pair apart goes through its iterator until V8 has optimized the caller.
    const time = hrtime();
    return time[0] * 1e3 + time[1] / 1e6;
  };
}

/** Into how many steps a time is divided, and the lower and the upper bound of a step. */
const STEPS = 8;
const LEAST_STEP_MILLIS = 1;
const MOST_STEP_MILLIS = 250;

/** The longest time that a timer can measure, about 25 days. */
export const LONGEST_TIMER_MILLIS = 2 ** 31 - 1;

/** A timer that is later than this was held up: this process was stopped, or its event loop was blocked. */
const LATE_MILLIS = 50;

/** How long this process was held up, if something was due at `due` and is done now: milliseconds, at least 0. */
export function missedMillis(due: number): number {
  return Math.max(now() - due - LATE_MILLIS, 0);
}

/**
 * Calls `action` after `millis` milliseconds in which this process was able to run, in steps. Time for which it was
 * stopped, paused or blocked doesn't count. The timer doesn't keep the process alive. Returns a function that stops it.
 */
export function afterRunning(millis: number, action: () => void): () => void {
  const step = Math.min(Math.max(millis / STEPS, LEAST_STEP_MILLIS), MOST_STEP_MILLIS);
  let left = millis;
  let timer: NodeJS.Timeout;
  const wait = (): void => {
    const next = Math.min(step, left);
    timer = setTimeout(() => {
      left -= next;
      if (left > 0) {
        wait();
      } else {
        action();
      }
    }, next).unref();
  };
  wait();
  return () => clearTimeout(timer);
}
