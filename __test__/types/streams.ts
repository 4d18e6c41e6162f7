/** Streams and progress have their tasks' types. */
import { createPool, importTask, type TaskStream, type TaskToolkit, task } from "knitting-native";

async function* count(end: number): AsyncGenerator<number, string> {
  yield end;
  return "counted";
}

const pool = createPool()({
  count,
  countInOneGo: function* (end: number): Generator<number, string> {
    yield end;
    return "counted";
  },
  countLater: async (end: number) => count(end),
  countAsReadable: (end: number) => new ReadableStream<string>({ start: (to) => to.enqueue(`${end}`) }),
  counted: task({ f: count, abortSignal: true }),
  imported: importTask<number, AsyncGenerator<number, string>>({ href: "./tasks.js" }),
  add: ([a, b]: [number, number]) => a + b,
  sum: async (values: AsyncIterable<number>) => {
    let total = 0;
    for await (const value of values) {
      total += value;
    }
    return total;
  },
  resize: (files: string[], { progress }: TaskToolkit<{ done: number }>) => {
    progress({ done: files.length });
    return files.length;
  },
  tells: task({ f: (count: number, { progress }) => progress(count) }),
});

export const streams: Promise<TaskStream<number, string>>[] = [
  pool.call.count(1),
  pool.call.countInOneGo(1),
  pool.call.countLater(1),
  pool.call.counted(1),
  pool.call.imported(1),
];
export const iterables: AsyncIterable<number>[] = [
  pool.call.count(1),
  pool.call.countInOneGo(1),
  pool.call.countLater(1),
  pool.call.counted(1),
  pool.call.imported(1),
];
export const texts: AsyncIterable<string> = pool.call.countAsReadable(1);
pool.call.counted(1).reject(new Error("changed my mind"));

export const sums: Promise<number>[] = [
  pool.call.sum(count(3)),
  pool.call.sum(pool.call.count(3)),
  pool.call.resize(["a"]).on("progress", ({ done }) => done.toFixed()),
];
pool.call.tells(1).on("progress", (value: number) => value.toFixed());

// @ts-expect-error the items are numbers
export const wrongItems: AsyncIterable<string> = pool.call.count(1);
// @ts-expect-error a call of a task without a generator is not a stream
export const noStream: AsyncIterable<number> = pool.call.add([1, 2]);
// @ts-expect-error the task reads numbers
pool.call.sum(pool.call.countAsReadable(1));
// @ts-expect-error not an event
pool.call.add([1, 2]).on("data", () => {});
// @ts-expect-error the progress has another type
pool.call.resize(["a"]).on("progress", ({ left }) => left);
