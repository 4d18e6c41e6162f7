/** Marks this thread or process as one of our workers, before any other module runs: `isMain` looks for the mark. */
import { MARK } from "../base/mark";
import { isProgram } from "../native/package";

/** Loaded by a program of somebody else's, or by a second copy of this package, this file is no worker. */
export const isWorker = isProgram;

if (isWorker) {
  Object.defineProperty(globalThis, MARK, { value: true });
}
