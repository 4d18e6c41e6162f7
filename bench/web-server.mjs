/**
 * What a web server gets from its pool: `examples/web-server.mjs` under load. docs/web-server.md shows the figures.
 *
 * ```text
 *   node bench/web-server.mjs [rounds]
 * ```
 *
 * The kinds of server take turns, each as a process of its own. The load comes from this process, over connections that
 * are kept: from a number of clients that each wait for their answer, or at fixed times whatever has been answered.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { Agent, get } from "node:http";
import { createInterface } from "node:readline";
import { setTimeout } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { machine, watchOthers } from "./machine.mjs";

const EXAMPLE = fileURLToPath(new URL("../examples/web-server.mjs", import.meta.url));
/** The same work in the server's own thread. */
const ALONE = `
  import { createServer } from "node:http";
  import { pbkdf2Sync } from "node:crypto";
  const derive = () => pbkdf2Sync("", "salt", 25_000, 16, "sha256").toString("hex");
  const server = createServer((request, response) =>
    response.end(request.url.startsWith("/derive") ? derive() : "ok"));
  server.listen(0, () => console.log("listens on port " + server.address().port));
  process.once("SIGTERM", () => process.exit());`;

const ROUNDS = Number(process.argv[2] ?? 5);
const TURN_MILLIS = 3_000;
const CLIENTS = 16;
const NO_LIMIT = "1000000";

/** What is reported of each kind of server: the figure, its title, and its digits. */
const FIGURES = [
  ["perSecond", "good answers/s", 0],
  ["share", "share of good answers", 3],
  ["p50", "good answers, p50, ms", 1],
  ["p99", "good answers, p99, ms", 1],
  ["health", "/health, p99, ms", 1],
  ["stopMillis", "end after SIGTERM, ms", 0],
];

/** Starts a server, plays a load to it, and ends it. */
async function withServer(env, load) {
  const argv = env === undefined ? ["--input-type=module", "--eval", ALONE] : [EXAMPLE];
  const child = spawn(process.execPath, argv, {
    env: { ...process.env, ...env },
    stdio: ["ignore", "pipe", "inherit"],
  });
  const ended = once(child, "exit");
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const port = Number((await lines.next()).value.split(" ").at(-1));
  const agent = new Agent({ keepAlive: true, maxSockets: Number.POSITIVE_INFINITY });
  const request = (path) =>
    new Promise((resolve) => {
      const start = performance.now();
      const settle = (status) => resolve({ status, millis: performance.now() - start });
      get({ port, path, agent, host: "127.0.0.1" }, (response) => {
        response.resume();
        response.on("end", () => settle(response.statusCode));
      }).on("error", ({ code }) => settle(code));
    });
  while ((await request("/health")).status !== 200) {
    await setTimeout(10);
  }
  await Promise.all(Array.from({ length: CLIENTS }, () => request("/derive")));
  const result = await load({ request, child });
  if (!child.killed) {
    child.kill("SIGTERM");
  }
  const stopping = performance.now();
  const [status] = await ended;
  agent.destroy();
  const last = (await lines.next()).value;
  return { ...result, status, last, stopMillis: performance.now() - stopping };
}

/** Clients that each wait for their answer. Every `hangEvery`th request hangs. Meanwhile another client asks for nothing. */
async function clients({ request }, hangEvery = Number.POSITIVE_INFINITY) {
  const end = performance.now() + TURN_MILLIS;
  const [answers, idle] = [[], []];
  let count = 0;
  const client = async () => {
    while (performance.now() < end) {
      answers.push(await request(++count % hangEvery === 0 ? "/derive?rounds=1e9" : "/derive"));
    }
  };
  const bystander = async () => {
    while (performance.now() < end) {
      idle.push(await request("/health"));
      await setTimeout(10);
    }
  };
  await Promise.all([...Array.from({ length: CLIENTS }, client), bystander()]);
  return { ...summary(answers), health: quantile(idle, 0.99) };
}

/** Requests at fixed times. */
async function arrivals({ request }, perSecond) {
  const start = performance.now();
  const answers = [];
  for (let sent = 0; performance.now() - start < TURN_MILLIS; ) {
    for (; sent < ((performance.now() - start) / 1_000) * perSecond; sent++) {
      answers.push(request("/derive"));
    }
    await setTimeout(2);
  }
  return summary(await Promise.all(answers));
}

/** Has the server end while requests are under way and others come. */
async function termination({ request, child }) {
  const answers = Array.from({ length: CLIENTS }, () => request("/derive"));
  // They have arrived.
  await request("/health");
  child.kill("SIGTERM");
  return summary(await Promise.all(answers));
}

function summary(answers) {
  const good = answers.filter(({ status }) => status === 200);
  const statuses = {};
  for (const { status } of answers) {
    statuses[status] = (statuses[status] ?? 0) + 1;
  }
  return {
    perSecond: (good.length / TURN_MILLIS) * 1_000,
    share: good.length / answers.length,
    p50: quantile(good, 0.5),
    p99: quantile(good, 0.99),
    statuses,
  };
}

function quantile(answers, share) {
  const times = answers.map(({ millis }) => millis).sort((a, b) => a - b);
  return times[Math.min(Math.floor(times.length * share), times.length - 1)] ?? Number.NaN;
}

function median(numbers) {
  return [...numbers].sort((a, b) => a - b)[Math.floor(numbers.length / 2)];
}

const ofTwo = { WORKERS: "2", QUEUE: NO_LIMIT };
const capacity = [];
const kinds = {
  "no pool": () => withServer(undefined, clients),
  "1 worker": () => withServer({ WORKERS: "1", QUEUE: NO_LIMIT }, clients),
  "2 workers": () => withServer(ofTwo, clients),
  "2 workers, nice 10": () => withServer({ ...ofTwo, NICE: "10" }, clients),
  "2 workers, each 100th request hangs": () =>
    withServer({ ...ofTwo, TIMEOUT: "100" }, (server) => clients(server, 100)),
  "twice too much, queue of 20": () =>
    withServer({ WORKERS: "2", QUEUE: "20" }, (server) => arrivals(server, 2 * median(capacity))),
  "twice too much, queue without limit": () =>
    withServer(ofTwo, (server) => arrivals(server, 2 * median(capacity))),
  "SIGTERM amid 16 requests": () => withServer(ofTwo, termination),
};

const othersBusy = watchOthers();
const turns = {};
for (let round = 0; round < ROUNDS; round++) {
  for (const [name, run] of Object.entries(kinds)) {
    const turn = await run();
    turns[name] = [...(turns[name] ?? []), turn];
    if (name === "2 workers") {
      capacity.push(turn.perSecond);
    }
  }
}
const { node, cpu, cores } = machine();
console.log(
  `Node ${node}, ${cpu}, ${cores} cores; ${ROUNDS} rounds; others kept ${othersBusy().toFixed(2)} cores busy`,
);
for (const [name, results] of Object.entries(turns)) {
  console.log(name);
  for (const [figure, title, digits] of FIGURES) {
    if (results[0][figure] !== undefined) {
      const value = median(results.map((result) => result[figure])).toFixed(digits);
      const ratios = results.map((result, round) => result[figure] / turns["2 workers"][round][figure]);
      console.log(
        `  ${title.padEnd(24)} ${value.padStart(8)}  ${median(ratios).toFixed(2)}x of 2 workers in the same round`,
      );
    }
  }
  const statuses = results.map((result) => JSON.stringify(result.statuses)).join(" ");
  console.log(
    `  statuses ${statuses}\n  ends ${results.map(({ status, last }) => `${status}: ${last}`).join("; ")}`,
  );
}
