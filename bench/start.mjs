/**
 * `node bench/start.mjs`: the cost of a policy. It starts a strict process worker and an unsafe one in turn, and
 * measures from `createPool` until the first call has returned; then it measures calls per second of both, in turn.
 */
import { createPool, importTask } from "knitting-native";
import { ensureRuntimes } from "../scripts/runtimes.mjs";
import { machine, watchOthers } from "./machine.mjs";
import { spread } from "./statistics.mjs";

const STARTS = 20;
const TURNS = 400;
const BATCH = 1000;
const POLICIES = ["unsafe", "strict"];

const { deno, bun } = ensureRuntimes();
const paths = { node: process.execPath, deno, bun };
const echo = importTask({ href: new URL("tasks.mjs", import.meta.url), name: "echo" });

const { node, kernel, cpu, cores } = machine();
const othersBusy = watchOthers();
console.log(`Node ${node}, Linux ${kernel}, ${cpu}, ${cores} cores; medians\n`);
console.log("| runtime | start, unsafe | start, strict | difference | calls/s, strict against unsafe |");
console.log("| --- | ---: | ---: | ---: | ---: |");
for (const runtime of Object.keys(paths)) {
  const start = { unsafe: [], strict: [] };
  for (let round = -1; round < STARTS; round++) {
    for (const permission of inTurn(round)) {
      const began = performance.now();
      const pool = poolOf(runtime, permission);
      await pool.call.echo(0);
      // The first start of each fills the file system's cache.
      if (round >= 0) {
        start[permission].push(performance.now() - began);
      }
      await pool.shutdown();
    }
  }
  const [unsafe, strict] = POLICIES.map((permission) => spread(start[permission]).median);
  const ratio = await callsStrictAgainstUnsafe(runtime);
  const times = [unsafe, strict, strict - unsafe].map((millis) => `${millis.toFixed(1)} ms`);
  console.log(`| ${runtime} | ${times.join(" | ")} | ${ratio.toFixed(2)}x |`);
}
console.log(`\nOthers kept ${othersBusy().toFixed(2)} cores busy meanwhile.`);

async function callsStrictAgainstUnsafe(runtime) {
  const pools = POLICIES.map((permission) => [permission, poolOf(runtime, permission)]);
  const ratios = [];
  for (let turn = -5; turn < TURNS; turn++) {
    const took = {};
    for (const [permission, pool] of turn % 2 === 0 ? pools : pools.toReversed()) {
      const began = performance.now();
      await Promise.all(Array.from({ length: BATCH }, (_, index) => pool.call.echo(index)));
      took[permission] = performance.now() - began;
    }
    if (turn >= 0) {
      ratios.push(took.unsafe / took.strict);
    }
  }
  await Promise.all(pools.map(([, pool]) => pool.shutdown()));
  return spread(ratios).median;
}

function poolOf(runtime, permission) {
  // Both get the same variables, because some cost a runtime time at its start, and a policy removes them.
  const worker = { runtime: "process", processRuntime: runtime, processRuntimePath: paths[runtime], env: {} };
  return createPool({ worker, permission })({ echo });
}

function inTurn(round) {
  return round % 2 === 0 ? POLICIES : POLICIES.toReversed();
}
