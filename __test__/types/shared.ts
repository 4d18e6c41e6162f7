/** Shared memory, envelopes and allocated arrays have types. */
import { createPool, Envelope, importTask, type Payload, type SharedMemoryError } from "knitting-native";
import { getDefaultProcessSharedBufferPrimitives, ProcessSharedBuffer } from "knitting-native/shared-memory";

const memory = ProcessSharedBuffer.create(8);
ProcessSharedBuffer.create(
  { size: 8, name: "/x", mode: "create" },
  getDefaultProcessSharedBufferPrimitives(),
);
ProcessSharedBuffer.create({ name: "/x", mode: "open" });
export const words: Int32Array = memory.view(Int32Array);
export const view: DataView = memory.view(DataView);
export const bytes: Uint8Array = memory.bytes();
export const buffer: ArrayBuffer = memory.getBuffer();
export const part: ProcessSharedBuffer = memory.subbuffer(0, 8);
export const unlinked: boolean = getDefaultProcessSharedBufferPrimitives().unlinkSharedMemory("/x");
memory.descriptor.mapping.close();
// @ts-expect-error no such mode
ProcessSharedBuffer.create({ size: 8, mode: "make" });

export const payloads: Payload[] = [
  memory,
  new SharedArrayBuffer(8),
  new Envelope({ a: 1 }, memory),
  [words],
];
export const envelope: Envelope<{ width: number }, ProcessSharedBuffer> = new Envelope({ width: 1 }, memory);
export const width: number = envelope.header.width;
export const inside: ProcessSharedBuffer = envelope.payload;
// @ts-expect-error a payload is binary
new Envelope({}, "text");
// @ts-expect-error a header can be sent
new Envelope(() => {}, memory);

const pool = createPool()({
  resize: importTask<Envelope<{ width: number }, ArrayBuffer>, Envelope<{ height: number }, ArrayBuffer>>({
    href: "./tasks.js",
  }),
  sum: importTask<Uint8Array, number>({ href: "./tasks.js" }),
  fill: importTask<{ frame: ProcessSharedBuffer }, void>({ href: "./tasks.js" }),
});
export const height: Promise<number> = pool.call
  .resize(new Envelope({ width: 1 }, new ArrayBuffer(8)))
  .then(({ header }) => header.height);
// @ts-expect-error another header
pool.call.resize(new Envelope({ height: 1 }, new ArrayBuffer(8)));
export const sum: Promise<number> = pool.call.sum(pool.alloc(8));
// @ts-expect-error a size is a number
pool.alloc("8");
pool.call.fill({ frame: part });
export const reason = (error: SharedMemoryError): boolean => error.reason === "closed";
// @ts-expect-error no such reason
export const other = (error: SharedMemoryError): boolean => error.reason === "tired";
