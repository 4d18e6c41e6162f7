/** Tasks on shared memory. */

import { execFileSync } from "node:child_process";
import { readdirSync, readlinkSync } from "node:fs";
import { Envelope } from "knitting-native";
import { ProcessSharedBuffer } from "knitting-native/shared-memory";

let kept;

const wordsOf = (memory) =>
  memory instanceof ProcessSharedBuffer ? memory.view(Int32Array) : new Int32Array(memory.buffer ?? memory);

export const echo = (value) => value;

/** Adds to the first number, so many times. Returns what it was. */
export const add = ({ memory, times }) => {
  const words = wordsOf(memory);
  const before = Atomics.load(words, 0);
  for (let done = 0; done < times; done++) {
    Atomics.add(words, 0, 1);
  }
  return before;
};

/** The first byte of each, before it is set to the number. */
export const swap = ({ memories, byte }) =>
  memories.map((memory) => {
    const bytes =
      memory instanceof ProcessSharedBuffer ? memory.bytes() : new Uint8Array(memory.buffer ?? memory);
    const [before] = bytes;
    bytes[0] = byte;
    return before;
  });

export const keep = (value) => {
  kept = value;
};
export const kept_ = () => kept;
export const keptWord = () => wordsOf(kept)[0];

export const makeArray = (bytes) => {
  const buffer = new SharedArrayBuffer(bytes);
  new Uint8Array(buffer).fill(7);
  return buffer;
};
export const makeBuffer = () => ProcessSharedBuffer.create(16);

/** Waits for a number that the host stores. */
export const awaitWord = (words) => {
  while (Atomics.load(words, 0) === 0) {
    Atomics.wait(words, 0, 0, 1000);
  }
  return Atomics.load(words, 0);
};

/** How an argument looks from here. */
export const describe = (value) => ({
  class: value.constructor.name,
  isEnvelope: value instanceof Envelope,
  isBuffer: value instanceof ProcessSharedBuffer,
  header: value.header,
  payload: value.payload?.constructor.name,
  byteLength: (value.payload ?? value).byteLength,
});

/** How often memory of that kind is mapped into this process. */
export const mappings = async (pattern) => {
  const { readFileSync } = await import("node:fs");
  return readFileSync("/proc/self/maps", "utf8")
    .split("\n")
    .filter((line) => line.includes(pattern)).length;
};

/** What is behind the descriptors above the standard three of a program that is started from here. */
export const childDescriptors = () =>
  [...execFileSync("ls", ["-l", "/proc/self/fd"], { encoding: "utf8" }).matchAll(/(\d+) -> (.*)/g)]
    .filter(([, fd]) => Number(fd) > 2)
    .map(([, , target]) => target);

export const descriptors = () =>
  readdirSync("/proc/self/fd").flatMap((fd) => {
    try {
      return [readlinkSync(`/proc/self/fd/${fd}`)];
    } catch {
      return [];
    }
  });

export const closeIt = (buffer) => {
  const bytes = buffer.bytes();
  buffer[Symbol.dispose]();
  let message = "";
  try {
    buffer.bytes();
  } catch (error) {
    message = error.message;
  }
  return { length: bytes.length, message };
};

export const collect = () => globalThis.gc?.();
export const checksum = (bytes) => bytes.reduce((sum, byte) => (sum * 31 + byte) >>> 0, 7);
export const envelope = ({ header, payload }) => new Envelope({ ...header, seen: true }, payload);
export const die = () => process.kill(process.pid, "SIGKILL");
export const sleep = (millis) => new Promise((resolve) => setTimeout(resolve, millis));
export const length = (bytes) => bytes.length;
