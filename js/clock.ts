/**
 * The runtime's own clock and queues, taken before anybody can replace them: a test runner's fake timers, or a task that
 * changes a global, must not stop the calls.
 */
export const { clearTimeout, queueMicrotask, setImmediate, setInterval, setTimeout } = globalThis;

/** Milliseconds since some moment, with fractions. */
export const now: () => number = performance.now.bind(performance);
