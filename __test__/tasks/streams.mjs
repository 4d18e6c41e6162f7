/** Tasks that talk while they work: they tell of their progress, they yield, and they read what the host yields. */
import { setTimeout as sleep } from "node:timers/promises";
import { task } from "knitting-native";

/** What has come to an end so far. */
const ended = [];
export const endedSoFar = () => ended;
export const echo = (value) => value;

export const tellUpTo = (end, { progress }) => {
  let told = 0;
  for (let value = 0; value < end; value++) {
    told += progress(value) ? 1 : 0;
  }
  return told;
};
/** Tells, and is busy until its call is aborted. */
export const tellAndSpin = task({
  f: (millis, { progress, hasAborted, now }) => {
    progress("at once");
    const end = now() + millis;
    while (now() < end && !hasAborted()) {}
    return hasAborted() ? "aborted" : "late";
  },
  abortSignal: true,
});
export const tellLater = async (values, { progress }) => {
  for (const value of values) {
    await sleep(1);
    progress(value);
  }
  return values.length;
};
export const tellUnsendable = (_, { progress }) => {
  try {
    progress({ step: { run: () => {} } });
  } catch ({ name, path }) {
    progress("sendable");
    return { name, path };
  }
};
/** Bytes of kilobytes that nobody may be able to take as fast as they come. */
export const flood = (count, { progress }) => {
  const bytes = "x".repeat(10_000);
  for (let index = 0; index < count; index++) {
    progress({ index, bytes });
  }
  return count;
};
let kept;
export const keepTelling = (_, { progress }) => {
  kept = progress;
};
export const tellTooLate = () => kept("too late");
/** Of which the second parameter has a default: it is the task's own. */
export const defaulted = (a, b = 3) => [a, b];

export async function* count(end) {
  try {
    for (let value = 0; value < end; value++) {
      yield value;
    }
    return "counted";
  } finally {
    ended.push("count");
  }
}
export function* countInOneGo(end) {
  for (let value = 0; value < end; value++) {
    yield value;
  }
  return "counted";
}
export const countLater = async (end) => count(end);
export const countAsReadable = (end) =>
  new ReadableStream({
    start(controller) {
      for (let value = 0; value < end; value++) {
        controller.enqueue(value);
      }
      controller.close();
    },
  });
export const countByHand = (end) => {
  let value = 0;
  return {
    [Symbol.asyncIterator]: () => ({ next: async () => ({ done: value === end, value: value++ }) }),
  };
};
let pulled = 0;
export async function* pulling(bytes) {
  for (pulled = 0; ; ) {
    pulled++;
    yield bytes === 0 ? pulled : "x".repeat(bytes);
  }
}
export const pulledSoFar = () => pulled;
export async function* throwing(after) {
  for (let value = 0; value < after; value++) {
    yield value;
  }
  throw new RangeError("no more than that");
}
export async function* unsendable() {
  try {
    yield 1;
    yield { deep: [() => {}] };
  } finally {
    ended.push("unsendable");
  }
}
export async function* finicky() {
  try {
    for (;;) {
      yield 1;
    }
  } finally {
    // biome-ignore lint/correctness/noUnsafeFinally: that is the point
    throw new TypeError("from the finally");
  }
}
export async function* slowToEnd(millis) {
  try {
    for (;;) {
      yield 1;
    }
  } finally {
    await sleep(millis);
    ended.push("slowToEnd");
  }
}
export async function* countSlowly(end) {
  for (let value = 1; value <= end; value++) {
    await sleep(300);
    yield value;
  }
}
/** Yields once, and then waits until it is told that nobody wants more. */
export const waitsForSignal = task({
  f: async function* (_, { signal, progress }) {
    try {
      yield 1;
      await new Promise((resolve) => signal.addEventListener("abort", resolve));
    } finally {
      progress("nobody hears it");
      ended.push("waitsForSignal");
    }
  },
  abortSignal: true,
});
export async function* tellAndYield(end, { progress }) {
  for (let value = 0; value < end; value++) {
    progress(`before ${value}`);
    yield value;
  }
}
export async function* yieldThenDie(after) {
  for (let value = 0; value < after; value++) {
    yield value;
  }
  await sleep(50);
  // Below what the guards know of: as if the system had done it.
  setImmediate(() => {
    throw new Error("dies of it");
  });
  await new Promise(() => {});
}
export async function* yieldThenStop(after) {
  for (let value = 0; value < after; value++) {
    yield value;
  }
  await new Promise(() => {});
}
export async function* yieldThenSpin(after) {
  for (let value = 0; value < after; value++) {
    yield value;
  }
  for (;;) {}
}

export const sum = async (values) => {
  let total = 0;
  for await (const value of values) {
    total += value;
  }
  return total;
};
export const typesOf = async (values) => {
  const types = [];
  for await (const value of values) {
    types.push(typeof value);
  }
  return types;
};
export const firstOf = async (values) => {
  for await (const value of values) {
    return value;
  }
};
export const returnOf = async (values) => {
  for (;;) {
    const step = await values.next();
    if (step.done) {
      return step.value;
    }
  }
};
export const failureOf = async (values) => {
  const got = [];
  try {
    for await (const value of values) {
      got.push(value);
    }
  } catch ({ name, message }) {
    return { got, name, message };
  }
};
export const ignoring = () => "not read";
export const takeSlowly = async (values) => {
  let taken = 0;
  for await (const _ of values) {
    taken++;
    await sleep(1);
    if (taken === 50) {
      return taken;
    }
  }
};
export const readThenDie = async (values) => {
  await values.next();
  setImmediate(() => {
    throw new Error("dies of it");
  });
  await new Promise(() => {});
};
export const spinForEver = () => {
  for (;;) {}
};
export async function* double(values) {
  for await (const value of values) {
    yield value * 2;
  }
}
export const dispose = async (values) => {
  const { value } = await values.next();
  await values.return("as asked");
  return value;
};
