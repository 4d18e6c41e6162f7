/**
 * The runtime's own clock and queues, taken before anybody can replace them: a test runner's fake timers, or a task that
 * changes a global, must not stop the calls.
 */
export const { clearTimeout, queueMicrotask, setImmediate, setInterval, setTimeout } = globalThis;

/** As `queueMicrotask`, but after all microtasks that there are, and those that they make. */
export const nextTick = process.nextTick.bind(process);

/** Milliseconds since some moment, with fractions. */
export const now: () => number = performance.now.bind(performance);

/** The longest time that a timer can measure, about 25 days. */
export const LONGEST_TIMER_MILLIS = 2 ** 31 - 1;
