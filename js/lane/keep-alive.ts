/**
 * Keeps the process alive while somebody waits. Native wake-ups don't do that, because an idle pool must let its
 * process end.
 */

import { LONGEST_TIMER_MILLIS, setInterval } from "../base/clock";

let timer: NodeJS.Timeout | undefined;
let holders = 0;

/** Adds a reason to stay alive. */
export function hold(): void {
  if (holders++ === 0) {
    timer ??= setInterval(() => {}, LONGEST_TIMER_MILLIS);
    timer.ref();
  }
}

/** Removes a reason to stay alive. */
export function release(): void {
  if (--holders === 0) {
    timer?.unref();
  }
}
