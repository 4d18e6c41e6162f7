/** Tasks that end their worker, or leave something behind in it. */
import { spawnSync } from "node:child_process";
import { openSync, readFileSync, writeSync } from "node:fs";
import { createServer } from "node:http";
import { isMainThread, parentPort } from "node:worker_threads";

export const echo = (value) => value;
export const pid = () => process.pid;
/** A signal from another process: `process.kill` and `process.abort` are guarded. */
export const kill = (signal) => {
  // More than once: Deno's guard against stack overflows takes the first SIGSEGV for one and forgets it.
  for (;;) {
    spawnSync("sh", ["-c", `kill -${signal.replace("SIG", "")} ${process.pid}`]);
  }
};
/**
 * Ends the worker with this status, without `process.exit`, which is guarded: by an exception that nobody catches. In Deno
 * and Bun the status is 1 then, whatever a listener says.
 */
export const exit = (code) => {
  process.once("exit", () => {
    process.exitCode = code;
  });
  process.nextTick(() => {
    throw new Error(`ends with ${code}`);
  });
  return new Promise(() => {});
};
/** A thread is not killed by signals, nor is the first process of a container by those from within. */
const canBeKilled = isMainThread && process.pid !== 1;
/** Ends the worker before it gets to another call. */
export const die = () => {
  if (canBeKilled) {
    kill("SIGKILL");
  }
  const dying = exit(1);
  // Calls may not follow one another for so long: the event loop is next.
  sleepBusily(5);
  return dying;
};
export const complainAndDie = () => {
  process.stderr.write("first line\nlast words\n");
  return canBeKilled ? kill("SIGKILL") : exit(1);
};
export const throwLater = () => {
  setTimeout(() => {
    throw new Error("nobody catches this");
  });
  return new Promise(() => {});
};
export const spinForEver = () => {
  for (;;) {}
};
export const never = () => new Promise(() => {});
export const large = (bytes) => new Uint8Array(bytes).fill(7);
export const sleepBusily = (millis) => {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, millis);
  return millis;
};

let ticks = 0;
export const startTicking = () => {
  setInterval(() => ticks++, 5);
};
export const ticksSoFar = () => ticks;
export const startServer = () =>
  new Promise((resolve) => {
    const server = createServer((_request, response) => response.end("still here"));
    server.listen(0, "127.0.0.1", () => resolve(server.address().port));
  });

export const isWorkerThread = () => parentPort !== null;

/** Writes a number over a word of the shared memory, as hostile code in a worker can, and is busy for a while. */
export const scribble = ({ offset, value, millis }) => {
  const line = readFileSync("/proc/self/maps", "utf8")
    .split("\n")
    .find((map) => map.includes("memfd:knitting"));
  const start = Number.parseInt(line.split("-")[0], 16);
  const bytes = new Uint8Array(Uint32Array.of(value).buffer);
  writeSync(openSync("/proc/self/mem", "r+"), bytes, 0, 4, start + offset);
  sleepBusily(millis);
};
export const speak = (line) => console.log(line);
