/**
 * The runtime's own clock and queues, taken before anything can replace them: a test runner's fake timers, or a task
 * that changes a global, must not stop the calls.
 */
export const { clearTimeout, queueMicrotask, setImmediate, setInterval, setTimeout } = globalThis;

/** Like `queueMicrotask`, but runs after all pending microtasks and those that they add. */
export const nextTick = process.nextTick.bind(process);

/** Milliseconds since a fixed but arbitrary moment, with fractions. */
export const now: () => number = performance.now.bind(performance);

/** The longest time that a timer can measure, about 25 days. */
export const LONGEST_TIMER_MILLIS = 2 ** 31 - 1;
