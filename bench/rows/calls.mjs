/**
 * Rows about calls: numbers, objects, strings, bytes and errors, one call after the other and in batches, and calls
 * after a silence.
 */
import { deepStrictEqual, notStrictEqual, rejects } from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { bytes, KIB, latinText, MIB, records, sizeName, smallObject, textBeyondLatin } from "./values.mjs";

const BATCH = 100;
/** A batch carries at most that much in one direction, or two values. */
const MAX_BATCH_BYTES = 16 * MIB;
/** Calls before a turn, for a worker that has slept. */
const WARM_CALLS = 50;
/**
 * Values from this size on: their memory was given back meanwhile, so calls go before a turn for so long, and turns are
 * longer, because garbage is collected once in some dozens of calls.
 */
const LARGE_BYTES = 64 * KIB;
const LARGE_WARM_MILLIS = 20;
const LARGE_TURNS = 3;
/** Batches of larger values are left out of a quick run. */
const SLOW_BYTES = 64 * KIB;
const MESSAGE = "out of range";

const TEXT_SIZES = [16, KIB, 128 * KIB, MIB];
const BYTES_SIZES = [KIB, 64 * KIB, MIB, 16 * MIB];
/** Milliseconds of silence, and how many calls a turn makes after one. */
const SILENCES = [
  { silence: 1, calls: 20 },
  { silence: 10, calls: 5 },
  { silence: 100, calls: 2 },
];

export const callRows = [
  row({ group: "numbers", title: "one number, sequential", busy: true, ...number() }),
  ...[10, 100, 1000].map((size) =>
    row({ group: "numbers", title: `one number, batches of ${size}`, size, busy: size === 100, ...number() }),
  ),
  ...SILENCES.map(({ silence, calls }) =>
    row({
      group: "silence",
      title: `one number after ${silence} ms of silence`,
      silence,
      calls,
      busy: silence === 10,
      ...number(),
    }),
  ),
  ...bothWays(
    "objects",
    "small object",
    echoOf(smallObject, (answer) => answer.position.x),
  ),
  ...bothWays("objects", `${records.length} records`, echoOf(records)),
  ...TEXT_SIZES.flatMap((size) => [
    ...bothWays("strings", `string, ${sizeName(size)}, Latin-1`, echoOf(latinText(size), lengthOf, size), {
      busy: size === KIB,
    }),
    ...bothWays(
      "strings beyond Latin-1",
      `string, ${sizeName(size)}, beyond Latin-1`,
      echoOf(textBeyondLatin(size), lengthOf, size),
    ),
  ]),
  ...BYTES_SIZES.flatMap((size) => {
    const value = bytes(size);
    const needs = ["bytes"];
    return [
      ...bothWays("bytes", `bytes, ${sizeName(size)}`, echoOf(value, lengthOf, size), { needs }),
      ...bothWays("bytes to the worker", `bytes, ${sizeName(size)}, to the worker`, {
        task: "take",
        argument: value,
        answer: size,
        weight: size,
        weigh: identity,
        size,
        needs,
      }),
      ...bothWays("bytes to the host", `bytes, ${sizeName(size)}, to the host`, {
        task: "make",
        argument: size,
        weight: size,
        weigh: lengthOf,
        size,
        needs,
      }),
    ];
  }),
  ...bothWays("errors", "an error", { task: "fail", argument: MESSAGE, message: MESSAGE }),
];

function number() {
  return { task: "inc", argument: 1, answer: 2, weight: 2, weigh: identity };
}

function echoOf(value, weigh = lengthOf, size = 0) {
  return { task: "echo", argument: value, answer: value, weight: weigh(value), weigh, size };
}

/** A row of sequential calls and one of batches. `size` is that of the value. */
function bothWays(group, title, { size: valueSize = 0, ...call }, { busy = false, needs = [] } = {}) {
  const size = valueSize === 0 ? BATCH : Math.min(BATCH, Math.max(2, MAX_BATCH_BYTES / valueSize));
  return [
    row({ group, title: `${title}, sequential`, busy, needs, valueSize, ...call }),
    row({ group, title: `${title}, batches of ${size}`, needs, valueSize, size, ...call }),
  ];
}

/** A row whose contenders have one worker each, which lives as long as the sitting. */
function row({ group, title, task, argument, message, busy = false, needs = [], valueSize = 0, ...how }) {
  const isLarge = valueSize >= LARGE_BYTES;
  const check = {
    message,
    size: how.size,
    calls: how.calls,
    weigh: how.weigh,
    expected: (calls) => calls * how.weight,
    silence: () => sleep(how.silence),
  };
  const quickCalls = Math.ceil(how.calls / 2);
  const loop = loopOf(how, message);
  return {
    id: title,
    group,
    title,
    unit: "us",
    better: "lower",
    standing: true,
    warming: valueSize <= KIB && how.silence === undefined,
    slow: valueSize > SLOW_BYTES && how.size !== undefined,
    busy,
    needs: message === undefined ? needs : [...needs, "errors"],
    baseline: () => "postMessage",
    async warm({ tasks }, { quick }) {
      const enough = isLarge && !quick ? performance.now() + LARGE_WARM_MILLIS : 0;
      for (let count = 0; isLarge ? count < 2 || performance.now() < enough : count < WARM_CALLS; count++) {
        if (message !== undefined) {
          await rejects(tasks[task](argument), { message });
        } else if (count < 2) {
          verify(await tasks[task](argument), how, argument);
        } else {
          await tasks[task](argument);
        }
      }
    },
    turn: ({ tasks }, { loops, millis, quick }) =>
      loops[loop](tasks[task], argument, {
        ...check,
        millis: isLarge && !quick ? LARGE_TURNS * millis : millis,
        ...(quick && { calls: quickCalls }),
      }),
  };
}

function loopOf({ size, silence }, message) {
  if (silence !== undefined) {
    return "afterSilence";
  }
  if (message !== undefined) {
    return size === undefined ? "sequentialFailures" : "failuresInBatches";
  }
  return size === undefined ? "sequential" : "inBatches";
}

function verify(answer, { answer: expected, weigh, weight }, argument) {
  if (expected === undefined) {
    deepStrictEqual(weigh(answer), weight);
    return;
  }
  deepStrictEqual(answer, expected);
  if (typeof argument === "object") {
    notStrictEqual(answer, argument);
  }
}

function lengthOf(value) {
  return value.length;
}

function identity(value) {
  return value;
}
