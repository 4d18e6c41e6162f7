/** Tasks that end their worker, or leave something behind in it. */
import { openSync, readFileSync, readlinkSync, writeSync } from "node:fs";
import { createServer } from "node:http";
import { parentPort } from "node:worker_threads";

export const echo = (value) => value;
export const pid = () => process.pid;
export const kill = (signal) => {
  // More than once: Deno's guard against stack overflows takes the first SIGSEGV for one and forgets it.
  for (;;) {
    process.kill(process.pid, signal);
  }
};
export const exit = (code) => process.exit(code);
export const abort = () => process.abort();
export const complainAndExit = (code) => {
  process.stderr.write("first line\nlast words\n");
  process.exit(code);
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

/** What a process worker can still see of how it was started. */
export const traces = () => ({
  environ: readFileSync("/proc/self/environ", "latin1"),
  variables: Object.keys(process.env).filter((name) => name.startsWith("KNITTING")),
  stdin: readlinkSync("/proc/self/fd/0"),
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
