/** A call has its task's types, however the task was defined. */
import {
  createPool,
  importTask,
  type Pool,
  type ShutdownResult,
  setModuleUrl,
  type Task,
  task,
  type WorkerIdentity,
  workerInfo,
} from "knitting-native";

const add = ([a, b]: [number, number]) => a + b;
const pool = createPool({ threads: 2 })({
  add,
  defined: task({ f: ([a, b]: [number, number]) => a + b }),
  imported: importTask<[number, number], number>({ href: "./tasks.js", name: "add" }),
  later: async (name: string) => name.length,
  laterDefined: task({ f: async (name: string) => name.length }),
  now: () => 1,
  nowDefined: task({ f: () => 1 }),
  nowImported: importTask<void, number>({ href: "./tasks.js", name: "now" }),
  greet: (name?: string) => `Hello ${name}`,
  flag: (flag: boolean) => flag,
  // biome-ignore lint/suspicious/noExplicitAny: what a JavaScript module without types has
  untyped: (argument: any) => argument,
  unknown: importTask<unknown, unknown>({ href: "./tasks.js" }),
});

export const results: Promise<number>[] = [
  pool.call.add([1, 2]),
  pool.call.defined([1, 2]),
  pool.call.imported([1, 2]),
  // The argument may be a promise.
  pool.call.add(Promise.resolve<[number, number]>([1, 2])),
  pool.call.imported(Promise.resolve<[number, number]>([1, 2])),
  // If a task returns a promise, the caller gets its value.
  pool.call.later("knit"),
  pool.call.laterDefined("knit"),
  pool.call.now(),
  pool.call.nowDefined(),
  pool.call.nowImported(),
];
export const greetings: Promise<string>[] = [pool.call.greet(), pool.call.greet("Ada")];
export const flags: Promise<boolean>[] = [pool.call.flag(true), pool.call.flag(Math.random() < 0.5)];
pool.call.untyped();
pool.call.untyped({ any: "thing" });
pool.call.unknown();
pool.call.unknown({ any: "thing" });

// @ts-expect-error the result is a number
export const bareResult: Promise<string> = pool.call.add([1, 2]);
// @ts-expect-error the result is a number
export const definedResult: Promise<string> = pool.call.defined([1, 2]);
// @ts-expect-error the result is a number
export const importedResult: Promise<string> = pool.call.imported([1, 2]);
// @ts-expect-error the result is not a promise of a promise
export const nestedResult: Promise<Promise<number>> = pool.call.later("knit");

// @ts-expect-error wrong argument
pool.call.add(["1", 2]);
// @ts-expect-error wrong argument
pool.call.defined(["1", 2]);
// @ts-expect-error wrong argument
pool.call.imported(["1", 2]);
// @ts-expect-error promise of a wrong argument
pool.call.add(Promise.resolve("1"));
// @ts-expect-error missing argument
pool.call.add();
// @ts-expect-error missing argument
pool.call.defined();
// @ts-expect-error missing argument
pool.call.imported();
// @ts-expect-error one argument, not two
pool.call.add(1, 2);
// @ts-expect-error takes no argument
pool.call.now(1);
// @ts-expect-error takes no argument
pool.call.nowDefined(1);
// @ts-expect-error takes no argument
pool.call.nowImported(1);
// @ts-expect-error unknown task
pool.call.subtract([1, 2]);
// @ts-expect-error tasks can't be replaced
pool.call.add = add;

// @ts-expect-error a task has one argument
createPool()({ two: (a: number, b: number) => a + b });
// @ts-expect-error a number is no task
createPool()({ add: 5 });
// @ts-expect-error an object is a task only if task() or importTask() made it
createPool()({ add: {} });
// @ts-expect-error no tasks
createPool()();

// @ts-expect-error no such option
createPool({ thread: 2 });
// @ts-expect-error wrong type
createPool({ threads: "2" });
// @ts-expect-error no such option
createPool({ worker: { runtimes: "process" } });
// @ts-expect-error not a runtime
createPool({ worker: { runtime: "fiber" } });
// @ts-expect-error a task has a function
task({});
// @ts-expect-error an imported task has a module
importTask<number, number>({ name: "add" });

// A module can name the type of a task that it exports, and a function can name the type of a pool that it takes.
export const named: Task<[number, number], number> = importTask({ href: "./tasks.js" });
export const same: Pool<{ add: typeof named }> = createPool()({ add: named });
export const sum: Promise<number> = same.call.add([1, 2]);
// @ts-expect-error takes a string
export const other: Task<string, number> = named;

export async function dispose() {
  using first = createPool()({ add });
  await using second = createPool()({ add });
  const { cut }: { readonly cut: number } = await pool.shutdown();
  cut.toFixed();
  return [await first.call.add([1, 2]), await second.call.add([1, 2])];
}

