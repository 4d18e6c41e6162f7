/** Results of a given size. */
import { createRequire } from "node:module";

const require = createRequire(import.meta.url);

export const size = (value) => value.length;
export const bytes = (length) => new Uint8Array(length).fill(7);
export const text = (length) => ({ text: "x".repeat(length) });
export const later = async (length) => text(length);
export const echo = (value) => value;
export const throws = (length) => {
  throw new RangeError("y".repeat(length));
};
export const pid = () => process.pid;
/** Sends more than it may, as a worker could that has been taken over. */
export const cheat = (length) => {
  const { Outbox } = require("../../build/lane/outbox.js");
  const { stage } = Outbox.prototype;
  Outbox.prototype.stage = function (...slot) {
    this.maxPayloadBytes = Number.POSITIVE_INFINITY;
    return stage.apply(this, slot);
  };
  return bytes(length);
};
