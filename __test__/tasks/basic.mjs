/** Tasks for the behaviour suite. */
import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { isMainThread } from "node:worker_threads";
import { isMain, task } from "knitting-native";

export const add = ([a, b]) => a + b;
export const echo = (value) => value;
export const echoLater = async (value) => {
  await sleep(1);
  return value;
};
export const double = task({ f: (x) => x * 2 });
export const nothing = () => {};
export const typeOf = (value) => typeof value;
export const reportIsMain = () => isMain;
const identity = randomUUID();
/** Another for each worker: process ids are no use where each has a namespace of its own. */
export const who = () => identity;
export const pid = () => process.pid;
export const inThread = () => !isMainThread;
export const wait = async (millis) => {
  await sleep(millis);
  return millis;
};
/** Keeps the worker's thread busy, and its event loop out. */
export const spin = (millis) => {
  const end = performance.now() + millis;
  while (performance.now() < end) {}
  return millis;
};
export const thenable = (value) => ({
  // biome-ignore lint/suspicious/noThenProperty: a foreign thenable is the point
  then: (resolve) => {
    resolve(value);
    resolve("a second answer");
  },
});
export default (value) => `default ${value}`;

/** A value of the asked-for kind that can't be sent. */
export const unsendable = (kind) => {
  class Point {
    x = 1;
  }
  return {
    function: () => ({ a: { b: [1, () => {}] } }),
    symbol: () => Symbol("s"),
    weakMap: () => new WeakMap(),
    promise: () => ({ later: Promise.resolve(1) }),
    instance: () => ({ point: new Point() }),
    deep: () => Array.from({ length: 500 }).reduce((inner) => [inner], []),
    throwingThen: () => ({
      // biome-ignore lint/suspicious/noThenProperty: that is the point
      get then() {
        throw new RangeError("from the then getter");
      },
    }),
    message: () => {
      throw Object.defineProperty(new Error(), "message", {
        get() {
          throw new Error("from the message getter");
        },
      });
    },
    getter: () => ({
      get x() {
        throw new RangeError("from the getter");
      },
    }),
  }[kind]();
};

let held;
/** Keeps its argument, and tells its checksum. */
export const hold = (bytes) => {
  held = bytes;
  return checksum(bytes);
};
export const heldChecksum = () => checksum(held);
export const heldIsUsable = () => held.byteLength;

function checksum(bytes) {
  let sum = 0;
  for (let index = 0; index < bytes.length; index += 7) {
    sum = (Math.imul(sum, 31) + bytes[index]) | 0;
  }
  return sum;
}
/** Processor time that the process has used. */
export const cpuMicros = () => {
  const { user, system } = process.cpuUsage();
  return user + system;
};
