/** Tasks that tell in which order they were started. */
import { randomUUID } from "node:crypto";
import { announce, hold, letGo } from "./held.mjs";

/** Another for each worker. */
const lane = randomUUID();
let started = 0;

/** Its argument, and how many were started before it. */
export const turn = (value) => [started++, value];
/** The same of one worker of several. */
export const turnOf = (value) => [lane, started++, value];
export const startedSoFar = () => started;
/** Holds its worker's thread until the test lets go. */
export const holding = () => {
  announce("holding");
  hold();
};

let going;
/** Bytes of this length, once the test lets go: in each the number of those that were started before it, its last digits. */
export const bytesThen = async (length) => {
  const number = started++;
  going ??= letGo();
  await going;
  return new Uint8Array(length).fill(number);
};
