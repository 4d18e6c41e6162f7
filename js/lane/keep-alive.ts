/**
 * Keeps the process alive while somebody waits. Native wake-ups don't: an idle pool must let its process end.
 */

import { setInterval } from "../clock";

/** The longest interval a timer can have, about 25 days. */
const FOREVER_MILLIS = 2 ** 31 - 1;

let timer: NodeJS.Timeout | undefined;
let holders = 0;

/** One more reason to stay alive. */
export function hold(): void {
  if (holders++ === 0) {
    timer ??= setInterval(() => {}, FOREVER_MILLIS);
    timer.ref();
  }
}

/** One reason fewer. */
export function release(): void {
  if (--holders === 0) {
    timer?.unref();
  }
}
