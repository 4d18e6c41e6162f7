/**
 * Marks this thread or process as one of this package's workers, before any other module runs. `isMain` looks for the
 * mark.
 */
import { MARK } from "../base/mark";
import { isProgram } from "../native/package";

/** If another program, or a second copy of this package, loads this file, it is not a worker. */
export const isWorker = isProgram;

if (isWorker) {
  Object.defineProperty(globalThis, MARK, { value: {} });
}
