/**
 * Keeps the process alive while somebody waits. Native wake-ups don't: an idle pool must let its process end.
 */

import { LONGEST_TIMER_MILLIS, setInterval } from "../base/clock";

let timer: NodeJS.Timeout | undefined;
let holders = 0;

/** One more reason to stay alive. */
export function hold(): void {
  if (holders++ === 0) {
    timer ??= setInterval(() => {}, LONGEST_TIMER_MILLIS);
    timer.ref();
  }
}

/** One reason fewer. */
export function release(): void {
  if (--holders === 0) {
    timer?.unref();
  }
}
