/**
 * `node bench/shared.mjs`: the cost of a large binary argument, for a task that reads its first and last bytes, by each
 * way to send it. The result is in milliseconds per call, the median of many calls that are made one at a time. Each
 * way has one turn per round, so that other load on the machine affects all of them alike.
 */
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { isMainThread, parentPort, Worker } from "node:worker_threads";
import { createPool, Envelope, importTask, isMain } from "knitting-native";
import { ProcessSharedBuffer } from "knitting-native/shared-memory";
import { quantile } from "./statistics.mjs";

const MIB = 1024 * 1024;
const SIZES = [MIB, 16 * MIB];
const ROUNDS = 30;
const WARM_ROUNDS = 5;

const endsOf = (bytes) => bytes[0] + bytes[bytes.length - 1];

export const bytes = (array) => endsOf(new Uint8Array(array.buffer ?? array));
export const envelope = ({ payload }) => endsOf(payload.bytes());

if (isMain && isMainThread) {
  await main();
} else if (isMain) {
  parentPort.on("message", (array) => parentPort.postMessage(endsOf(array)));
}

async function main() {
  const href = fileURLToPath(import.meta.url);
  const tasks = {
    bytes: importTask({ href, name: "bytes" }),
    envelope: importTask({ href, name: "envelope" }),
  };
  const thread = createPool()(tasks);
  const process = createPool({ worker: { runtime: "process", processRuntime: "node" } })(tasks);
  const port = new Worker(new URL(import.meta.url));
  const post = async (message, transfer) => {
    port.postMessage(message, transfer);
    await once(port, "message");
  };
  for (const size of SIZES) {
    const source = new Uint8Array(size).fill(1);
    const memory = ProcessSharedBuffer.create(size);
    memory.bytes().set(source);
    const shared = new Uint8Array(new SharedArrayBuffer(size));
    // What each call needs anew is made and filled outside of the measured time, because a program would fill it
    // anyway.
    const made = {
      allocThread: () => thread.alloc(size).fill(1),
      allocProcess: () => process.alloc(size).fill(1),
    };
    const ways = {
      "thread, copied argument": () => thread.call.bytes(source),
      "thread, pool.alloc": [made.allocThread, (array) => thread.call.bytes(array)],
      "thread, Envelope with ProcessSharedBuffer": () => thread.call.envelope(new Envelope({ size }, memory)),
      "thread, SharedArrayBuffer": () => thread.call.bytes(shared),
      "process, copied argument": () => process.call.bytes(source),
      "process, pool.alloc": [made.allocProcess, (array) => process.call.bytes(array)],
      "process, Envelope with ProcessSharedBuffer": () =>
        process.call.envelope(new Envelope({ size }, memory)),
      "postMessage, copied": () => post(source),
      "postMessage, transferred": [() => source.slice(), (array) => post(array, [array.buffer])],
    };
    const times = Object.fromEntries(Object.keys(ways).map((way) => [way, []]));
    for (let round = -WARM_ROUNDS; round < ROUNDS; round++) {
      for (const [way, how] of Object.entries(ways)) {
        const [make, send] = Array.isArray(how) ? how : [() => undefined, how];
        const argument = make();
        const start = performance.now();
        await send(argument);
        if (round >= 0) {
          times[way].push(performance.now() - start);
        }
      }
    }
    console.log(`${size / MIB} MiB`);
    for (const [way, millis] of Object.entries(times)) {
      console.log(
        `  ${way.padEnd(45)} ${quantile(
          millis.sort((a, b) => a - b),
          0.5,
        ).toFixed(3)} ms`,
      );
    }
  }
  await port.terminate();
  await Promise.all([thread.shutdown(), process.shutdown()]);
}
