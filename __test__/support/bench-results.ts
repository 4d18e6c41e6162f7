/** Results of a run of the benchmark that nobody has made: figures from a generator with a fixed seed. */

export type Load = "idle" | "one" | "each" | "two";

export interface Entry {
  name: string;
  ours: boolean;
  kind: "thread" | "process" | "computed";
  figure?: number;
  p50?: number;
  p99?: number;
  against?: string;
  ratio?: { median: number; low: number; high: number };
  worst?: { figure: number; ratio?: number };
  failure?: string;
  reason?: string;
}

export interface Row {
  id: string;
  title: string;
  unit: string;
  better: "lower" | "higher";
  load: Load;
  rounds: number;
  contenders: Entry[];
}

export interface Group {
  name: string;
  title: string;
  rows: Row[];
}

export interface Results {
  machine: { cpu: string; cores: number; memoryGiB: number; kernel: string; node: string };
  versions: Record<string, string>;
  othersBusy: number;
  seconds: number;
  quick: boolean;
  commit: string;
  floors: { title: string; figure: number; unit: string }[];
  groups: Group[];
}

const CONTENDERS = [
  ["knitting thread", true, "thread"],
  ["knitting process", true, "process"],
  ["knitting deno", true, "process"],
  ["knitting bun", true, "process"],
  ["knitting bwrap", true, "process"],
  ["postMessage", false, "thread"],
  ["fork", false, "process"],
  ["fork, advanced", false, "process"],
  ["piscina", false, "thread"],
  ["tinypool", false, "thread"],
  ["tinypool, processes", false, "process"],
  ["workerpool", false, "thread"],
  ["workerpool, processes", false, "process"],
  ["poolifier", false, "thread"],
  ["poolifier, cluster", false, "process"],
  ["jest-worker", false, "thread"],
  ["jest-worker, processes", false, "process"],
  ["at least, computed", false, "computed"],
] as const;

const SIZES = ["16 B", "1 KiB", "128 KiB", "1 MiB"];
const BYTES = ["1 KiB", "64 KiB", "1 MiB", "16 MiB"];
const LONG = "waiting, calls of 5 ms on average";
const BUSY = ["one number, sequential", "one number, batches of 100", "one number after 10 ms of silence"];

const ONCE = { median: 1, low: 1, high: 1 };
const both = (title: string) => [`${title}, sequential`, `${title}, batches of 100`];

const GROUPS: [name: string, unit: string, rows: string[]][] = [
  [
    "numbers",
    "us",
    ["one number, sequential", ...[10, 100, 1000].map((size) => `one number, batches of ${size}`)],
  ],
  ["silence", "us", [1, 10, 100].map((millis) => `one number after ${millis} ms of silence`)],
  ["objects", "us", [...both("small object"), ...both("100 records")]],
  ["strings", "us", SIZES.flatMap((size) => both(`string, ${size}, Latin-1`))],
  ["strings beyond Latin-1", "us", SIZES.flatMap((size) => both(`string, ${size}, beyond Latin-1`))],
  ["bytes", "us", BYTES.flatMap((size) => both(`bytes, ${size}`))],
  ["bytes to the worker", "us", BYTES.flatMap((size) => both(`bytes, ${size}, to the worker`))],
  ["bytes to the host", "us", BYTES.flatMap((size) => both(`bytes, ${size}, to the host`))],
  ["errors", "us", both("an error")],
  ["workers", "calls/s", [1, 2, 4, 8].map((count) => `50 us of work, ${count} workers`)],
  ["waiting", "ms", ["waiting, calls of 1 to 50 ms"]],
  ["arrivals", "ms", [LONG]],
  ["server", "calls/s", ["web server, requests per second"]],
  ["server", "ms", ["web server, p99 of requests", "web server, p99 of /health"]],
  ["start", "ms", ["start of a worker, to its first answer", "start of a worker, event loop blocked"]],
  ["memory", "MiB", ["memory of an idle worker"]],
  ["rest", "share", ["host at rest", "worker at rest"]],
];

/** Results of all rows, or of the groups with these names. */
export function benchResults(names?: readonly string[]): Results {
  const random = generator(13);
  const groups = new Map<string, Row[]>();
  const add = (name: string, row: Row) => groups.set(name, [...(groups.get(name) ?? []), row]);
  for (const [name, unit, ids] of GROUPS.filter(([each]) => names === undefined || names.includes(each))) {
    for (const id of ids) {
      add(name, rowOf(id, unit, "idle", random));
    }
  }
  for (const load of ["one", "each", "two"] as const) {
    for (const id of names === undefined ? BUSY : []) {
      add("busy", rowOf(id, "us", load, random));
    }
  }
  return {
    machine: { cpu: "A processor", cores: 2, memoryGiB: 24, kernel: "6.18.44", node: "v24.21.0" },
    versions: { node: "24.21.0", deno: "2.9.6", bun: "1.4.5", piscina: "5.3.2", tinypool: "2.2.0" },
    othersBusy: 0.125,
    seconds: 1081,
    quick: false,
    commit: "0123abc",
    floors: [
      { title: "a cache line there and back", figure: 287, unit: "ns" },
      { title: "copy of warm memory", figure: 9.5, unit: "GiB/s" },
    ],
    groups: [...groups].map(([name, rows]) => ({ name, title: name, rows })),
  };
}

function rowOf(id: string, unit: string, load: Load, random: () => number): Row {
  const better = unit === "calls/s" ? "higher" : "lower";
  const base = ({ us: 20, ms: 40, MiB: 30, "calls/s": 20_000, share: 0.0004 } as Record<string, number>)[
    unit
  ]!;
  const size = id.includes("16 MiB") ? 400 : id.includes("MiB") ? 30 : id.includes("KiB") ? 3 : 1;
  const all = CONTENDERS.filter(([, , kind]) => kind !== "computed" || id.startsWith("waiting"));
  const contenders = all.map(([name, ours, kind]): Entry => {
    if (id.startsWith("bytes") && name === "fork") {
      return { name, ours, kind, reason: "JSON has no bytes" };
    }
    if (id === "an error, sequential" && name === "poolifier") {
      return { name, ours, kind, failure: "no answer for 20 s" };
    }
    if (id === LONG && kind === "process") {
      return { name, ours, kind, reason: "it takes minutes" };
    }
    const figure = base * size * (ours && better === "lower" ? 0.05 : 1) * 10 ** random();
    const median = ours ? 1 + 20 * random() : 0.2 + 1.5 * random();
    return {
      name,
      ours,
      kind,
      figure,
      ...(unit === "us" && { p50: figure * 0.9, p99: figure * 4 }),
      against: "postMessage",
      ratio: name === "postMessage" ? ONCE : { median, low: median * 0.9, high: median * 1.2 },
      ...(load !== "idle" && { worst: { figure: figure * 20, ratio: median / 20 } }),
    };
  });
  return { id, title: id, unit, better, load, rounds: 40, contenders };
}

/** A linear congruential generator: the same numbers each time, from 0 to below 1. */
function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 1_664_525 + 1_013_904_223) % 2 ** 32;
    return state / 2 ** 32;
  };
}