const limited = createPool()({
  plain: importTask<string, number>({ href: "./tasks.js", timeout: 10 }),
  otherwise: importTask<string, number>({ href: "./tasks.js", timeout: { time: 10, default: 5 } }),
  maybe: importTask<string, number>({ href: "./tasks.js", timeout: { time: 10, maybe: true } }),
  abortable: importTask<string, number>({ href: "./tasks.js", abortSignal: true }),
  both: task({
    f: async (name: string, { hasAborted, now, signal }) =>
      hasAborted() || signal.aborted ? now() : name.length,
    timeout: { time: 10, maybe: true },
    abortSignal: true,
  }),
});
export const limits: Promise<number>[] = [
  limited.call.plain("x"),
  limited.call.otherwise("x", { timeout: 5 }),
];
export const maybe: Promise<number | undefined> = limited.call.maybe("x");
export const both: Promise<number | undefined> = limited.call.both("x", { signal: AbortSignal.timeout(5) });
limited.call.abortable("x").reject("enough");
limited.call.both("x").reject();
limited.call.plain("x", { timeout: { time: 5, default: 7 } });

// @ts-expect-error it may be undefined
export const surely: Promise<number> = limited.call.maybe("x");
// @ts-expect-error its task does not learn of aborts
limited.call.plain("x").reject();
// @ts-expect-error a default of another type
limited.call.plain("x", { timeout: { time: 5, default: "7" } });
// @ts-expect-error a default of another type
importTask<string, number>({ href: "./tasks.js", timeout: { time: 10, default: "5" } });

// Limits and signals that end the worker, and the options that say when and where a call runs.
const halted = createPool()({
  maybe: importTask<string, number>({
    href: "./tasks.js",
    timeout: { time: 10, maybe: true, kill: true, graceMs: 5 },
  }),
  alone: importTask<string, number>({ href: "./tasks.js", timeout: { time: 10, kill: true } }),
  partial: importTask<string, number>({ href: "./tasks.js", abortSignal: { hasAborted: true } }),
  partialToo: task({ f: (name: string) => name.length, abortSignal: { hasAborted: true } }),
});
export const perhaps: Promise<number | undefined> = halted.call.maybe("x");
export const certainly: Promise<number> = halted.call.alone("x", {
  timeout: { time: 5, default: 7, kill: true },
});
export const partials: Promise<number>[] = [halted.call.partial("x"), halted.call.partialToo("x")];
halted.call.partial("x").reject("enough");
halted.call.partialToo("x").reject();
halted.call.alone("x").kill();
halted.call
  .partial("x")
  .on("progress", () => {})
  .kill();
halted.call.alone("x", { signal: AbortSignal.timeout(5), kill: true, affinity: "user-7", priority: -1 });
halted.call.alone("x", { transfer: [new ArrayBuffer(5)] });
halted.call.alone("x", { copy: false });
// @ts-expect-error it may be undefined
export const uncertain: Promise<number> = halted.call.maybe("x");
// @ts-expect-error false is said by leaving it out
halted.call.alone("x", { timeout: { time: 5, kill: false } });
// @ts-expect-error the time alone is a number
halted.call.alone("x", { timeout: { time: 5 } });
// @ts-expect-error a view, not its buffer
halted.call.alone("x", { transfer: [new Uint8Array(5)] });
// @ts-expect-error memory that is shared can't be detached
halted.call.alone("x", { transfer: [new SharedArrayBuffer(5)] });
// @ts-expect-error a number
halted.call.alone("x", { priority: "low" });
// @ts-expect-error the form has no other value
task({ f: () => 1, abortSignal: { hasAborted: false } });

// Who one is: in a worker, and in the host.
export const here: WorkerIdentity | undefined = workerInfo;
export const place: { index: number; start: number; threadId: number | null } = pool.workers[0];
createPool({ worker: { argv: ["--level=3"] } });
// @ts-expect-error in the host there is none
export const index: number = workerInfo.index;
// @ts-expect-error strings
createPool({ worker: { argv: [3] } });

/** Pools of one task. */
const single = task({ f: (name: string) => name.length }).createPool({ threads: 2 });
export const length: Promise<number> = single.call("knit");
single.call(Promise.resolve("knit"), { timeout: 5 });
export const told: Promise<number | undefined> = importTask<void, number>({
  href: "./tasks.js",
  abortSignal: true,
  timeout: { time: 5, maybe: true },
})
  .createPool()
  .call();
task({ f: () => 1, abortSignal: true })
  .createPool()
  .call()
  .reject();
export const ended: Promise<ShutdownResult> = single.on("exit", ({ exitCode }) => exitCode).shutdown();
// A task that can have its own pool can also be one of several in a pool.
export const shared: Promise<number> = createPool()({
  a: task({ f: (name: string) => name.length }),
}).call.a("knit");
setModuleUrl("file:///a.js");
setModuleUrl(new URL("file:///a.js"));

// @ts-expect-error takes a string
single.call(5);
// @ts-expect-error missing argument
single.call();
// @ts-expect-error its task does not learn of aborts
single.call("knit").reject();
// @ts-expect-error no such option
task({ f: () => 1 }).createPool({ thread: 2 });
