/**
 * What a worker prints has left it when the print returns, so that nothing is lost when the worker ends, and a worker
 * that floods a stream which nobody reads is held up by the system.
 *
 * ```text
 *   thread   its own pipes, which the host's reactor reads, instead of Node's messages between threads
 *   Node     prints to pipes asynchronously in a process: its two pipes are made to block
 *   Bun      does so too by `process.stdout`, though not by `console.log`: it gets streams that write synchronously
 *   Deno     prints synchronously by itself
 * ```
 *
 * Node makes a stream when it is asked for, which takes a millisecond, and it stays that way.
 */
import { writeSync } from "node:fs";
import type { Writable } from "node:stream";
import type { WorkerLane } from "../lane/worker/worker-lane";
import { native } from "../native/addon";

/** Writes bytes from an offset on, and returns how many it has taken. */
type Write = (bytes: Uint8Array, offset: number) => number;

const STREAMS = [
  { name: "stdout", descriptor: 1 },
  { name: "stderr", descriptor: 2 },
] as const;

/** Has a worker thread print to the pipes that its lane knows. */
export function printToLane(lane: WorkerLane): void {
  for (const { name } of STREAMS) {
    whenUsed(name, (stream) => {
      Object.assign(
        stream,
        writing((bytes, offset) => lane.print(name === "stderr", bytes, offset)),
      );
    });
  }
}

/** Has a process print synchronously. */
export function printAtOnce(): void {
  if ("Deno" in globalThis) {
    return;
  }
  const isBun = process.versions.bun !== undefined;
  for (const { name, descriptor } of STREAMS) {
    if (!isBun) {
      whenUsed(name, (stream: { _handle?: { setBlocking?(on: boolean): unknown } } & Writable) => {
        stream._handle?.setBlocking?.(true);
      });
    } else {
      let stream: Writable | undefined;
      const get = (): Writable => {
        const { Writable: Stream } = require("node:stream") as typeof import("node:stream");
        stream ??= Object.assign(
          new Stream(),
          { fd: descriptor },
          writing((bytes, offset) => writeSync(descriptor, bytes, offset)),
        );
        return stream;
      };
      Object.defineProperty(process, name, { get, enumerable: true, configurable: true });
    }
  }
  if (isBun) {
    // Bun has just made its own stream, and with that the descriptor no longer waits.
    native().blockOwnStreams();
  }
}

/** Prepares a stream of the process when it is asked for the first time. */
function whenUsed(name: "stdout" | "stderr", prepare: (stream: Writable) => void): void {
  const property = Object.getOwnPropertyDescriptor(process, name);
  const make = property?.get;
  if (make === undefined) {
    prepare(process[name]);
    return;
  }
  let isPrepared = false;
  const get = (): Writable => {
    const stream = Reflect.apply(make, process, []);
    if (!isPrepared) {
      isPrepared = true;
      prepare(stream);
    }
    return stream;
  };
  Object.defineProperty(process, name, { ...property, get });
}

/** The methods of a stream that writes everything before it returns. */
function writing(write: Write): object {
  return {
    _write(chunk: string | Uint8Array, encoding: BufferEncoding, done: () => void): void {
      const bytes = typeof chunk === "string" ? Buffer.from(chunk, encoding) : chunk;
      // A thread can be terminated between any two steps.
      for (let offset = 0; offset < bytes.length; ) {
        offset += write(bytes, offset);
      }
      done();
    },
    _writev: undefined,
  };
}
