/**
 * What a worker prints has left it when the print returns, so that nothing is lost when the worker ends, and a worker
 * that floods a stream which nobody reads is held up by the system.
 *
 * ```text
 *   thread    its own pipes, read by the host's reactor, instead of Node's messages between threads
 *   Node      writes to pipes asynchronously in a process: its two pipes are made to block
 *   Deno, Bun  write synchronously by themselves
 * ```
 *
 * Nothing here touches a stream before it is used: making one takes Node a millisecond.
 */
import type { Writable } from "node:stream";
import type { WorkerLane } from "../lane/worker/worker-lane";

type Name = "stdout" | "stderr";

/** Has a worker thread write to the pipes that its lane knows. */
export function printToLane(lane: WorkerLane): void {
  whenUsed("stdout", (stream) => writeTo(stream, (bytes, offset) => lane.print(false, bytes, offset)));
  whenUsed("stderr", (stream) => writeTo(stream, (bytes, offset) => lane.print(true, bytes, offset)));
}

/** Has a process write synchronously. */
export function printAtOnce(): void {
  const block = (stream: Writable): void => {
    const { _handle: handle } = stream as { _handle?: { setBlocking?(on: boolean): unknown } };
    handle?.setBlocking?.(true);
  };
  whenUsed("stdout", block);
  whenUsed("stderr", block);
}

/** Prepares a stream of the process when it is asked for the first time. */
function whenUsed(name: Name, prepare: (stream: Writable) => void): void {
  const property = Object.getOwnPropertyDescriptor(process, name);
  const get = property?.get;
  if (get === undefined) {
    prepare(process[name]);
    return;
  }
  let isPrepared = false;
  Object.defineProperty(process, name, {
    ...property,
    get() {
      const stream = Reflect.apply(get, process, []);
      if (!isPrepared) {
        isPrepared = true;
        prepare(stream);
      }
      return stream;
    },
  });
}

/** Replaces how a stream writes. `write` takes some bytes from an offset on, and returns how many it has taken. */
function writeTo(stream: Writable, write: (bytes: Uint8Array, offset: number) => number): void {
  Object.assign(stream, {
    _write(chunk: string | Uint8Array, encoding: BufferEncoding, done: () => void): void {
      const bytes = typeof chunk === "string" ? Buffer.from(chunk, encoding) : chunk;
      // A thread can be terminated between any two steps.
      for (let offset = 0; offset < bytes.length; ) {
        offset += write(bytes, offset);
      }
      done();
    },
    _writev: undefined,
  });
}
