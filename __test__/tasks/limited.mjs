/** Tasks that take their time, and hear that nobody waits any more. */
import { setTimeout as sleep } from "node:timers/promises";
import { task } from "knitting-native";

let runs = 0;
let last;

export const runsSoFar = () => runs;
export const lastWords = () => last;
export const echo = (value) => value;

export const wait = async (millis) => {
  runs++;
  await sleep(millis);
  return millis;
};
export const spin = (millis) => {
  const end = performance.now() + millis;
  while (performance.now() < end) {}
  return millis;
};
/** Busy until it is aborted, or for so long. */
export const loop = (millis, { hasAborted, now }) => {
  runs++;
  last = "looping";
  const end = now() + millis;
  while (now() < end) {
    if (hasAborted()) {
      last = "aborted";
      return last;
    }
  }
  last = "done";
  return last;
};
/** Waits until its signal says stop, or for so long. */
export const listen = async (millis, { signal, hasAborted }) => {
  last = "listening";
  try {
    await sleep(millis, undefined, { signal });
    last = "done";
  } catch (error) {
    last = `${error.name}, ${hasAborted()}`;
  }
  return last;
};
/** Keeps its toolkit, whose call is over long since when it is asked. */
let kept;
export const keep = (_, toolkit) => {
  kept = toolkit;
};
export const keptSays = () => [kept.hasAborted(), kept.signal.aborted];
export const argumentsOf = (...parameters) => parameters.length;
export const defined = task({ f: async (millis) => wait(millis), timeout: { time: 60, default: -1 } });
