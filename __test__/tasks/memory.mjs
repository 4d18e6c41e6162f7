/** Tasks that reach for the shared memory of their own worker, as a hostile one would. */
import { ftruncateSync, openSync, readdirSync, readlinkSync } from "node:fs";

/** Opens this worker's named memory anew. The name is gone; the descriptor that holds the lock is not. */
function openMemory() {
  for (const fd of readdirSync("/proc/self/fd")) {
    try {
      if (readlinkSync(`/proc/self/fd/${fd}`).startsWith("/dev/shm/")) {
        return openSync(`/proc/self/fd/${fd}`, "r+");
      }
    } catch {
      // The descriptor with which the folder was read.
    }
  }
  throw new Error("this worker's memory has no name");
}

/** Truncates the memory to nothing, as soon as the host is likely to be writing. */
export const truncate = (millis) => {
  const memory = openMemory();
  setTimeout(() => ftruncateSync(memory, 0), millis);
};
export const echo = (value) => value;
