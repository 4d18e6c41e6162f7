/** Tasks that tell what they run in. */
import { readFileSync } from "node:fs";
import { getPriority } from "node:os";
import { getHeapStatistics } from "node:v8";

export const priority = () => getPriority();
export const cwd = () => process.cwd();
export const env = (name) => process.env[name] ?? null;
export const names = () => Object.keys(process.env).sort();
export const flags = () => process.execArgv;
/** Soft limit of this process, as the system names it. */
export const limit = (name) =>
  readFileSync("/proc/self/limits", "utf8")
    .split("\n")
    .find((line) => line.startsWith(name))
    ?.slice(name.length)
    .trim()
    .split(/\s+/)[0] ?? null;
export const heapLimitMb = () => getHeapStatistics().heap_size_limit / 1024 / 1024;
/** How deep a recursion gets. */
export const depth = () => {
  let frames = 0;
  const descend = () => {
    frames++;
    descend();
  };
  try {
    descend();
  } catch {
    // That is the measure.
  }
  return frames;
};
