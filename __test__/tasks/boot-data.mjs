/** Tasks that look for what their worker was started with, wherever a runtime shows it. */
import { execFileSync } from "node:child_process";
import { openSync, readdirSync, readFileSync, readlinkSync, readSync } from "node:fs";
import { Worker } from "node:worker_threads";

const { Deno, Bun } = globalThis;
const text = (value) => JSON.stringify(value) ?? "";
const decode = (bytes) => new TextDecoder().decode(bytes);

/** Each place, and the text found there. */
const PLACES = {
  "process.env": () => text(process.env),
  "process.argv": () => text([process.argv, process.execArgv, process.argv0, process.title]),
  "process.report": () => text(process.report?.getReport?.()),
  "/proc/self/environ": () => readFileSync("/proc/self/environ", "latin1"),
  "/proc/self/cmdline": () => readFileSync("/proc/self/cmdline", "latin1"),
  "/proc/self/task/*/environ": () =>
    readdirSync("/proc/self/task")
      .map((id) => readFileSync(`/proc/self/task/${id}/environ`, "latin1"))
      .join(),
  "a child's environment": () => execFileSync("env", { encoding: "utf8" }),
  "a thread's environment": () =>
    new Promise((resolve, reject) => {
      const code = `const { Deno, Bun } = globalThis;
        const seen = [process.env, Deno?.env.toObject(), Bun?.env];
        require("node:worker_threads").parentPort.postMessage(JSON.stringify(seen));`;
      const thread = new Worker(code, { eval: true });
      thread.once("message", (seen) => {
        resolve(seen);
        thread.terminate();
      });
      thread.once("error", reject);
    }),
  ...(Deno && {
    "Deno.env": () => text(Deno.env.toObject()),
    "Deno.env.get": () => text([Deno.env.get(MARK), Deno.env.get(`${MARK}_BOOT`)]),
    "Deno.args": () => text(Deno.args),
    "Deno.Command": () => decode(new Deno.Command("env").outputSync().stdout),
  }),
  ...(Bun && {
    "Bun.env": () => text(Bun.env),
    "import.meta.env": () => text(import.meta.env),
    "Bun.argv": () => text(Bun.argv),
    "Bun.spawn": () => new Response(Bun.spawn(["env"]).stdout).text(),
    "Bun.spawn, one argument": () => new Response(Bun.spawn({ cmd: ["env"] }).stdout).text(),
    "Bun.spawnSync": () => decode(Bun.spawnSync(["env"]).stdout),
    "Bun.spawnSync with options": () => decode(Bun.spawnSync(["env"], { env: undefined }).stdout),
    "Bun.$": () => Bun.$`env`.text(),
  }),
};

const MARK = "KNITTING_PROCESS_WORKER";

export const places = async () => {
  const found = {};
  for (const [place, read] of Object.entries(PLACES)) {
    found[place] = await read();
  }
  return found;
};

/** The nonce of this worker's memory, as the boot payload had it: from the memory's own head, see src/transport/layout.rs. */
export const nonce = () => {
  const NONCE_OFFSET = 32;
  const line = readFileSync("/proc/self/maps", "utf8")
    .split("\n")
    .find((map) => map.includes("memfd:knitting"));
  const bytes = new Uint8Array(16);
  const head = Number.parseInt(line.split("-")[0], 16);
  readSync(openSync("/proc/self/mem", "r"), bytes, 0, bytes.length, head + NONCE_OFFSET);
  return JSON.stringify([...bytes]);
};

export const pid = () => process.pid;
export const stdin = () => readlinkSync("/proc/self/fd/0");
